"""What the loaders must know of a block type: its name, aliases, main prop and typed props. Data only.

The registry of the blocks' floor pairs each type with the behaviour that runs it; third-party types enter both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class PropType(StrEnum):
    """What a prop may hold. `ANY` keeps what YAML or JSON gave, typed."""

    TEXT = "text"
    BOOLEAN = "boolean"
    NUMBER = "number"
    MAPPING = "mapping"
    LIST = "list"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prop:
    """One prop of a block type.

    name: as the runbook format writes it (``outputVariable``); ``output_variable`` is understood, too.
    default: the value where the file has none, or null.
    required: a file without it can't be read.
    choices: the allowed values of a text prop; empty: any.
    templated: its text is a template, so that faults in it are found at collection.
    plain_only: no prop of the Atuin format; unknown there.
    """

    name: str
    type: PropType = PropType.TEXT
    default: object = None
    required: bool = False
    choices: tuple[str, ...] = ()
    templated: bool = False
    plain_only: bool = False
    help: str = ""

    @property
    def spellings(self) -> tuple[str, ...]:
        """The prop's names in a file: camelCase, and snake_case where that differs."""
        snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", self.name).lower()
        return (self.name,) if snake == self.name else (self.name, snake)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockType:
    """What the loaders know of one type of block.

    name: canonical, as Atuin documents write it (``script``, ``host-select``).
    aliases: other names for it in any form (``terminal`` for ``run``).
    plain_names: the keys that name it in the plain form; the first is the one to recommend. Empty: not writable there.
    main: the prop that a bare text value stands for in the plain form.
    is_item: True if running it is a test item; False for a context block and for those that only show something.
    is_context: True if it tells something to the blocks below it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    plain_names: tuple[str, ...] = ()
    main: str | None = None
    props: tuple[Prop, ...] = ()
    is_item: bool = True
    is_context: bool = False
    help: str = ""

    def prop(self, spelling: str) -> Prop | None:
        """The prop of that spelling, None if this type has none such."""
        return next((prop for prop in self.props if spelling in prop.spellings), None)


@dataclass(slots=True)
class BlockCatalog:
    """The block types that a run knows, by every name that a file may use for them."""

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
        """Make a type known.

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

    def atuin(self, name: str) -> BlockType | None:
        """The type that an Atuin document means by this name."""
        return self._names.get(name)

    def plain(self, name: str) -> BlockType | None:
        """The type that this key names in the plain form."""
        return self._plain.get(name)

    def __getitem__(self, name: str) -> BlockType:
        return self._types[name]

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
