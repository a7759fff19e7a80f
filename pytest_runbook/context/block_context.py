"""The context that one block passes on to the blocks below it: at most one item of each type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar, cast

from ..secrets.sensitivity import SensitivityMarker
from .items import (
    BlockExecutionOutput,
    ContextItem,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshConfig,
    DocumentVar,
    DocumentVars,
)

_NOT_INHERITED = frozenset({BlockExecutionOutput})
"""Items that the blocks below do not inherit. They reach an output through ``doc`` instead."""
ItemT = TypeVar("ItemT", bound=ContextItem)


class BlockContext:
    """A mutable container of context items, with their types as keys.

    >>> context = BlockContext(DocumentVar("name", value))
    >>> context.get(DocumentVar).name
    'name'
    """

    __slots__ = ("_items",)

    def __init__(self, *items: ContextItem) -> None:
        self._items: dict[type, ContextItem] = {type(item): item for item in items}

    def insert(self, item: ContextItem) -> None:
        """Store an item. It replaces an item of the same type."""
        self._items[type(item)] = item

    def get(self, kind: type[ItemT]) -> ItemT | None:
        return cast("ItemT | None", self._items.get(kind))

    def remove(self, kind: type[ContextItem]) -> None:
        self._items.pop(kind, None)

    @property
    def changes_nothing(self) -> bool:
        """True if the context of the blocks below is the same with and without this one. Outputs do not count."""
        return self._items.keys() <= _NOT_INHERITED

    def mark_sensitive(self, marker: SensitivityMarker) -> None:
        """Mark the values that are secret as sensitive, and add them to the masker."""
        # Items are replaced while the loop runs. That is safe: their keys exist already, so that the dict keeps its
        # size.
        for item in self:
            match item:
                case DocumentVar():
                    self.insert(_marked_var(item, marker))
                case DocumentEnvVar():
                    self.insert(_marked_env_var(item, marker))
                case DocumentVars(values):
                    self.insert(DocumentVars(tuple(_marked_var(value, marker) for value in values)))
                case DocumentEnvVars(values):
                    self.insert(DocumentEnvVars(tuple(_marked_env_var(value, marker) for value in values)))
                case DocumentSshConfig():
                    for name, value in item.secrets().items():
                        marker.masker.add(str(value.value), name)

    def copy(self) -> BlockContext:
        return BlockContext(*self)

    def __iter__(self) -> Iterator[ContextItem]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockContext) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]  # mutable, like a dict

    def __repr__(self) -> str:
        return f"BlockContext({', '.join(map(repr, self))})"


def _marked_var(item: DocumentVar, marker: SensitivityMarker) -> DocumentVar:
    return replace(item, value=marker.mark_value("var", item.name, item.value))


def _marked_env_var(item: DocumentEnvVar, marker: SensitivityMarker) -> DocumentEnvVar:
    return replace(item, value=marker.mark_value("env", item.name, item.value))
