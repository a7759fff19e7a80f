"""Where secrets come from, as files and fixtures say it: ``{env: NAME}``, ``{file: PATH}``, ``{command: ...}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import Place
from ..text import DURATION_HINT, duration_seconds, nearest
from .runbook import SecretSource

SOURCES = ("env", "file", "command", "fixture")
TIMEOUT = "timeout"
_HINT = "{env: VARIABLE}, or {file: PATH}, {command: [pass, show, NAME]}, {fixture: NAME}"


class NoSource(ValueError):
    """A secret whose source makes no sense. hint: how to write it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def secret_source(name: str, said: object, place: Place) -> SecretSource:
    """The source of a secret of that name.

    :raises NoSource: if what is said of it makes no sense.
    """
    if not isinstance(said, Mapping) or not said.keys() & set(SOURCES):
        raise NoSource(f"secret {name} must say where it comes from", f"{name}: {_HINT}")
    unknown = next((key for key in said if key not in (*SOURCES, TIMEOUT)), None)
    if unknown is not None:
        near = nearest(str(unknown), (*SOURCES, TIMEOUT))
        raise NoSource(f'secret {name}: unknown key "{unknown}"', f"did you mean {near}?" if near else _HINT)
    sources = [key for key in SOURCES if key in said]
    if len(sources) > 1:
        raise NoSource(f"secret {name} comes from {' and '.join(sources)}; it can have one source", _HINT)
    (kind,) = sources
    fields = {kind: _command(name, said[kind]) if kind == "command" else _text(name, kind, said[kind])}
    return SecretSource(name=name, place=place, timeout=_timeout(name, said), **fields)  # type: ignore[arg-type]  # by its key


def _text(name: str, kind: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise NoSource(f"secret {name}: {kind} must be a text", _HINT)
    return value


def _command(name: str, value: object) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return _text(name, "command", value)
    is_argv = isinstance(value, Sequence) and bool(value) and all(isinstance(word, str) and word for word in value)
    if not is_argv:
        raise NoSource(
            f"secret {name}: command must be a text for a shell, or a list of words", "command: [pass, show, db/live]"
        )
    assert isinstance(value, Sequence)
    return tuple(map(str, value))


def _timeout(name: str, said: Mapping[object, object]) -> float | None:
    if TIMEOUT not in said:
        return None
    if "command" not in said:
        raise NoSource(f"secret {name}: only a command has a timeout", "take it out")
    try:
        return duration_seconds(str(said[TIMEOUT]))
    except ValueError as error:
        raise NoSource(f"secret {name}: timeout {error}", DURATION_HINT) from error
