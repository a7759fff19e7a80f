"""Conversion of block contexts to JSON and back, for `ContextStorage`.

Values come back with their types. Values that are sensitive, too long, or not representable in JSON are left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from ..errors import Location
from ..secrets.provenance import ContextValue, Origin
from .block_context import BlockContext
from .items import (
    BlockExecutionOutput,
    ContextItem,
    DocumentCwd,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshConfig,
    DocumentSshHost,
    DocumentVar,
    DocumentVars,
)
from .output import Output

JsonObject = dict[str, object]
MAX_VALUE_LENGTH = 64 * 1024
"""The largest JSON of one value, or of one field of an output, in characters."""
MAX_ESCAPE_LENGTH = 12
"""The most characters of JSON that one character of a text takes: a surrogate pair."""
_STRICT = json.JSONEncoder(allow_nan=False)
# A lambda, because `_read_lazy` is defined further down.
_LAZY = json.JSONEncoder(allow_nan=False, default=lambda value: _read_lazy(value))


def context_to_json(context: BlockContext) -> list[JsonObject]:
    """Return one mapping per item, with its ``kind`` first. Items that can't be stored are left out."""
    return [item_json for item in context if (item_json := _item_to_json(item)) is not None]


def context_from_json(items: Sequence[Mapping[str, Any]]) -> BlockContext:
    """Return the context that `context_to_json` has written. Items of unknown kinds are ignored.

    :raises ValueError: if the data has another shape.
    """
    try:
        return BlockContext(*(_ITEM_READERS[item["kind"]](item) for item in items if item["kind"] in _ITEM_READERS))
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"no stored context: {error!r}") from error


def plain_data(value: object) -> object:
    """Return a value in the types of JSON: lazy mappings and lists are read, and a Decimal becomes its digits."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return format(value, "f")
        case Mapping():
            return {str(key): plain_data(value[key]) for key in value}
        case Sequence():
            return [plain_data(element) for element in value]
        case _:
            return str(value)


def wire_data(value: object) -> Any:
    """Return a value that any JSON reader accepts: like `plain_data`, with None for NaN and infinity."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return format(value, "f")
        case Mapping():
            return {str(key): wire_data(value[key]) for key in value}
        case Sequence():
            return [wire_data(element) for element in value]
        case _:
            return str(value)


def _read_lazy(value: object) -> object:
    """Return a value one step closer to JSON. The encoder calls it again for each element that it can't encode."""
    match value:
        case Decimal():
            return format(value, "f")
        case Mapping():
            return {str(key): value[key] for key in value}
        case Sequence():
            return list(value)
        case _:
            return str(value)


def _item_to_json(item: ContextItem) -> JsonObject | None:
    match item:
        case DocumentVar() | DocumentEnvVar():
            return _named(type(item).__name__, item)
        case DocumentVars() | DocumentEnvVars():
            values = [var_json for value in item.values if (var_json := _named("value", value)) is not None]
            return {"kind": type(item).__name__, "values": values}
        case DocumentCwd(path):
            return None if path.sensitive else {"kind": "DocumentCwd", "path": _value_to_json(path)}
        case DocumentSshHost(host):
            if host is not None and host.sensitive:
                return None
            return {"kind": "DocumentSshHost", "host": None if host is None else _value_to_json(host)}
        case DocumentSshConfig():
            config = {"userHost": item.user_host, "user": item.user, "hostname": item.hostname, "port": item.port}
            return {"kind": "DocumentSshConfig", **config}
        case BlockExecutionOutput():
            return None if item.sensitive else {"kind": "BlockExecutionOutput", "fields": _output_fields(item.fields)}


def _named(kind: str, item: DocumentVar | DocumentEnvVar) -> JsonObject | None:
    if item.value.sensitive or not _fits(item.value.value):
        return None
    return {"kind": kind, "name": item.name, **_value_to_json(item.value)}


def _value_to_json(value: ContextValue) -> JsonObject:
    location = value.origin.location
    origin = {"label": value.origin.label} | ({"path": location.path, "line": location.line} if location else {})
    key = "decimal" if isinstance(value.value, Decimal) else "value"
    return {key: plain_data(value.value), "source": origin}


def _value_from_json(data: Mapping[str, Any]) -> ContextValue:
    origin = data["source"]
    location = Location(origin["path"], origin["line"]) if "path" in origin else None
    value = Decimal(data["decimal"]) if "decimal" in data else data["value"]
    return ContextValue(value, Origin(origin["label"], location))


def _output_fields(fields: Mapping[str, object]) -> JsonObject:
    """Return the fields of an output that can be stored."""
    large = fields.large if isinstance(fields, Output) else ()
    small = {name: fields[name] for name in fields if name not in large}
    # The usual case, in one pass of the encoder: all fields together are short enough. Reading the JSON again makes
    # plain data. Else each field is looked at alone.
    with suppress(ValueError, TypeError):  # NaN, infinity, or keys that are no text
        text = _LAZY.encode(small)
        if len(text) <= MAX_VALUE_LENGTH:
            stored: JsonObject = json.loads(text)
            return stored
    plain = {name: plain_data(value) for name, value in small.items()}
    return {name: value for name, value in plain.items() if _is_short(value)}


def _fits(value: object) -> bool:
    """Return True if a value comes back from JSON unchanged, and is not too long."""
    return isinstance(value, Decimal) or (_is_json(value) and _is_short(value))


def _is_short(value: object) -> bool:
    """Return True if plain data can be written as JSON, and is not too long."""
    if value is None or isinstance(value, bool):
        return True
    # Short enough however it is escaped: no need to encode it.
    if isinstance(value, str) and len(value) * MAX_ESCAPE_LENGTH < MAX_VALUE_LENGTH:
        return True
    try:
        return len(_STRICT.encode(value)) <= MAX_VALUE_LENGTH
    except ValueError:  # NaN, infinity, or an int of more digits than Python converts
        return False


def _is_json(value: object) -> bool:
    match value:
        case None | bool() | int() | str():
            return True
        case float():
            return math.isfinite(value)
        case dict():
            return all(isinstance(key, str) and _is_json(element) for key, element in value.items())
        case list():
            return all(map(_is_json, value))
        case _:
            return False


def _var_from_json(data: Mapping[str, Any]) -> DocumentVar:
    return DocumentVar(data["name"], _value_from_json(data))


def _env_from_json(data: Mapping[str, Any]) -> DocumentEnvVar:
    return DocumentEnvVar(data["name"], _value_from_json(data))


def _ssh_config_from_json(data: Mapping[str, Any]) -> DocumentSshConfig:
    return DocumentSshConfig(data["userHost"], data["user"], data["hostname"], data["port"])


_ITEM_READERS: dict[str, Callable[[Mapping[str, Any]], ContextItem]] = {
    "DocumentVar": _var_from_json,
    "DocumentEnvVar": _env_from_json,
    "DocumentVars": lambda data: DocumentVars(tuple(map(_var_from_json, data["values"]))),
    "DocumentEnvVars": lambda data: DocumentEnvVars(tuple(map(_env_from_json, data["values"]))),
    "DocumentCwd": lambda data: DocumentCwd(_value_from_json(data["path"])),
    "DocumentSshHost": lambda data: DocumentSshHost(data["host"] and _value_from_json(data["host"])),
    "DocumentSshConfig": _ssh_config_from_json,
    "BlockExecutionOutput": lambda data: BlockExecutionOutput(dict(data["fields"])),
}
