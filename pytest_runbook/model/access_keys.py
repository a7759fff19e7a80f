"""The keys that say what a runbook may reach and change: connections, effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .runbook import Connection, Effects
from .section import Section, describe, near, show

CONNECTED_TYPES = ("sqlite", "postgres", "mysql", "clickhouse")


def effects(section: Section, key: str) -> Effects | None:
    """What the author says that a block, or all of a file, does to the world."""
    value = section.values[key]
    if isinstance(value, str) and value in tuple(Effects):
        return Effects(value)
    section.wrong(key, " or ".join(Effects))
    return None


def connections(section: Section, key: str) -> Mapping[str, Connection]:
    """Databases by the names that blocks call them by."""
    inner = section.mapping(key)
    return {} if inner is None else {connection.name: connection for connection in _connections(inner)}


def _connections(section: Section) -> Iterator[Connection]:
    for name in section.values:
        sample = f"{show(name)}: {{postgres: URI}}"
        value = section.values[name]
        if not isinstance(value, dict) or len(value) != 1:
            message = f"connection {show(name)} must be a type with a URI, not {describe(value)}"
            section.fault(name, message, sample)
            continue
        inner = section.mapping(name)
        assert inner is not None
        (kind,) = inner.values
        if kind not in CONNECTED_TYPES:
            hint = near(kind, CONNECTED_TYPES) or f"one of: {', '.join(CONNECTED_TYPES)}"
            inner.fault(kind, f'"{show(kind)}" is no type of a connection', hint)
        elif (uri := inner.given_text(kind)) is not None:
            yield Connection(name=name, type=kind, uri=uri)
