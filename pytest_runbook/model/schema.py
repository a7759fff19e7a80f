"""JSON Schemas of plain runbooks and of checks files, for editors, made from the tables that the loaders read by.

``python -m pytest_runbook.model.schema`` writes those of the types that come with this package next to this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from . import secret_sources
from .block_types import default_catalog
from .catalog import BlockCatalog, BlockType, Prop, PropType
from .keys import access as access_keys
from .keys import flow as flow_keys
from .keys.common import FILE_KEYS, RULES, SCOPE, check_schema, check_version
from .keys.defaults import DEFAULT_KEYS as DEFAULT_KEYS
from .keys.expect import expectations
from .loaders.checks import CHECKS_KEYS, ENTRY_KEYS
from .loaders.plain import EXPANDED
from .runbook import Below, Effects, OnFailure
from .source.mapping_reader import KeyReader, MappingReader

Schema: TypeAlias = dict[str, object]

RUNBOOK_FILE = Path(__file__).with_name("runbook.schema.json")
CHECKS_FILE = Path(__file__).with_name("checks.schema.json")

_DRAFT = "http://json-schema.org/draft-07/schema#"
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_DURATION: Schema = {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?(ms|s|m|h|d))+\s*$"}
_NAME: Schema = {"type": "string", "pattern": r"^\w+$"}
_DURATIONS: Schema = {
    "type": "object",
    "properties": {"total": _DURATION, "block": _DURATION, "finally": _DURATION},
    "additionalProperties": False,
}
_SECRET: Schema = {
    "type": "object",
    "properties": {
        "env": _TEXT,
        "file": _TEXT,
        "command": {"anyOf": [_TEXT, {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}]},
        "timeout": _DURATION,
        "fixture": _TEXT,
    },
    "oneOf": [{"required": [source]} for source in secret_sources.SECRET_SOURCE_KEYS],
    "dependencies": {"timeout": ["command"]},
    "additionalProperties": False,
}

_CAPTURES: Schema = {
    "type": "object",
    "propertyNames": _NAME,
    "additionalProperties": _TEXT,
    "minProperties": 1,
}
_FOR_EACH: Schema = {
    "type": "object",
    "propertyNames": _NAME,
    "additionalProperties": {"type": ["string", "array", "object", "integer"], "minimum": 0},
    "minProperties": 1,
    "maxProperties": 1,
}
_VALUES_SOURCE: Schema = {
    "type": "object",
    "properties": {"var": _NAME, "file": _TEXT, "command": _TEXT},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
_ROWS: Schema = {"anyOf": [{"type": "array", "items": {"type": "object"}}, _VALUES_SOURCE]}
_MATRIX: Schema = {
    "type": "object",
    "properties": {"include": _ROWS, "exclude": _ROWS},
    "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, _VALUES_SOURCE]},
    "minProperties": 1,
}
_XFAIL: Schema = {
    "type": "object",
    "properties": {"reason": _TEXT, "strict": {"type": "boolean"}},
    "additionalProperties": False,
}
_BELOW: Schema = {"enum": [str(choice) for choice in Below]}
_SKIP: Schema = {
    "type": "object",
    "properties": {"reason": _TEXT, "below": _BELOW},
    "additionalProperties": False,
}
_RETRY: Schema = {
    "type": "object",
    "properties": {
        "every": _DURATION,
        "within": _DURATION,
        "attempts": {"type": "integer", "minimum": 1},
        "backoff": {"type": "number", "minimum": 1},
        "jitter": _DURATION,
        "attempt_timeout": _DURATION,
        "until": _TEXT,
    },
    "anyOf": [{"required": ["within"]}, {"required": ["attempts"]}],
    "additionalProperties": False,
}

_CONNECTION: Schema = {
    "type": "object",
    "properties": dict.fromkeys((*access_keys.CONNECTED_TYPES, access_keys.VIA), _TEXT),
    "additionalProperties": False,
    "oneOf": [{"required": [kind]} for kind in access_keys.CONNECTED_TYPES],
}

_BECOME: Schema = {
    "type": "object",
    "properties": dict.fromkeys(access_keys.BECOME_KEYS, _TEXT),
    "required": ["user"],
    "additionalProperties": False,
}

# What each reader of a key takes.
_READERS: Mapping[KeyReader, Schema] = {
    check_schema: _TEXT,
    check_version: {"const": 1},
    MappingReader.text: _TEXT,
    MappingReader.condition: _TEXT,
    MappingReader.declared_text: _TEXT,
    flow_keys.retry: _RETRY,
    flow_keys.name_references: _TEXTS,
    flow_keys.matrix: _MATRIX,
    flow_keys.for_each: _FOR_EACH,
    flow_keys.expected_failure: {"anyOf": [{"type": "boolean"}, _TEXT, _XFAIL]},
    expectations: {"type": "object", "minProperties": 1},
    access_keys.effects: {"enum": [str(choice) for choice in Effects]},
    access_keys.environments: _TEXTS,
    access_keys.requires: _TEXTS,
    access_keys.ssh: {
        "type": "object",
        "properties": dict.fromkeys(access_keys.SSH_KEYS, _TEXT),
        "additionalProperties": False,
    },
    access_keys.become: {"anyOf": [_TEXT, _BECOME]},
    access_keys.connections: {"type": "object", "additionalProperties": _CONNECTION},
    MappingReader.regex: {**_TEXT, "format": "regex"},
    MappingReader.conditions: _TEXTS,
    MappingReader.names: _TEXTS,
    MappingReader.tags: _TEXTS,
    MappingReader.fixtures: _TEXTS,
    MappingReader.boolean: {"type": "boolean"},
    MappingReader.duration: _DURATION,
    MappingReader.timeouts: {"anyOf": [_DURATION, _DURATIONS]},
    MappingReader.on_failure: {"enum": [str(choice) for choice in OnFailure]},
    flow_keys.skip: {"anyOf": [{"type": "boolean"}, _TEXT, _SKIP]},
    flow_keys.below: _BELOW,
    MappingReader.captures: {"anyOf": [_NAME, _CAPTURES]},
    MappingReader.declared_vars: {"type": "object", "propertyNames": _NAME},
    MappingReader.declared_env: {"type": "object", "additionalProperties": _SCALAR},
    MappingReader.answers: {"type": "object", "additionalProperties": _SCALAR},
    MappingReader.secrets: {"type": "object", "propertyNames": _NAME, "additionalProperties": _SECRET},
}  # fmt: skip
_PROP_TYPES: Mapping[PropType, Schema] = {
    PropType.TEXT: {"type": "string"},
    PropType.BOOLEAN: {"type": "boolean"},
    PropType.NUMBER: {"type": "number"},
    PropType.WHOLE: {"type": "integer"},
    PropType.MAPPING: {"type": "object"},
    PropType.LIST: {"type": "array"},
    PropType.DURATION: _DURATION,
    PropType.ANY: {},
}
_HELP: Mapping[str, str] = {
    "ssh": "how to log in to hosts: keys, known hosts",
    "become": "the user to run as, through sudo: a name, or user and password",
    "connections": "databases by name, each a type with a URI",
    "effects": "what it does to the world at most: read, write or destructive",
    "defaults": "what holds for each block that says nothing else",
    "runbook": "the runbook that this is for: its name, or a list of names",
    "connection": "one of the file's connections, in place of the block's own uri",
    "code": "the SHA-256 of the block for which the check was written: a change is told",
    "require": "blocks that must have passed, or the file fails",
    "needs": "runbooks that run first, once in a session, and hand over their variables",
    "hosts": "the runbook runs once on each of these hosts",
    "environments": "the environments in which the runbook runs",
    "requires": "secret.NAME or env.NAME: without it, all of the runbook is skipped",
    "matrix": "variables with several values: the runbook runs once for each combination",
    "for_each": "a name with a list, a mapping, a number, or an expression: one turn for each item",
    "retry": "try again until it comes out well: every, within, attempts, until ...",
    "name": "how reports call it",
    "id": "tells the block apart when its name changes",
    "assert": "what must hold of the output: one expression or a list",
    "warn": "what should hold of it; if it does not, that is told, and nothing fails",
    "expect": "shapes of parts of the output, by their paths",
    "xfail": "why it is expected to fail",
    "expect_error": "a regular expression: the block passes by failing with an error that it matches",
    "capture": "a variable for output.value, or names with expressions",
    "timeout": "how long it may take: 500ms, 90s, 2m, 1h",
    "when": "an expression: the block is skipped unless it is true",
    "skip": "true, or the reason why it is skipped",
    "below": "what becomes of the blocks below if this one is skipped, refused or not selected: skip or run",
    "on_failure": "what a failure does to the blocks below: stop or continue",
    "finally": "clean-up: runs at the end, whatever happened before",
    "if_started": "a clean-up runs only if one of these blocks was started",
    "tags": "pytest markers",
    "fixtures": "pytest fixtures that it reads as fixture.NAME",
    "sensitive": "its output is secret",
    "template": "false: its texts are sent as they stand",
    "env": "environment variables",
    "vars": "variables",
    "directory": "the working directory",
    "host": "the host that scripts run on",
    "stdin": "standard input",
    "secrets": "where secrets come from",
    "answers": "what a person would be asked",
    "blocks": "what is done, in order",
}


def plain_schema(catalog: BlockCatalog) -> Schema:
    """The JSON Schema of plain runbooks with the block types of a catalog."""
    blocks: Schema = {"type": "array", "items": {"$ref": "#/definitions/block"}}
    keys = {key: _described(key, _READERS[reader]) for key, reader in FILE_KEYS.items()}
    return {
        "$schema": _DRAFT,
        "title": "Runbook",
        **_strict(
            {
                **keys,
                "defaults": _defaults(),
                "blocks": _described("blocks", blocks),
                "finally": _described("finally", blocks),
            }
        ),
        "required": ["blocks"],
        "definitions": {"block": _block(catalog)},
    }


def checks_schema() -> Schema:
    """The JSON Schema of checks files."""
    keys = {key: _described(key, _READERS[reader]) for key, reader in CHECKS_KEYS.items()}
    entry = _strict({key: _described(key, _entry_value(key)) for key in ENTRY_KEYS})
    return {
        "$schema": _DRAFT,
        "title": "Checks of a runbook",
        "anyOf": [{"$ref": "#/definitions/checks"}, {"type": "array", "items": {"$ref": "#/definitions/checks"}}],
        "definitions": {
            "checks": _strict(
                {
                    **keys,
                    "runbook": _described("runbook", _TEXTS),
                    "defaults": _defaults("shell_options"),
                    "blocks": {"type": "object", "additionalProperties": entry},
                }
            )
        },
    }


def _defaults(*texts: str) -> Schema:
    return _described("defaults", _strict({key: _rule(key) for key in DEFAULT_KEYS} | dict.fromkeys(texts, _TEXT)))


def _entry_value(key: str) -> Schema:
    if key in RULES:
        return _rule(key)
    return {"id": _SCALAR, "code": _TEXT, "connection": _TEXT}[key] if key not in SCOPE else _READERS[SCOPE[key]]


def _block(catalog: BlockCatalog) -> Schema:
    common: dict[str, Schema] = {"name": _TEXT, "id": _SCALAR}
    common |= {key: _rule(key) for key in RULES}
    common |= {key: _READERS[reader] for key, reader in SCOPE.items()}
    properties = {key: _described(key, schema) for key, schema in common.items()}
    for key in catalog.plain_names:
        if key not in EXPANDED:
            block_type = catalog.plain_type(key)
            assert block_type is not None
            properties[key] = _type_value(block_type)
    return {**_strict(properties), "anyOf": _one_type(catalog.plain_names)}


def _one_type(names: Iterable[str]) -> list[Schema]:
    """Exactly one key names the type; keys that can also stand beside a type count where there is no other."""
    required: dict[str, Schema] = {name: {"required": [name]} for name in names}
    working = [schema for name, schema in required.items() if name not in SCOPE]
    context = [schema for name, schema in required.items() if name in SCOPE]
    return [{"oneOf": working}, {"not": {"anyOf": working}, "oneOf": context}]


def _type_value(block_type: BlockType) -> Schema:
    props = {spelling: _prop(prop) for spelling, prop in block_type.plain_props.items()}
    mapping: Schema = _strict(props)
    if required := [prop.name for prop in block_type.props if prop.plain_required and _has_one_spelling(prop)]:
        mapping["required"] = required
    if block_type.one_of:
        mapping["allOf"] = [
            {"oneOf": [_requires_prop(block_type, name) for name in group]} for group in block_type.one_of
        ]
    main = block_type.plain_props.get(block_type.main or "")
    return {"description": block_type.help, "anyOf": [_prop(main), mapping] if main else [mapping]}


def _requires_prop(block_type: BlockType, name: str) -> Schema:
    """The prop of that name is there, under any of its spellings."""
    spellings = [spelling for spelling, prop in block_type.plain_props.items() if prop.name == name]
    return {"anyOf": [{"required": [spelling]} for spelling in spellings]}


def _has_one_spelling(prop: Prop) -> bool:
    """True unless the prop can be given in another way: under another spelling, or as the block's own name."""
    return prop.name != "name" and len(prop.spellings) == 1 and not prop.aliases


def _prop(prop: Prop) -> Schema:
    kinds = [dict(_PROP_TYPES[kind]) for kind in (prop.type, *prop.alternative_types)]
    schema: Schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    if prop.choices:
        schema["enum"] = list(prop.choices)
    if prop.limits:
        schema["minimum"], schema["maximum"] = prop.limits
    return {"description": prop.help, **schema} if prop.help else schema


def _rule(key: str) -> Schema:
    return _READERS[RULES[key][1]]


def _described(key: str, schema: Schema) -> Schema:
    return {"description": _HELP[key], **schema} if key in _HELP else schema


def _strict(properties: Mapping[str, object]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}


def as_text(schema: Schema) -> str:
    """The schema as it is shipped."""
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    RUNBOOK_FILE.write_text(as_text(plain_schema(default_catalog())), encoding="utf-8")
    CHECKS_FILE.write_text(as_text(checks_schema()), encoding="utf-8")
