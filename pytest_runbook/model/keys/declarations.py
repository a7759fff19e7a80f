"""The keys that declare variables, environment variables and answers, and those that capture values."""

from __future__ import annotations

from collections.abc import Mapping

from ..runbook import Capture, Condition, Declaration
from ..source.located import LocatedDict, to_builtins
from ..source.mapping_reader import MappingReader, excerpt
from .expressions import condition
from .key import Schema
from .value_readers import SCALAR, TEXT, VARIABLE, check_env_name, check_variable_name, is_variable_name

VARS: Schema = {"type": "object", "propertyNames": VARIABLE}
ENV: Schema = {"type": "object", "additionalProperties": SCALAR}
ANSWERS: Schema = {"type": "object", "additionalProperties": SCALAR}
_CAPTURE_MAPPING: Schema = {
    "type": "object",
    "propertyNames": VARIABLE,
    "additionalProperties": TEXT,
    "minProperties": 1,
}
CAPTURES: Schema = {"anyOf": [VARIABLE, _CAPTURE_MAPPING]}
_CAPTURE_EXAMPLE = "capture: {version: output.value}"


def declaration(reader: MappingReader, key: str, value: object) -> Declaration:
    return Declaration(
        name=key, value=to_builtins(value), location=reader.source.location.at(reader.values.line_of(key))
    )


def declared_vars(reader: MappingReader, key: str) -> tuple[Declaration, ...]:
    """Read variables with their values, which keep the types of the file."""
    inner = reader.mapping(key, "vars: {NAME: value}")
    if inner is None:
        return ()
    return tuple(
        declaration(inner, name, value) for name, value in inner.values.items() if check_variable_name(inner, name)
    )


def declared_env(reader: MappingReader, key: str) -> tuple[Declaration, ...]:
    """Read environment variables; their values are text as written."""
    inner = reader.mapping(key, "env: {NAME: value}")
    if inner is None:
        return ()
    found = ((name, inner.scalar_text(name)) for name in inner.values if check_env_name(inner, name))
    return tuple(declaration(inner, name, value) for name, value in found if value is not None)


def declared_text(reader: MappingReader, key: str) -> Declaration | None:
    text = reader.text(key)
    return None if text is None else declaration(reader, key, text)


def answers(reader: MappingReader, key: str) -> Mapping[str, str]:
    """Read the answers to questions, each as text."""
    inner = reader.mapping(key, "answers: {NAME: value}")
    found = {} if inner is None else {name: inner.scalar_text(name) for name in inner.values}
    return {name: value for name, value in found.items() if value is not None}


def captures(reader: MappingReader, key: str) -> tuple[Capture, ...]:
    """Read variables with their expressions; a bare name takes ``output.value``."""
    value = reader.values[key]
    if not isinstance(value, LocatedDict):
        return _bare_capture(reader, key)
    reader.check_not_empty(key, _CAPTURE_EXAMPLE)
    inner = MappingReader(value, reader.source, reader.label)
    found = ((name, condition(inner, name)) for name in value if check_variable_name(inner, name))
    return tuple(Capture(name=name, expression=expression) for name, expression in found if expression)


def _bare_capture(reader: MappingReader, key: str) -> tuple[Capture, ...]:
    name = reader.text(key)
    if name is None:
        return ()
    if not is_variable_name(name):
        hint = f"an expression needs a name: capture: {{NAME: '{excerpt(name)}'}}"
        reader.add_fault(key, f'{key} "{excerpt(name)}" is not a variable name', hint)
        return ()
    location = reader.source.location.at(reader.values.line_of(key))
    return (Capture(name=name, expression=Condition(source="output.value", location=location)),)
