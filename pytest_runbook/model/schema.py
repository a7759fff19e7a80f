"""JSON Schemas of plain runbooks and of checks files, for editors, made from the table by which the loaders read.

``python -m pytest_runbook.model.schema`` writes those of the types that come with this package next to this module,
and in a checkout the tables of keys into the documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .block_types import default_catalog
from .catalog import BlockCatalog, BlockType, Prop, PropType
from .documentation import PAGES, write_pages
from .keys.key import Schema, described, mapping_schema
from .keys.key_table import keys_in
from .keys.value_readers import DURATION
from .loaders.plain import EXPANDED

RUNBOOK_FILE = Path(__file__).with_name("runbook.schema.json")
CHECKS_FILE = Path(__file__).with_name("checks.schema.json")
PAGES_FOLDER = Path(__file__).parents[2] / "docs"

_DRAFT = "http://json-schema.org/draft-07/schema#"
_PROP_TYPES: dict[PropType, Schema] = {
    PropType.TEXT: {"type": "string"},
    PropType.BOOLEAN: {"type": "boolean"},
    PropType.NUMBER: {"type": "number"},
    PropType.WHOLE: {"type": "integer"},
    PropType.MAPPING: {"type": "object"},
    PropType.LIST: {"type": "array"},
    PropType.DURATION: DURATION,
    PropType.ANY: {},
}


def plain_schema(catalog: BlockCatalog) -> Schema:
    """Return the JSON Schema of plain runbooks with the block types of a catalog."""
    return {
        "$schema": _DRAFT,
        "title": "Runbook",
        **mapping_schema(keys_in("file"), required=["blocks"]),
        "definitions": {"block": _block(catalog)},
    }


def checks_schema() -> Schema:
    """Return the JSON Schema of checks files."""
    checks = {"$ref": "#/definitions/checks"}
    return {
        "$schema": _DRAFT,
        "title": "Checks of a runbook",
        "anyOf": [checks, {"type": "array", "items": checks}],
        "definitions": {"checks": mapping_schema(keys_in("checks")), "entry": mapping_schema(keys_in("entry"))},
    }


def _block(catalog: BlockCatalog) -> Schema:
    properties = {key.name: described(key) for key in keys_in("block").values()}
    for name in catalog.plain_names:
        block_type = catalog.plain_type(name)
        assert block_type is not None
        if name not in EXPANDED:
            properties[name] = _type_value(block_type)
    return {**_strict(properties), "anyOf": _one_type(catalog.plain_names)}


def _one_type(names: Iterable[str]) -> list[Schema]:
    """Exactly one key names the type; keys that may also stand beside a type count only where there is no other."""
    required: dict[str, Schema] = {name: {"required": [name]} for name in names}
    working = [schema for name, schema in required.items() if name not in keys_in("block")]
    context = [schema for name, schema in required.items() if name in keys_in("block")]
    return [{"oneOf": working}, {"not": {"anyOf": working}, "oneOf": context}]


def _type_value(block_type: BlockType) -> Schema:
    props = {spelling: _prop(prop) for spelling, prop in block_type.plain_props.items()}
    mapping = _strict(props)
    if required := [prop.name for prop in block_type.props if prop.plain_required and _has_one_spelling(prop)]:
        mapping["required"] = required
    if block_type.one_of:
        mapping["allOf"] = [
            {"oneOf": [_requires_prop(block_type, name) for name in group]} for group in block_type.one_of
        ]
    main = block_type.plain_props.get(block_type.main or "")
    return {"description": block_type.help, "anyOf": [_prop(main), mapping] if main else [mapping]}


def _requires_prop(block_type: BlockType, name: str) -> Schema:
    """Return a schema that asks for the prop of that name, under any of its spellings."""
    spellings = [spelling for spelling, prop in block_type.plain_props.items() if prop.name == name]
    return {"anyOf": [{"required": [spelling]} for spelling in spellings]}


def _has_one_spelling(prop: Prop) -> bool:
    """Return True unless the prop can be given in another way: under another spelling, or as the block's own name."""
    return prop.name != "name" and len(prop.spellings) == 1 and not prop.aliases


def _prop(prop: Prop) -> Schema:
    kinds = [_PROP_TYPES[kind] for kind in (prop.type, *prop.alternative_types)]
    schema: dict[str, object] = dict(kinds[0]) if len(kinds) == 1 else {"anyOf": kinds}
    if prop.choices:
        schema["enum"] = list(prop.choices)
    if prop.limits:
        schema["minimum"], schema["maximum"] = prop.limits
    return {"description": prop.help, **schema} if prop.help else schema


def _strict(properties: dict[str, Schema]) -> dict[str, object]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def as_text(schema: Schema) -> str:
    """Return the schema as it is shipped."""
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    RUNBOOK_FILE.write_text(as_text(plain_schema(default_catalog())), encoding="utf-8")
    CHECKS_FILE.write_text(as_text(checks_schema()), encoding="utf-8")
    if (PAGES_FOLDER / PAGES[0]).is_file():  # in a checkout
        write_pages(PAGES_FOLDER)
