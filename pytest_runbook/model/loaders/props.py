"""Reads the props of a block, checked against its type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from ...text import DURATION_HINT, is_duration
from ..catalog import BlockType, Prop, PropType
from ..source.located import to_builtins
from ..source.mapping_reader import MappingReader

_TYPE_CHECKS: Mapping[PropType, Callable[[object], bool]] = {
    PropType.TEXT: lambda value: isinstance(value, str),
    PropType.BOOLEAN: lambda value: isinstance(value, bool),
    PropType.NUMBER: lambda value: (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    ),
    PropType.WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
    PropType.MAPPING: lambda value: isinstance(value, dict),
    PropType.LIST: lambda value: isinstance(value, list),
    PropType.DURATION: lambda value: isinstance(value, str) and is_duration(value),
    PropType.ANY: lambda value: True,
}
_TYPE_NAMES: Mapping[PropType, str] = {
    PropType.TEXT: "text",
    PropType.BOOLEAN: "true or false",
    PropType.NUMBER: "a number",
    PropType.WHOLE: "a whole number",
    PropType.MAPPING: "a mapping",
    PropType.LIST: "a list",
    PropType.DURATION: f"a duration, {DURATION_HINT}",
}


def read_prop(reader: MappingReader, key: str, prop: Prop) -> object:
    """Return a prop's value; None, and a fault, if its type is wrong or it is not one of the choices."""
    value = reader.values[key]
    if not any(_TYPE_CHECKS[kind](value) for kind in (prop.type, *prop.alternative_types)):
        reader.add_wrong_value(key, " or ".join(_TYPE_NAMES[kind] for kind in (prop.type, *prop.alternative_types)))
    elif prop.choices and value not in prop.choices:
        reader.add_wrong_value(key, " or ".join(prop.choices))
    elif prop.limits and isinstance(value, int) and not prop.limits[0] <= value <= prop.limits[1]:
        reader.add_wrong_value(key, f"from {prop.limits[0]} to {prop.limits[1]}")
    else:
        return value if isinstance(value, str) else to_builtins(value)
    return None


def atuin_defaults(block_type: BlockType) -> dict[str, object]:
    """Return the defaults of all props of a block in an Atuin document."""
    return {prop.name: prop.default for prop in block_type.props}


def plain_defaults(block_type: BlockType) -> dict[str, object]:
    """Return the defaults of all props of a block in a plain runbook."""
    return {prop.name: prop.default if prop.plain_default is None else prop.plain_default for prop in block_type.props}
