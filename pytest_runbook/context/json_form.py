"""Block contexts as JSON and back: what `ContextStorage` keeps.

Values that are sensitive are left out; so are those that JSON can't hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..errors import Place
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
from .values import ContextValue, Source

Json = dict[str, Any]
LARGEST_TEXT = 64 * 1024


def context_to_json(context: BlockContext) -> list[Json]:
    """One mapping an item, its ``kind`` first; sensitive values are left out."""
    return [written for item in context if (written := _item_to_json(item)) is not None]


def context_from_json(items: Sequence[Mapping[str, Any]]) -> BlockContext:
    """The context of `context_to_json`; kinds that are not known are passed over.

    :raises ValueError: if the data has another shape.
    """
    try:
        return BlockContext(*(_READ[item["kind"]](item) for item in items if item["kind"] in _READ))
    except (KeyError, TypeError) as error:
        raise ValueError(f"no stored context: {error!r}") from error


def plain_data(value: object) -> object:
    """The value in JSON's types: lazy mappings and lists read, Decimals as their digits, long texts cut."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value if len(value) <= LARGEST_TEXT else value[:LARGEST_TEXT]
        case Decimal():
            return str(value)
        case Mapping():
            return {str(key): plain_data(value[key]) for key in value}
        case Sequence():
            return [plain_data(element) for element in value]
        case _:
            return str(value)


def _item_to_json(item: ContextItem) -> Json | None:
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
            return None if item.sensitive else {"kind": "BlockExecutionOutput", "fields": plain_data(item.fields)}


def _named(kind: str, item: DocumentVar | DocumentEnvVar) -> Json | None:
    if item.value.sensitive:
        return None
    return {"kind": kind, "name": item.name, **_value_to_json(item.value)}


def _value_to_json(value: ContextValue) -> Json:
    place = value.source.place
    source = {"label": value.source.label} | ({"path": place.path, "line": place.line} if place else {})
    return {"value": plain_data(value.value), "source": source}


def _value_from_json(data: Mapping[str, Any]) -> ContextValue:
    source = data["source"]
    place = Place(source["path"], source["line"]) if "path" in source else None
    return ContextValue(data["value"], Source(source["label"], place))


def _var_from_json(data: Mapping[str, Any]) -> DocumentVar:
    return DocumentVar(data["name"], _value_from_json(data))


def _env_from_json(data: Mapping[str, Any]) -> DocumentEnvVar:
    return DocumentEnvVar(data["name"], _value_from_json(data))


def _ssh_config_from_json(data: Mapping[str, Any]) -> DocumentSshConfig:
    return DocumentSshConfig(data["userHost"], data["user"], data["hostname"], data["port"])


_READ: dict[str, Callable[[Mapping[str, Any]], ContextItem]] = {
    "DocumentVar": _var_from_json,
    "DocumentEnvVar": _env_from_json,
    "DocumentVars": lambda data: DocumentVars(tuple(map(_var_from_json, data["values"]))),
    "DocumentEnvVars": lambda data: DocumentEnvVars(tuple(map(_env_from_json, data["values"]))),
    "DocumentCwd": lambda data: DocumentCwd(_value_from_json(data["path"])),
    "DocumentSshHost": lambda data: DocumentSshHost(data["host"] and _value_from_json(data["host"])),
    "DocumentSshConfig": _ssh_config_from_json,
    "BlockExecutionOutput": lambda data: BlockExecutionOutput(dict(data["fields"])),
}


def dumps(data: object) -> str:
    """JSON text of plain data, keys in their order."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
