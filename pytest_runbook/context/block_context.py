"""Typed storage of what one block says: at most one item of a type."""

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
ItemT = TypeVar("ItemT", bound=ContextItem)


class BlockContext:
    """What one block tells the blocks below it. The key of an item is its type.

    >>> context = BlockContext(DocumentVar("name", value))
    >>> context.get(DocumentVar).name
    'name'
    """

    __slots__ = ("_items",)

    def __init__(self, *items: ContextItem) -> None:
        self._items: dict[type, ContextItem] = {type(item): item for item in items}

    def insert(self, item: ContextItem) -> None:
        """Store an item; one of the same type is replaced."""
        self._items[type(item)] = item

    def get(self, kind: type[ItemT]) -> ItemT | None:
        return cast("ItemT | None", self._items.get(kind))

    def remove(self, kind: type[ContextItem]) -> None:
        self._items.pop(kind, None)

    @property
    def changes_nothing(self) -> bool:
        """True if the blocks below see the same with it and without, outputs apart."""
        return self._items.keys() <= _NOT_INHERITED

    def mark_sensitive(self, marker: SensitivityMarker) -> None:
        """Mark the secrets among the values, and add them to the masker."""
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
