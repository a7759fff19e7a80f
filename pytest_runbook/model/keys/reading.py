"""Reads the keys of files and blocks by the table, whichever form the file has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ..catalog import BlockCatalog, BlockType
from ..prose import Prose
from ..runbook import BlockRules, BlockSpec
from ..source.mapping_reader import MappingReader, did_you_mean_or_known, excerpt
from .defaults import Defaults
from .key import Key, Scope, add_unknown_key, key_of_alias, read_keys
from .key_table import keys_in

_NO_RULES = BlockRules()
_NO_PROSE = Prose()


def file_fields(reader: MappingReader, scope: Scope) -> dict[str, object]:
    """Read the keys of a file. Return their values by the fields of `Runbook`; add a fault for each unknown key.

    scope: ``file`` or ``checks``.
    """
    fields = read_keys(reader, keys_in(scope), lambda reader, name, _: _add_unknown_file_key(reader, name, scope))
    return _with_parts(fields, prose=_NO_PROSE)


def _add_unknown_file_key(reader: MappingReader, name: str, scope: Scope) -> None:
    if scope == "file" and _is_runbook_key(name):
        message = f"{excerpt(name)} means nothing here: it is a key of checks files"
        reader.add_fault(name, message, "a block runs another runbook: - sub-runbook: PATH")
        return
    elsewhere = keys_in("block" if scope == "file" else "entry")
    key = elsewhere.get(name)
    if key is None and key_of_alias(name, keys_in(scope)) is None and (meant := key_of_alias(name, elsewhere)):
        reader.add_fault(name, f'unknown key "{excerpt(name)}"', f"{meant}, in a block")
        return
    if key is None or not _is_rule(key):
        add_unknown_key(reader, name, keys_in(scope), keys_in(scope))
        return
    all_of_them = f", or for all of them in `defaults: {{{name}: ...}}`" if "defaults" in key.scope else ""
    hint = f"{name} stands in a block{all_of_them}"
    reader.add_fault(name, f"{name} means nothing here: it is a key of blocks", hint)


def _is_runbook_key(name: str) -> bool:
    """Return True for the key ``runbook`` of checks files and its aliases.

    Without this, the hint would be the nearest key, ``runbook_url``.
    """
    key = keys_in("checks")["runbook"]
    return name.casefold() in (key.name, *key.aliases)


def _is_rule(key: Key) -> bool:
    """Return True for a key with a rule: not for a name, an id or a scope, which also look like keys of a file."""
    return "entry" in key.scope and "block" in key.scope and not key.field.startswith("scope.") and key.name != "id"


def take_defaults(fields: dict[str, object]) -> Defaults:
    """Return the defaults of the blocks of a file, and take the field ``defaults`` out of its fields.

    A block has the prose of its file, too, as far as that is inherited.
    """
    prose, rules = fields.get("prose"), fields.pop("defaults", {})
    assert isinstance(rules, dict)
    base = replace(_NO_RULES, prose=prose.inherited()) if isinstance(prose, Prose) else _NO_RULES
    shell_options = rules.pop("shell_options", None)
    return Defaults(replace(base, **rules), shell_options)


def block_fields(
    reader: MappingReader, block_type: BlockType | None, scope: Scope, names: Iterable[str]
) -> dict[str, object]:
    """Read keys of a block. Return their values by the fields that they fill.

    block_type: None for an unknown type. scope: ``block`` or ``entry``. names: keys that are there and in that scope.
    """
    keys = keys_in(scope)
    is_context = block_type is not None and not block_type.is_item
    fields: dict[str, object] = {}
    for name in names:
        key = keys[name]
        if is_context and "context" not in key.scope:
            assert block_type is not None
            message = f"{name} means nothing here: {block_type.name} blocks do not run"
            reader.add_fault(name, message, "they only set what holds below them")
        elif (value := key.read(reader, name)) is not None:
            fields[key.field] = value
    return fields


def block_rules(reader: MappingReader, fields: Mapping[str, object], base: BlockRules) -> BlockRules:
    """Return the rules of a block. fields: those that its keys fill. base: the rules for the others."""
    if not fields:
        return base
    if fields.get("if_started") and not fields.get("is_cleanup"):
        reader.add_fault("if_started", "if_started is for clean-ups", "add: finally: true")
    return replace(base, **_with_parts(fields, scope=base.scope, prose=base.prose))  # type: ignore[arg-type]  # by the table


def _with_parts(fields: Mapping[str, object], **parts: object) -> dict[str, object]:
    """Return the fields with those of a part (``prose.owner``) put into it. parts: what each part is without them."""
    whole: dict[str, object] = {}
    inner: dict[str, dict[str, object]] = {}
    for name, value in fields.items():
        part, is_inner, field = name.partition(".")
        if is_inner:
            inner.setdefault(part, {})[field] = value
        else:
            whole[name] = value
    for part, values in inner.items():
        whole[part] = replace(parts[part], **values)  # type: ignore[type-var]  # the parts are dataclasses
    return whole


def item_names(specs: Iterable[BlockSpec], catalog: BlockCatalog) -> Collection[str]:
    """Return the names and ids of the blocks that do work."""
    items = [spec for spec in specs if catalog.is_item(spec.type)]
    return dict.fromkeys((*(spec.name for spec in items if spec.name), *(spec.id for spec in items)))


def check_if_started(reader: MappingReader, rules: BlockRules, known: Collection[str]) -> None:
    """Add a fault for each missing block that a clean-up names. known: names and ids of the blocks that do work."""
    for name in rules.if_started:
        if name not in known:
            message = f'no block that runs is called "{excerpt(name)}"'
            reader.add_fault("if_started", message, did_you_mean_or_known(name, known))


def add_unknown_block_key(reader: MappingReader, name: str, scope: Scope, more: Iterable[str] = ()) -> None:
    """Add a fault for a key that may not stand in a block.

    scope: ``block`` or ``entry``. more: further keys that may, such as types and props.
    """
    whole_file = keys_in("file" if scope == "block" else "checks")
    if name == "hosts":
        hint = "host: NAME is for a block; hosts stands at the top of the file"
        reader.add_fault(name, "hosts means nothing here: a block runs on one host", hint)
    elif name in whole_file:
        message = f"{name} means nothing here: it is a key of the whole file"
        reader.add_fault(name, message, f"{name} stands at the top of the file")
    elif name in keys_in("file", "block"):
        message = f"{name} means nothing here: it is a key of plain runbooks"
        reader.add_fault(name, message, "a checks file holds assertions about a block, not its work")
    elif scope == "block" and _is_runbook_key(name):
        reader.add_unknown_key(name, keys_in(scope), "sub-runbook")
    elif key_of_alias(name, keys_in(scope)) is None and (meant := key_of_alias(name, whole_file)):
        reader.add_fault(name, f'unknown key "{excerpt(name)}"', f"{meant}, at the top of the file")
    else:
        add_unknown_key(reader, name, (*more, *keys_in(scope)), keys_in(scope))
