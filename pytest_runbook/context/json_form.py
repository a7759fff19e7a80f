"""Block contexts as JSON and back: what `ContextStorage` keeps.

What comes back is what was there, types included: values that are sensitive, too long, or nothing that JSON can hold
are left out.
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

JsonObject = dict[str, Any]
MAX_VALUE_LENGTH = 64 * 1024
"""Characters of its JSON, for one value or one field of an output."""
MAX_ESCAPE_LENGTH = 12
"""Characters of JSON, at most, for one of a text: a surrogate pair."""
_STRICT = json.JSONEncoder(allow_nan=False)
_LAZY = json.JSONEncoder(allow_nan=False, default=lambda value: _read_lazy(value))


def context_to_json(context: BlockContext) -> list[JsonObject]:
    """One mapping an item, its ``kind`` first."""
    return [written for item in context if (written := _item_to_json(item)) is not None]


def context_from_json(items: Sequence[Mapping[str, Any]]) -> BlockContext:
    """The context of `context_to_json`; kinds that are not known are passed over.

    :raises ValueError: if the data has another shape.
    """
    try:
        return BlockContext(*(_ITEM_READERS[item["kind"]](item) for item in items if item["kind"] in _ITEM_READERS))
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"no stored context: {error!r}") from error


def plain_data(value: object) -> object:
    """The value in JSON's types: lazy mappings and lists read, Decimals as their digits."""
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
    """The value as any reader of JSON takes it: like `plain_data`, and what is no finite number is none."""
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
    """One step towards JSON's types, as `plain_data` goes: what a lazy mapping or list holds."""
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
            values = [written for value in item.values if (written := _named("value", value)) is not None]
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
    """The fields of an output that can be kept."""
    large = fields.large if isinstance(fields, Output) else ()
    small = {name: fields[name] for name in fields if name not in large}
    with suppress(ValueError, TypeError):  # not a number, infinite, keys that are no texts
        text = _LAZY.encode(small)
        if len(text) <= MAX_VALUE_LENGTH:
            stored: JsonObject = json.loads(text)
            return stored
    plain = {name: plain_data(value) for name, value in small.items()}
    return {name: value for name, value in plain.items() if _is_short(value)}


def _fits(value: object) -> bool:
    """True if the value comes back from JSON as it is, and is not too long."""
    return isinstance(value, Decimal) or (_is_json(value) and _is_short(value))


def _is_short(value: object) -> bool:
    """True if plain data has a JSON, and that is not too long."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, str) and len(value) * MAX_ESCAPE_LENGTH < MAX_VALUE_LENGTH:
        return True
    try:
        return len(_STRICT.encode(value)) <= MAX_VALUE_LENGTH
    except ValueError:  # not a number, infinite, or of more digits than Python writes
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
