"""The sources of secrets, in files and from fixtures: ``{env: NAME}``, ``{file: PATH}``, ``{command: ...}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import Location
from ...text import DURATION_HINT, duration_seconds, nearest
from ..runbook import SecretSource
from ..source.located import LocatedDict
from ..source.mapping_reader import MappingReader
from ..source.source_file import SourceFile
from .key import Key, Schema, by_name, mapping_schema
from .value_readers import DURATION, TEXT, VARIABLE, check_variable_name

_HINT = "{env: VARIABLE}, or {file: PATH}, {command: [pass, show, NAME]}, {fixture: NAME}"


class InvalidSecretSource(ValueError):
    """A secret with a source that makes no sense. hint: how to write it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def _text(reader: MappingReader, key: str) -> str:
    value = reader.values[key]
    if not isinstance(value, str) or not value.strip():
        raise InvalidSecretSource(f"{key} must be a text", _HINT)
    return value


def _command(reader: MappingReader, key: str) -> str | tuple[str, ...]:
    value = reader.values[key]
    if isinstance(value, str):
        return _text(reader, key)
    is_argv = isinstance(value, Sequence) and bool(value) and all(isinstance(word, str) and word for word in value)
    if not is_argv:
        message = "command must be a text for a shell, or a list of words"
        raise InvalidSecretSource(message, "command: [pass, show, db/live]")
    assert isinstance(value, Sequence)
    return tuple(map(str, value))


def _timeout(reader: MappingReader, key: str) -> float:
    if "command" not in reader.values:
        raise InvalidSecretSource("only a command has a timeout", "take it out")
    try:
        return duration_seconds(str(reader.values[key]))
    except ValueError as error:
        raise InvalidSecretSource(f"timeout {error}", DURATION_HINT) from error


_WORDS: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}
_SOURCES = by_name(
    Key("env", "env", _text, TEXT, "an environment variable"),
    Key("file", "file", _text, TEXT, "a file, relative to this one"),
    Key("command", "command", _command, {"anyOf": [TEXT, _WORDS]}, "a shell command or a list of words that prints it"),
    Key("fixture", "fixture", _text, TEXT, "a pytest fixture"),
)
SECRET_KEYS = {**_SOURCES, **by_name(Key("timeout", "timeout", _timeout, DURATION, "the deadline of the command"))}


def secrets_schema() -> Schema:
    exactly_one = [{"required": [source]} for source in _SOURCES]
    source = mapping_schema(SECRET_KEYS, oneOf=exactly_one, dependencies={"timeout": ["command"]})
    return {"type": "object", "propertyNames": VARIABLE, "additionalProperties": source}


def secrets(reader: MappingReader, key: str) -> tuple[SecretSource, ...]:
    """Read secrets by their names, each with its source."""
    inner = reader.mapping(key, "secrets: {NAME: {env: VARIABLE}}")
    if inner is None:
        return ()
    found = (_secret(inner, name) for name in inner.values if check_variable_name(inner, name))
    return tuple(secret for secret in found if secret is not None)


def _secret(reader: MappingReader, name: str) -> SecretSource | None:
    try:
        return secret_source(name, reader.values[name], reader.source.location.at(reader.values.key_line(name)))
    except InvalidSecretSource as error:
        reader.add_fault(name, str(error), error.hint)
        return None


def secret_source(name: str, declared: object, location: Location) -> SecretSource:
    """Return the source of a secret. declared: a mapping from a file or from a fixture.

    :raises InvalidSecretSource: if the mapping makes no sense.
    """
    if not isinstance(declared, Mapping) or not declared.keys() & _SOURCES.keys():
        raise InvalidSecretSource(f"secret {name} names no source", f"{name}: {_HINT}")
    unknown = next((str(key) for key in declared if key not in SECRET_KEYS), None)
    if unknown is not None:
        near = nearest(unknown, SECRET_KEYS)
        raise InvalidSecretSource(f'secret {name}: unknown key "{unknown}"', f"did you mean {near}?" if near else _HINT)
    sources = [source for source in _SOURCES if source in declared]
    if len(sources) > 1:
        raise InvalidSecretSource(f"secret {name} comes from {' and '.join(sources)}; it can have one source", _HINT)
    values = LocatedDict(location.line or 1)
    values.update(declared)
    reader = MappingReader(values, SourceFile(location))
    try:
        fields = {SECRET_KEYS[key].field: SECRET_KEYS[key].read(reader, key) for key in values}
    except InvalidSecretSource as error:
        raise InvalidSecretSource(f"secret {name}: {error}", error.hint) from error
    return SecretSource(name=name, location=location, **fields)  # type: ignore[arg-type]  # each reader gives what its field holds
