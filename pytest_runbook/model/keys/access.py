"""The keys that say what a runbook may reach and change, and as whom: connections, ssh, become, effects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from ..runbook import BecomeUser, Connection, Declaration, Effects, NameReference, SshAccess
from ..source.mapping_reader import MappingReader, describe_type, did_you_mean, excerpt
from .flow import name_references

SSH_KEYS = tuple(field.name for field in fields(SshAccess))
BECOME_KEYS = ("user", "password")
VIA = "via"
ENVIRONMENT = re.compile(r"\w[\w.-]*")
_REQUIRED = re.compile(r"(?:secret|env)\.\w+")
CONNECTED_TYPES = ("sqlite", "postgres", "mysql", "clickhouse")


def effects(reader: MappingReader, key: str) -> Effects | None:
    """What the author says that a block, or all of a file, does to the world."""
    value = reader.values[key]
    if isinstance(value, str) and value in tuple(Effects):
        return Effects(value)
    reader.add_wrong_value(key, f"{', '.join(list(Effects)[:-1])} or {Effects.DESTRUCTIVE}")
    return None


def environments(reader: MappingReader, key: str) -> tuple[NameReference, ...]:
    """The names of the environments in which a runbook runs."""
    return _matching(reader, key, ENVIRONMENT, "letters, digits and _ . -")


def requires(reader: MappingReader, key: str) -> tuple[NameReference, ...]:
    """What a runbook is skipped without: secrets, and variables of the environment."""
    return _matching(reader, key, _REQUIRED, "secret.NAME or env.NAME")


def _matching(reader: MappingReader, key: str, pattern: re.Pattern[str], hint: str) -> tuple[NameReference, ...]:
    found = name_references(reader, key)
    for one in found:
        if not pattern.fullmatch(one.name):
            reader.source.add_fault(f'"{excerpt(one.name)}" can\'t stand in {key}', line=one.location.line, hint=hint)
    return found


def ssh(reader: MappingReader, key: str) -> SshAccess:
    """How to log in to hosts."""
    return SshAccess(**_declared_texts(reader, key, SSH_KEYS))


def become(reader: MappingReader, key: str) -> BecomeUser | None:
    """Whom to run as: a name, or a mapping of user and password."""
    if not isinstance(reader.values[key], dict):
        user = reader.declared_text(key)
        return None if user is None else BecomeUser(user=user)
    found = _declared_texts(reader, key, BECOME_KEYS)
    if "user" not in found:
        reader.add_fault(key, f"{key} names no user", f"{key}: {{user: root, password: ...}}")
        return None
    return BecomeUser(**found)


def _declared_texts(reader: MappingReader, key: str, known: tuple[str, ...]) -> dict[str, Declaration]:
    """The texts of a mapping that may have these keys."""
    inner = reader.mapping(key)
    found: dict[str, Declaration] = {}
    for name in inner.values if inner is not None else ():
        assert inner is not None
        if name not in known:
            inner.add_unknown_key(name, known)
        elif (text := inner.declared_text(name)) is not None:
            found[name] = text
    return found


def connections(reader: MappingReader, key: str) -> Mapping[str, Connection]:
    """Databases by the names that blocks call them by."""
    inner = reader.mapping(key)
    return {} if inner is None else {connection.name: connection for connection in _connections(inner)}


def _connections(reader: MappingReader) -> Iterator[Connection]:
    for name in reader.values:
        sample = f"{excerpt(name)}: {{postgres: URI}}"
        value = reader.values[name]
        if not isinstance(value, dict) or len(value.keys() - {VIA}) != 1:
            message = f"connection {excerpt(name)} must be a type with a URI, not {describe_type(value)}"
            reader.add_fault(name, message, sample)
            continue
        inner = reader.mapping(name)
        assert inner is not None
        (kind,) = (key for key in inner.values if key != VIA)
        if kind not in CONNECTED_TYPES:
            hint = did_you_mean(kind, CONNECTED_TYPES) or f"one of: {', '.join(CONNECTED_TYPES)}"
            inner.add_fault(kind, f'"{excerpt(kind)}" is no type of a connection', hint)
        elif (uri := inner.declared_text(kind)) is not None:
            via = inner.declared_text(VIA) if VIA in inner.values else None
            yield Connection(name=name, type=kind, uri=uri, via=via)
