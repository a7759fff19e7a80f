"""The keys that say what a runbook may reach and change, and as whom: connections, ssh, become, effects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from ..runbook import Connection, Effects, Given, Named, OtherUser, SshAccess
from ..source.mapping_reader import Section, describe, near, show
from .flow import named

SSH_KEYS = tuple(field.name for field in fields(SshAccess))
BECOME_KEYS = ("user", "password")
VIA = "via"
ENVIRONMENT = re.compile(r"\w[\w.-]*")
_REQUIRED = re.compile(r"(?:secret|env)\.\w+")
CONNECTED_TYPES = ("sqlite", "postgres", "mysql", "clickhouse")


def effects(section: Section, key: str) -> Effects | None:
    """What the author says that a block, or all of a file, does to the world."""
    value = section.values[key]
    if isinstance(value, str) and value in tuple(Effects):
        return Effects(value)
    section.wrong(key, f"{', '.join(list(Effects)[:-1])} or {Effects.DESTRUCTIVE}")
    return None


def environments(section: Section, key: str) -> tuple[Named, ...]:
    """The names of the environments in which a runbook runs."""
    return _matching(section, key, ENVIRONMENT, "letters, digits and _ . -")


def requires(section: Section, key: str) -> tuple[Named, ...]:
    """What a runbook is skipped without: secrets, and variables of the environment."""
    return _matching(section, key, _REQUIRED, "secret.NAME or env.NAME")


def _matching(section: Section, key: str, pattern: re.Pattern[str], hint: str) -> tuple[Named, ...]:
    found = named(section, key)
    for one in found:
        if not pattern.fullmatch(one.name):
            section.source.fault(f'"{show(one.name)}" can\'t stand in {key}', line=one.place.line, hint=hint)
    return found


def ssh(section: Section, key: str) -> SshAccess:
    """How to log in to hosts."""
    return SshAccess(**_given_texts(section, key, SSH_KEYS))


def become(section: Section, key: str) -> OtherUser | None:
    """Whom to run as: a name, or a mapping of user and password."""
    if not isinstance(section.values[key], dict):
        user = section.given_text(key)
        return None if user is None else OtherUser(user=user)
    found = _given_texts(section, key, BECOME_KEYS)
    if "user" not in found:
        section.fault(key, f"{key} names no user", f"{key}: {{user: root, password: ...}}")
        return None
    return OtherUser(**found)


def _given_texts(section: Section, key: str, known: tuple[str, ...]) -> dict[str, Given]:
    """The texts of a mapping that may have these keys."""
    inner = section.mapping(key)
    found: dict[str, Given] = {}
    for name in inner.values if inner is not None else ():
        assert inner is not None
        if name not in known:
            inner.unknown_key(name, known)
        elif (text := inner.given_text(name)) is not None:
            found[name] = text
    return found


def connections(section: Section, key: str) -> Mapping[str, Connection]:
    """Databases by the names that blocks call them by."""
    inner = section.mapping(key)
    return {} if inner is None else {connection.name: connection for connection in _connections(inner)}


def _connections(section: Section) -> Iterator[Connection]:
    for name in section.values:
        sample = f"{show(name)}: {{postgres: URI}}"
        value = section.values[name]
        if not isinstance(value, dict) or len(value.keys() - {VIA}) != 1:
            message = f"connection {show(name)} must be a type with a URI, not {describe(value)}"
            section.fault(name, message, sample)
            continue
        inner = section.mapping(name)
        assert inner is not None
        (kind,) = (key for key in inner.values if key != VIA)
        if kind not in CONNECTED_TYPES:
            hint = near(kind, CONNECTED_TYPES) or f"one of: {', '.join(CONNECTED_TYPES)}"
            inner.fault(kind, f'"{show(kind)}" is no type of a connection', hint)
        elif (uri := inner.given_text(kind)) is not None:
            via = inner.given_text(VIA) if VIA in inner.values else None
            yield Connection(name=name, type=kind, uri=uri, via=via)
