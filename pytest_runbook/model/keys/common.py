"""The keys that plain runbooks and checks files have in common, of the file and of each block, and who reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ..catalog import BlockCatalog, BlockType
from ..runbook import BlockRules, BlockScope, BlockSpec
from ..source.mapping_reader import KeyReader, MappingReader, did_you_mean_or_known, excerpt
from . import access as access_keys
from . import flow as flow_keys
from .defaults import DEFAULT_KEYS as DEFAULT_KEYS
from .defaults import Defaults, shell_options
from .expect import expectations

_VERSION = 1


def check_version(reader: MappingReader, key: str) -> None:
    """Note a version that is not the one there is."""
    if reader.values[key] != _VERSION or isinstance(reader.values[key], bool):
        reader.add_wrong_value(key, str(_VERSION))


def check_schema(reader: MappingReader, key: str) -> None:
    """Note a schema that is no text; which one it is, is the editor's business."""
    reader.text(key)


FILE_KEYS: Mapping[str, KeyReader] = {
    "$schema": check_schema,
    "version": check_version,
    "name": MappingReader.text,
    "vars": MappingReader.declared_vars,
    "env": MappingReader.declared_env,
    "secrets": MappingReader.secrets,
    "timeout": MappingReader.timeouts,
    "on_failure": MappingReader.on_failure,
    "tags": MappingReader.tags,
    "fixtures": MappingReader.fixtures,
    "answers": MappingReader.answers,
    "require": flow_keys.name_references,
    "needs": flow_keys.name_references,
    "matrix": flow_keys.matrix,
    "hosts": flow_keys.name_references,
    "environments": access_keys.environments,
    "requires": access_keys.requires,
    "connections": access_keys.connections,
    "ssh": access_keys.ssh,
    "effects": access_keys.effects,
}
# The field of Runbook where it is not named like the key.
_FIELD_NAMES = {"timeout": "timeouts"}
# By key: the field of BlockRules that it fills, and who reads it.
RULES: Mapping[str, tuple[str, KeyReader]] = {
    "assert": ("assertions", MappingReader.conditions),
    "warn": ("warnings", MappingReader.conditions),
    "expect": ("expectations", expectations),
    "expect_error": ("expect_error", MappingReader.regex),
    "capture": ("captures", MappingReader.captures),
    "timeout": ("timeout", MappingReader.duration),
    "retry": ("retry", flow_keys.retry),
    "for_each": ("for_each", flow_keys.for_each),
    "when": ("when", MappingReader.condition),
    "skip": ("skip", flow_keys.skip),
    "below": ("below", flow_keys.below),
    "xfail": ("xfail", flow_keys.expected_failure),
    "on_failure": ("on_failure", MappingReader.on_failure),
    "finally": ("is_cleanup", MappingReader.boolean),
    "if_started": ("if_started", MappingReader.names),
    "tags": ("tags", MappingReader.tags),
    "fixtures": ("fixtures", MappingReader.fixtures),
    "effects": ("effects", access_keys.effects),
    "sensitive": ("sensitive", MappingReader.boolean),
    "become": ("become", access_keys.become),
    "template": ("template", MappingReader.boolean),
}
SCOPE: Mapping[str, KeyReader] = {
    "env": MappingReader.declared_env,
    "vars": MappingReader.declared_vars,
    "directory": MappingReader.declared_text,
    "host": MappingReader.declared_text,
    "stdin": MappingReader.declared_text,
}
_CONTEXT_RULES = frozenset({"sensitive", "template"})
_NO_RULES = BlockRules()


def file_fields(
    reader: MappingReader, key_readers: Mapping[str, KeyReader], block_list_keys: tuple[str, ...]
) -> dict[str, object]:
    """What the keys of a file say, by the fields of `Runbook`; a fault for each key that is none."""
    fields: dict[str, object] = {}
    for key in reader.values:
        if key in key_readers:
            value = key_readers[key](reader, key)
            if value is not None:
                fields[_FIELD_NAMES.get(key, key)] = value
        elif key in RULES and key not in block_list_keys:
            all_of_them = f", or for all of them in `defaults: {{{key}: ...}}`" if key in DEFAULT_KEYS else ""
            reader.add_fault(
                key, f"{key} means nothing here: it is said of a block", f"{key} stands in a block{all_of_them}"
            )
        elif key not in block_list_keys:
            reader.add_unknown_key(key, (*key_readers, *block_list_keys))
    return fields


def defaults_of(reader: MappingReader, *more: str) -> Defaults:
    """What the key ``defaults`` of a file says; nothing where it is not there. more: further keys that it may have."""
    inner = reader.mapping("defaults") if "defaults" in reader.values else None
    if inner is None:
        return Defaults()
    for key in inner.values:
        if key not in (*DEFAULT_KEYS, *more):
            inner.add_unknown_key(key, (*DEFAULT_KEYS, *more))
    rules = block_rules(inner, None, [key for key in inner.values if key in DEFAULT_KEYS])
    return Defaults(rules, shell_options(inner))


def block_rules(
    reader: MappingReader,
    block_type: BlockType | None,
    keys: list[str],
    *,
    in_finally: bool = False,
    base: BlockRules = _NO_RULES,
) -> BlockRules:
    """What the common keys among these say.

    block_type: None for a type that nobody knows.
    keys: those of the section that are in `RULES` or, for plain runbooks, in `SCOPE`.
    in_finally: the block stands in the runbook's ``finally`` section. base: what holds where they say nothing.
    """
    fields: dict[str, object] = {"is_cleanup": True} if in_finally else {}
    scope: dict[str, object] = {}
    for key in keys:
        if block_type and not block_type.is_item and key not in _CONTEXT_RULES:
            hint = "they only set what holds below them"
            reader.add_fault(key, f"{key} means nothing here: {block_type.name} blocks do not run", hint)
        elif key in RULES:
            name, read = RULES[key]
            value = read(reader, key)
            if value is not None:
                fields[name] = value
        else:
            scope[key] = SCOPE[key](reader, key)
    if scope:
        fields["scope"] = BlockScope(**scope)  # type: ignore[arg-type]  # each reader gives what its field holds
    if not fields:
        return base
    if fields.get("if_started") and not fields.get("is_cleanup"):
        reader.add_fault("if_started", "if_started is for clean-ups", "add: finally: true")
    return replace(base, **fields)  # type: ignore[arg-type]  # each reader gives what its field holds


def item_names(specs: Iterable[BlockSpec], catalog: BlockCatalog) -> Collection[str]:
    """The names and ids of the blocks that do work."""
    items = [spec for spec in specs if spec.type not in catalog or catalog[spec.type].is_item]
    return dict.fromkeys((*(spec.name for spec in items if spec.name), *(spec.id for spec in items)))


def check_if_started(reader: MappingReader, rules: BlockRules, known: Collection[str]) -> None:
    """Note a clean-up that hangs on a block which is not there. known: names and ids of the blocks that do work."""
    for name in rules.if_started:
        if name not in known:
            reader.add_fault(
                "if_started", f'no block that runs is called "{excerpt(name)}"', did_you_mean_or_known(name, known)
            )


def add_unknown_block_key(reader: MappingReader, key: str, known: Iterable[str]) -> None:
    """Note a key that no block of this kind has."""
    if key == "hosts":
        hint = "host: NAME is for a block; hosts stands at the top of the file"
        reader.add_fault(key, "hosts means nothing here: a block runs on one host", hint)
    elif key in FILE_KEYS or key == "defaults":
        reader.add_fault(
            key, f"{key} means nothing here: it is said of a whole file", f"{key} stands at the top of the file"
        )
    else:
        reader.add_unknown_key(key, known)
