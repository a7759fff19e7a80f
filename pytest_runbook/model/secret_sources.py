"""Where secrets come from, as files and fixtures say it: ``{env: NAME}``, ``{file: PATH}``, ``{command: ...}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import Location
from ..text import DURATION_HINT, duration_seconds, nearest
from .runbook import SecretSource

SECRET_SOURCE_KEYS = ("env", "file", "command", "fixture")
TIMEOUT_KEY = "timeout"
_HINT = "{env: VARIABLE}, or {file: PATH}, {command: [pass, show, NAME]}, {fixture: NAME}"


class InvalidSecretSource(ValueError):
    """A secret whose source makes no sense. hint: how to write it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def secret_source(name: str, declared: object, location: Location) -> SecretSource:
    """The source of a secret of that name.

    :raises InvalidSecretSource: if what is said of it makes no sense.
    """
    if not isinstance(declared, Mapping) or not declared.keys() & set(SECRET_SOURCE_KEYS):
        raise InvalidSecretSource(f"secret {name} must say where it comes from", f"{name}: {_HINT}")
    unknown = next((key for key in declared if key not in (*SECRET_SOURCE_KEYS, TIMEOUT_KEY)), None)
    if unknown is not None:
        near = nearest(str(unknown), (*SECRET_SOURCE_KEYS, TIMEOUT_KEY))
        raise InvalidSecretSource(f'secret {name}: unknown key "{unknown}"', f"did you mean {near}?" if near else _HINT)
    sources = [key for key in SECRET_SOURCE_KEYS if key in declared]
    if len(sources) > 1:
        raise InvalidSecretSource(f"secret {name} comes from {' and '.join(sources)}; it can have one source", _HINT)
    (kind,) = sources
    fields = {kind: _command(name, declared[kind]) if kind == "command" else _text(name, kind, declared[kind])}
    return SecretSource(name=name, location=location, timeout=_timeout(name, declared), **fields)  # type: ignore[arg-type]  # by its key


def _text(name: str, kind: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidSecretSource(f"secret {name}: {kind} must be a text", _HINT)
    return value


def _command(name: str, value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return _text(name, "command", value)
    is_argv = isinstance(value, Sequence) and bool(value) and all(isinstance(word, str) and word for word in value)
    if not is_argv:
        raise InvalidSecretSource(
            f"secret {name}: command must be a text for a shell, or a list of words", "command: [pass, show, db/live]"
        )
    assert isinstance(value, Sequence)
    return tuple(map(str, value))


def _timeout(name: str, declared: Mapping[object, object]) -> float | None:
    if TIMEOUT_KEY not in declared:
        return None
    if "command" not in declared:
        raise InvalidSecretSource(f"secret {name}: only a command has a timeout", "take it out")
    try:
        return duration_seconds(str(declared[TIMEOUT_KEY]))
    except ValueError as error:
        raise InvalidSecretSource(f"secret {name}: timeout {error}", DURATION_HINT) from error
