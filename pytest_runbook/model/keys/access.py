"""The keys for what a runbook reaches, needs and runs as: connections, ssh, become, environments, requires."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..runbook import BecomeUser, Connection, NameReference, SshAccess
from ..source.mapping_reader import MappingReader, describe_type, did_you_mean, excerpt
from .declarations import declared_text
from .key import Key, Schema, by_name, mapping_schema, read_keys
from .value_readers import TEXT, name_references, texts_schema

ENVIRONMENTS = texts_schema(r"^\w[\w.-]*$")
REQUIRES = texts_schema(r"^(secret|env)\.\w+$")
ENVIRONMENT = re.compile(r"\w[\w.-]*")
_REQUIRED = re.compile(r"(?:secret|env)\.\w+")


def environments(reader: MappingReader, key: str) -> tuple[NameReference, ...]:
    """Read the names of the environments in which a runbook runs."""
    return _names_like(reader, key, ENVIRONMENT, "letters, digits and _ . -")


def requires(reader: MappingReader, key: str) -> tuple[NameReference, ...]:
    """Read the secrets and environment variables without which a runbook is skipped."""
    return _names_like(reader, key, _REQUIRED, "secret.NAME or env.NAME")


def _names_like(reader: MappingReader, key: str, pattern: re.Pattern[str], hint: str) -> tuple[NameReference, ...]:
    found = name_references(reader, key)
    for one in found:
        if not pattern.fullmatch(one.name):
            reader.source.add_fault(f'"{excerpt(one.name)}" can\'t stand in {key}', line=one.location.line, hint=hint)
    return found


SSH_KEYS = by_name(
    Key("identity", "identity", declared_text, TEXT, "a private key, or the path of one"),
    Key("certificate", "certificate", declared_text, TEXT, "the certificate of the key, or its path"),
    Key("passphrase", "passphrase", declared_text, TEXT, "the passphrase of the key"),
    Key("password", "password", declared_text, TEXT, "the password of the user on the host"),
    Key("known_hosts", "known_hosts", declared_text, TEXT, "lines of a known_hosts file, or its path"),
    Key("config", "config", declared_text, TEXT, "an ssh_config in place of the user's and the system's"),
)


def ssh_schema() -> Schema:
    return mapping_schema(SSH_KEYS)


def ssh(reader: MappingReader, key: str) -> SshAccess:
    """Read how to log in to hosts."""
    inner = reader.mapping(key)
    return SshAccess() if inner is None else SshAccess(**read_keys(inner, SSH_KEYS))  # type: ignore[arg-type]  # declarations


BECOME_KEYS = by_name(
    Key("user", "user", declared_text, TEXT, "the name of the user"),
    Key("password", "password", declared_text, TEXT, "what sudo asks for"),
)


def become_schema() -> Schema:
    return {"anyOf": [TEXT, mapping_schema(BECOME_KEYS, required=["user"])]}


def become(reader: MappingReader, key: str) -> BecomeUser | None:
    """Read the user to run as: a name, or a mapping of user and password."""
    if not isinstance(reader.values[key], dict):
        user = declared_text(reader, key)
        return None if user is None else BecomeUser(user=user)
    inner = reader.mapping(key)
    assert inner is not None
    found = read_keys(inner, BECOME_KEYS)
    if "user" not in found:
        reader.add_fault(key, f"{key} names no user", f"{key}: {{user: root, password: ...}}")
        return None
    return BecomeUser(**found)  # type: ignore[arg-type]  # declarations


CONNECTED_TYPES = ("sqlite", "postgres", "mysql", "clickhouse")
_VIA = "via"
CONNECTION_KEYS = by_name(
    *(Key(kind, "uri", declared_text, TEXT, f"the URI of a {kind} database") for kind in CONNECTED_TYPES),
    Key(_VIA, "via", declared_text, TEXT, "the host that leads there, over SSH: user@bastion"),
)


def connections_schema() -> Schema:
    exactly_one = [{"required": [kind]} for kind in CONNECTED_TYPES]
    return {"type": "object", "additionalProperties": mapping_schema(CONNECTION_KEYS, oneOf=exactly_one)}


def connections(reader: MappingReader, key: str) -> Mapping[str, Connection]:
    """Read databases by the names that blocks use for them."""
    inner = reader.mapping(key, "connections: {NAME: {postgres: URI}}")
    return {} if inner is None else {connection.name: connection for connection in _connections(inner)}


def _connections(reader: MappingReader) -> Iterator[Connection]:
    for name, value in reader.values.items():
        if not isinstance(value, dict) or len(value.keys() - {_VIA}) != 1:
            message = f"connection {excerpt(name)} must be a type with a URI, not {describe_type(value)}"
            reader.add_fault(name, message, f"{excerpt(name)}: {{postgres: URI}}")
            continue
        inner = reader.mapping(name)
        assert inner is not None
        (kind,) = (key for key in inner.values if key != _VIA)
        if kind not in CONNECTED_TYPES:
            hint = did_you_mean(kind, CONNECTED_TYPES) or f"one of: {', '.join(CONNECTED_TYPES)}"
            inner.add_fault(kind, f'"{excerpt(kind)}" is no type of a connection', hint)
            continue
        found = read_keys(inner, CONNECTION_KEYS)
        if "uri" in found:
            yield Connection(name=name, type=kind, **found)  # type: ignore[arg-type]  # declarations
