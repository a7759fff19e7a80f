"""The keys that plain runbooks and checks files have in common, of the file and of each block, and who reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ..catalog import BlockCatalog, BlockType
from ..runbook import BlockRules, BlockScope, BlockSpec
from ..source.mapping_reader import Reader, Section, near_or_some, show
from . import access as access_keys
from . import flow as flow_keys
from .defaults import KEYS as DEFAULT_KEYS
from .defaults import Defaults, shell_options
from .expect import expectations

_VERSION = 1


def check_version(section: Section, key: str) -> None:
    """Note a version that is not the one there is."""
    if section.values[key] != _VERSION or isinstance(section.values[key], bool):
        section.wrong(key, str(_VERSION))


def check_schema(section: Section, key: str) -> None:
    """Note a schema that is no text; which one it is, is the editor's business."""
    section.text(key)


FILE_KEYS: Mapping[str, Reader] = {
    "$schema": check_schema,
    "version": check_version,
    "name": Section.text,
    "vars": Section.given_vars,
    "env": Section.given_env,
    "secrets": Section.secrets,
    "timeout": Section.timeouts,
    "on_failure": Section.on_failure,
    "tags": Section.tags,
    "fixtures": Section.fixtures,
    "answers": Section.answers,
    "require": flow_keys.named,
    "needs": flow_keys.named,
    "matrix": flow_keys.matrix,
    "hosts": flow_keys.named,
    "environments": access_keys.environments,
    "requires": access_keys.requires,
    "connections": access_keys.connections,
    "ssh": access_keys.ssh,
    "effects": access_keys.effects,
}
# The field of Runbook where it is not named like the key.
_FIELDS = {"timeout": "timeouts"}
# By key: the field of BlockRules that it fills, and who reads it.
RULES: Mapping[str, tuple[str, Reader]] = {
    "assert": ("assertions", Section.conditions),
    "warn": ("warnings", Section.conditions),
    "expect": ("expectations", expectations),
    "expect_error": ("expect_error", Section.regex),
    "capture": ("captures", Section.captures),
    "timeout": ("timeout", Section.duration),
    "retry": ("retry", flow_keys.retry),
    "for_each": ("loop", flow_keys.loop),
    "when": ("when", Section.condition),
    "skip": ("skip", flow_keys.left_out),
    "below": ("below", flow_keys.below),
    "xfail": ("xfail", flow_keys.expected_failure),
    "on_failure": ("on_failure", Section.on_failure),
    "finally": ("is_cleanup", Section.boolean),
    "if_started": ("if_started", Section.names),
    "tags": ("tags", Section.tags),
    "fixtures": ("fixtures", Section.fixtures),
    "effects": ("effects", access_keys.effects),
    "sensitive": ("sensitive", Section.boolean),
    "become": ("become", access_keys.become),
    "template": ("template", Section.boolean),
}
SCOPE: Mapping[str, Reader] = {
    "env": Section.given_env,
    "vars": Section.given_vars,
    "directory": Section.given_text,
    "host": Section.given_text,
    "stdin": Section.given_text,
}
_CONTEXT_RULES = frozenset({"sensitive", "template"})
_NO_RULES = BlockRules()


def file_fields(section: Section, readers: Mapping[str, Reader], sections: tuple[str, ...]) -> dict[str, object]:
    """What the keys of a file say, by the fields of `Runbook`; a fault for each key that is none."""
    fields: dict[str, object] = {}
    for key in section.values:
        if key in readers:
            value = readers[key](section, key)
            if value is not None:
                fields[_FIELDS.get(key, key)] = value
        elif key in RULES and key not in sections:
            all_of_them = f", or for all of them in `defaults: {{{key}: ...}}`" if key in DEFAULT_KEYS else ""
            section.fault(
                key, f"{key} means nothing here: it is said of a block", f"{key} stands in a block{all_of_them}"
            )
        elif key not in sections:
            section.unknown_key(key, (*readers, *sections))
    return fields


def defaults_of(section: Section, *more: str) -> Defaults:
    """What the key ``defaults`` of a file says; nothing where it is not there. more: further keys that it may have."""
    inner = section.mapping("defaults") if "defaults" in section.values else None
    if inner is None:
        return Defaults()
    for key in inner.values:
        if key not in (*DEFAULT_KEYS, *more):
            inner.unknown_key(key, (*DEFAULT_KEYS, *more))
    rules = block_rules(inner, None, [key for key in inner.values if key in DEFAULT_KEYS])
    return Defaults(rules, shell_options(inner))


def block_rules(
    section: Section,
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
            section.fault(key, f"{key} means nothing here: {block_type.name} blocks do not run", hint)
        elif key in RULES:
            name, read = RULES[key]
            value = read(section, key)
            if value is not None:
                fields[name] = value
        else:
            scope[key] = SCOPE[key](section, key)
    if scope:
        fields["scope"] = BlockScope(**scope)  # type: ignore[arg-type]  # each reader gives what its field holds
    if not fields:
        return base
    if fields.get("if_started") and not fields.get("is_cleanup"):
        section.fault("if_started", "if_started is for clean-ups", "add: finally: true")
    return replace(base, **fields)  # type: ignore[arg-type]  # each reader gives what its field holds


def items_called(specs: Iterable[BlockSpec], catalog: BlockCatalog) -> Collection[str]:
    """The names and ids of the blocks that do work."""
    items = [spec for spec in specs if spec.type not in catalog or catalog[spec.type].is_item]
    return dict.fromkeys((*(spec.name for spec in items if spec.name), *(spec.id for spec in items)))


def check_if_started(section: Section, rules: BlockRules, known: Collection[str]) -> None:
    """Note a clean-up that hangs on a block which is not there. known: names and ids of the blocks that do work."""
    for name in rules.if_started:
        if name not in known:
            section.fault("if_started", f'no block that runs is called "{show(name)}"', near_or_some(name, known))


def unknown_block_key(section: Section, key: str, known: Iterable[str]) -> None:
    """Note a key that no block of this kind has."""
    if key == "hosts":
        hint = "host: NAME is for a block; hosts stands at the top of the file"
        section.fault(key, "hosts means nothing here: a block runs on one host", hint)
    elif key in FILE_KEYS or key == "defaults":
        section.fault(
            key, f"{key} means nothing here: it is said of a whole file", f"{key} stands at the top of the file"
        )
    else:
        section.unknown_key(key, known)
