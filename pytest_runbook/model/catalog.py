"""Block types as the loaders need them: names, aliases, the main prop and typed props.

The registry of the floor ``blocks`` pairs each type with the behaviour that runs it. Third-party types enter both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .runbook import BlockSpec, Runbook


class PropType(StrEnum):
    """The type of a prop. `ANY` keeps the type that YAML or JSON has."""

    TEXT = "text"
    BOOLEAN = "boolean"
    NUMBER = "number"
    WHOLE = "whole number"
    MAPPING = "mapping"
    LIST = "list"
    DURATION = "duration"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prop:
    """One prop of a block type.

    name: as the runbook format writes it (``outputVariable``); the loaders also accept ``output_variable``.
    alternative_types: further types that its value may have.
    default: the value if the file has none, or null.
    plain_default: the default in the plain form, if it differs.
    required: True if an Atuin document without it can't be read.
    plain_required: True if a plain runbook without it can't be read.
    may_be_empty: True if "" has a meaning although the plain form requires the prop.
    choices: the allowed values of a text prop; empty: any.
    limits: the lowest and the highest value of a whole number.
    templated: True if its text is a template, so that faults in it are found at collection. expression: the same for an
        expression.
    aliases: further names for it in the plain form.
    plain_only: True if the Atuin format has no such prop; it is unknown there.
    app_only: True if only the desktop app uses it; it is unknown in the plain form.
    """

    name: str
    type: PropType = PropType.TEXT
    alternative_types: tuple[PropType, ...] = ()
    default: object = None
    plain_default: object = None
    required: bool = False
    plain_required: bool = False
    may_be_empty: bool = False
    choices: tuple[str, ...] = ()
    limits: tuple[int, int] | None = None
    templated: bool = False
    expression: bool = False
    aliases: tuple[str, ...] = ()
    plain_only: bool = False
    app_only: bool = False
    help: str = ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """Return the prop's names in a file: camelCase, and snake_case if that differs."""
        snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", self.name).lower()
        return (self.name,) if snake == self.name else (self.name, snake)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockType:
    """One type of block, as the loaders need it.

    name: the canonical name, as in Atuin documents (``script``, ``host-select``).
    aliases: other names for it in Atuin documents (``terminal`` for ``run``).
    plain_names: the keys that name it in the plain form; the first is the recommended one. Empty: not writable there.
    main: the prop that a bare value stands for in the plain form.
    main_pattern: a regular expression that splits a bare text into several props, by its named groups.
    implied: values of other props in the plain form if the main prop is given and they are not.
    one_of: groups of props of which a plain runbook must have exactly one.
    is_item: True if running it is a test item; False for a context block and for a block that only shows something.
    is_context: True if it changes the context of the blocks below it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    plain_names: tuple[str, ...] = ()
    main: str | None = None
    main_pattern: str | None = None
    implied: tuple[tuple[str, object], ...] = ()
    props: tuple[Prop, ...] = ()
    one_of: tuple[tuple[str, ...], ...] = ()
    is_item: bool = True
    is_context: bool = False
    help: str = ""
    atuin_props: Mapping[str, Prop] = field(init=False, repr=False, compare=False)
    plain_props: Mapping[str, Prop] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the props by every spelling once: loaders look up each key of each block."""
        atuin = {name: prop for prop in self.props if not prop.plain_only for name in prop.spellings}
        plain = {name: prop for prop in self.props if not prop.app_only for name in (*prop.spellings, *prop.aliases)}
        object.__setattr__(self, "atuin_props", atuin)
        object.__setattr__(self, "plain_props", plain)

    def prop(self, spelling: str) -> Prop | None:
        """Return the prop of that spelling; None if this type has no such prop."""
        return next((prop for prop in self.props if spelling in prop.spellings), None)


@dataclass(slots=True)
class BlockCatalog:
    """The known block types, by every name that a file may use for them."""

    _types: dict[str, BlockType] = field(default_factory=dict)
    _names: dict[str, BlockType] = field(default_factory=dict)
    _plain: dict[str, BlockType] = field(default_factory=dict)

    @classmethod
    def of(cls, types: Iterable[BlockType]) -> BlockCatalog:
        catalog = cls()
        for block_type in types:
            catalog.add(block_type)
        return catalog

    def add(self, block_type: BlockType) -> None:
        """Add a type.

        :raises ValueError: if one of its names is taken.
        """
        for names, table in ((self._atuin_names(block_type), self._names), (block_type.plain_names, self._plain)):
            for name in names:
                if name in table:
                    raise ValueError(
                        f'two block types are named "{name}": {table[name].help!r} and {block_type.help!r}'
                    )
                table[name] = block_type
        self._types[block_type.name] = block_type

    def atuin_type(self, name: str) -> BlockType | None:
        """Return the type of that name in Atuin documents; None if there is none."""
        return self._names.get(name)

    def plain_type(self, name: str) -> BlockType | None:
        """Return the type that this key names in the plain form; None if there is none."""
        return self._plain.get(name)

    def __getitem__(self, name: str) -> BlockType:
        return self._types[name]

    def is_item(self, type_name: str) -> bool:
        """Return True if blocks of the type are test items; an unknown type counts as one."""
        return type_name not in self._types or self._types[type_name].is_item

    def work_items(self, runbook: Runbook) -> tuple[BlockSpec, ...]:
        """Return the blocks of a runbook that do work, in the order of a run: clean-ups come last."""
        items = [spec for spec in runbook.blocks if self.is_item(spec.type)]
        return (*(s for s in items if not s.rules.is_cleanup), *(s for s in items if s.rules.is_cleanup))

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[BlockType]:
        return iter(self._types.values())

    @property
    def atuin_names(self) -> tuple[str, ...]:
        return tuple(self._names)

    @property
    def plain_names(self) -> tuple[str, ...]:
        return tuple(self._plain)

    @staticmethod
    def _atuin_names(block_type: BlockType) -> tuple[str, ...]:
        return (block_type.name, *block_type.aliases)
