"""One key of a file as data: its name, the field that it fills, its reader, its schema, its help."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from ...text import folded, nearest
from ..source.mapping_reader import MappingReader

Schema: TypeAlias = Mapping[str, object]
KeyReader: TypeAlias = Callable[[MappingReader, str], object]
Scope: TypeAlias = Literal["file", "checks", "block", "entry", "context", "defaults", "checks defaults"]


class Key(NamedTuple):
    """One key.

    field: the field of the model that it fills. Keys of a file fill a `Runbook`, keys of a block its `BlockRules`;
        ``prose.owner`` is the field of a part. The loaders take some fields out first: blocks, defaults, id, name ...
    read: returns the value; None if there is nothing to set, or after adding a fault. Those of a secret's source
        raise `InvalidSecretSource`.
    schema: JSON Schema of what `read` takes, or a function that makes it.
    help: Markdown with links as in the folder ``docs``, or a function that makes it.
    scope: where it may stand. ``file`` and ``checks``: at the top of a plain runbook and of a checks file. ``block``: a
        block of a plain runbook; ``context``: also one that does no work. ``entry``: an entry of a checks file.
        ``defaults`` and ``checks defaults``: the mapping ``defaults`` of any file, and of a checks file alone.
        Empty for a key inside the value of another key.
    aliases: words of other tools for it. They are not keys; an error about one of them names this key.
    """

    name: str
    field: str
    read: KeyReader
    schema: Schema | Callable[[], Schema]
    help: str | Callable[[], str] = ""
    scope: tuple[Scope, ...] = ()
    aliases: tuple[str, ...] = ()


Keys: TypeAlias = Mapping[str, Key]
AddUnknown: TypeAlias = Callable[[MappingReader, str, Keys], None]
_ALIAS_CUTOFF = 0.85  # stricter than for keys: a word that is only somewhat like an alias means something else
_LINK = r"\[([^\]]*)\]\([^)]*\)"


def by_name(*keys: Key) -> Keys:
    return {key.name: key for key in keys}


def read_keys(reader: MappingReader, keys: Keys, add_unknown: AddUnknown | None = None) -> dict[str, object]:
    """Read a mapping in which only these keys may stand. Return the values that are there, by their fields.

    add_unknown: adds the fault of a key that may not stand here; None: an unknown key, with the nearest known one.
    """
    values = {}
    for name in reader.values:
        key = keys.get(name)
        if key is None:
            (add_unknown or _add_unknown)(reader, name, keys)
        elif (value := key.read(reader, name)) is not None:
            values[key.field] = value
    return values


def _add_unknown(reader: MappingReader, name: str, keys: Keys) -> None:
    add_unknown_key(reader, name, keys, keys)


def add_unknown_key(reader: MappingReader, name: str, known: Iterable[str], keys: Keys) -> None:
    """Add a fault for an unknown key. known: all names that may stand here; keys: those of them that have aliases."""
    names = tuple(dict.fromkeys(known))
    aliases = _aliases(keys)
    meant = aliases.get(folded(name))
    if meant is None and nearest(name, names) is None:
        meant = aliases.get(nearest(name, aliases, cutoff=_ALIAS_CUTOFF) or "")
    reader.add_unknown_key(name, names, meant)


def key_of_alias(name: str, keys: Keys) -> str | None:
    """Return the key for which another tool has this name; None if there is none."""
    return _aliases(keys).get(folded(name))


def _aliases(keys: Keys) -> dict[str, str]:
    return {folded(alias): key.name for key in keys.values() for alias in key.aliases}


def mapping_schema(keys: Keys, **more: object) -> Schema:
    """Return the JSON Schema of a mapping in which only these keys may stand. more: further keywords."""
    properties = {key.name: described(key) for key in keys.values()}
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def described(key: Key) -> Schema:
    """Return the schema of a key with its help, links left out."""
    schema = key.schema if isinstance(key.schema, Mapping) else key.schema()
    text = help_of(key)
    return {"description": re.sub(_LINK, r"\1", text), **schema} if text else schema


def help_of(key: Key) -> str:
    return key.help if isinstance(key.help, str) else key.help()
