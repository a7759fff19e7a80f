"""The key ``matrix``: variables with several values."""

from __future__ import annotations

from ..runbook import Axis, AxisSource, Matrix, MatrixRows
from ..source.located import LocatedDict, LocatedList, to_builtins
from ..source.mapping_reader import MappingReader, excerpt
from .key import Key, Schema, by_name, described, mapping_schema
from .value_readers import TEXT, VARIABLE, check_variable_name

SOURCE_KEYS = by_name(
    Key("var", "var", MappingReader.text, VARIABLE, "a variable that holds the values"),
    Key("file", "file", MappingReader.text, TEXT, "a YAML, JSON or CSV file that holds them, relative to this one"),
    Key("command", "command", MappingReader.text, TEXT, "a shell command that prints them, one a line"),
)


def matrix(reader: MappingReader, key: str) -> Matrix | None:
    """Read the axes of a matrix, and the cells that are added to their product or left out of it."""
    inner = reader.mapping(key, "matrix: {region: [eu-west, us-east]}")
    if inner is None:
        return None
    axes = [_axis(inner, name) for name in inner.values if name not in ROW_KEYS]
    rows = {name: row_key.read(inner, name) for name, row_key in ROW_KEYS.items() if name in inner.values}
    if not axes and "include" not in rows:
        reader.add_fault(key, f"{key} has no axis", "for example: matrix: {region: [eu-west, us-east]}")
    found = tuple(axis for axis in axes if axis is not None)
    location = reader.source.location.at(reader.values.key_line(key))
    return Matrix(axes=found, location=location, **rows)  # type: ignore[arg-type]  # rows


def _axis(reader: MappingReader, name: str) -> Axis | None:
    value = reader.values[name]
    location = reader.source.location.at(reader.values.line_of(name))
    if not check_variable_name(reader, name):
        return None
    if isinstance(value, LocatedDict):
        return Axis(name=name, values=_axis_source(reader, name), location=location)
    if not isinstance(value, LocatedList):
        expected = "a list of values, or {var: NAME}, {file: PATH}, {command: LINE}"
        reader.add_wrong_value(name, expected, f"matrix {name}")
        return None
    if not value:
        reader.add_fault(name, f"matrix {name} is an empty list")
    values = to_builtins(value)
    assert isinstance(values, list)
    return Axis(name=name, values=values, location=location)


def _rows(reader: MappingReader, name: str) -> MatrixRows:
    value = reader.values[name]
    location = reader.source.location.at(reader.values.line_of(name))
    if isinstance(value, LocatedDict):
        return MatrixRows(rows=_axis_source(reader, name), location=location)
    if isinstance(value, LocatedList) and all(isinstance(row, LocatedDict) for row in value):
        return MatrixRows(
            rows=[{str(key): to_builtins(item) for key, item in row.items()} for row in value],  # type: ignore[attr-defined]  # mappings
            location=location,
        )
    reader.add_wrong_value(name, "a list of mappings, or {file: PATH}", f"matrix {name}")
    return MatrixRows(location=location)


def _axis_source(reader: MappingReader, name: str) -> AxisSource:
    """Read where values come from; add a fault unless exactly one source is named."""
    inner = reader.mapping(name)
    assert inner is not None
    if len(inner.values) != 1 or next(iter(inner.values)) not in SOURCE_KEYS:
        message = f"matrix {excerpt(name)} names no source"
        reader.add_fault(name, message, "{var: NAME}, {file: PATH} or {command: LINE}")
        return AxisSource()
    ((key, _),) = inner.values.items()
    return AxisSource(**{key: SOURCE_KEYS[key].read(inner, key)})  # type: ignore[arg-type]  # texts


def _source_schema() -> Schema:
    return mapping_schema(SOURCE_KEYS, minProperties=1, maxProperties=1)


def _rows_schema() -> Schema:
    return {"anyOf": [{"type": "array", "items": {"type": "object"}}, _source_schema()]}


ROW_KEYS = by_name(
    Key("include", "include", _rows, _rows_schema, "cells to add"),
    Key("exclude", "exclude", _rows, _rows_schema, "cells to leave out"),
)


def matrix_schema() -> Schema:
    axis = {"anyOf": [{"type": "array", "minItems": 1}, _source_schema()]}
    rows = {key.name: described(key) for key in ROW_KEYS.values()}
    return {"type": "object", "properties": rows, "additionalProperties": axis, "minProperties": 1}
