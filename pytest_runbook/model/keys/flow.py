"""The keys that say how a block is tried, read into what the model holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ..runbook import Axis, AxisSource, Below, ExpectedFailure, LeftOut, Loop, Matrix, Named, Retry, Rows
from ..source.located import LocatedDict, LocatedList, plain
from ..source.mapping_reader import Section, describe, near_or_some, show

RETRY_KEYS: Mapping[str, Callable[[Section, str], object]] = {
    "every": lambda section, key: section.duration(key, f"retry {key}"),
    "within": lambda section, key: section.duration(key, f"retry {key}"),
    "attempts": lambda section, key: _attempts(section, key),
    "backoff": lambda section, key: _backoff(section, key),
    "jitter": lambda section, key: section.duration(key, f"retry {key}"),
    "attempt_timeout": lambda section, key: section.duration(key, f"retry {key}"),
    "until": Section.condition,
}


def retry(section: Section, key: str) -> Retry | None:
    """How a block is retried; None, and a fault, if that has no end."""
    inner = section.mapping(key)
    if inner is None:
        return None
    read = {name: RETRY_KEYS[name](inner, name) for name in inner.values if name in RETRY_KEYS}
    for name in inner.values:
        if name not in RETRY_KEYS:
            inner.unknown_key(name, RETRY_KEYS)
    if not {"within", "attempts"} & inner.values.keys():
        section.fault(key, f"{key} has no end", "say within: 30s, or attempts: 5, or both")
    found = Retry(**{name: value for name, value in read.items() if value is not None})  # type: ignore[arg-type]  # each reader gives what its field holds
    if found.within is not None and found.every >= found.within:
        hint = "a longer within, or a shorter every (1s where it says nothing)"
        section.fault(key, f"{key} leaves no time for a second attempt", hint)
    return found


def _attempts(section: Section, key: str) -> int | None:
    value = section.values[key]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    section.wrong(key, "a whole number from 1 on", f"retry {key}")
    return None


def _backoff(section: Section, key: str) -> float | None:
    value = section.values[key]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value < float("inf"):
        return float(value)
    section.wrong(key, "a number from 1 on: each pause is so many times the one before", f"retry {key}")
    return None


def expected_failure(section: Section, key: str) -> ExpectedFailure | None:
    """Why a block is expected to fail: a reason, or a mapping of reason and strict."""
    value = section.values[key]
    if isinstance(value, bool):
        return ExpectedFailure(reason="") if value else None
    if not isinstance(value, LocatedDict):
        if not isinstance(value, str):
            section.wrong(key, "a reason, true, or a mapping")
        reason = section.text(key) if isinstance(value, str) else None
        return ExpectedFailure(reason=reason) if reason else None
    inner = Section(value, section.source, section.label)
    for name in value:
        if name not in ("reason", "strict"):
            inner.unknown_key(name, ("reason", "strict"))
    reason = inner.text("reason") if "reason" in value else ""
    strict = inner.boolean("strict") if "strict" in value else None
    return ExpectedFailure(reason=reason or "", strict=strict)


def left_out(section: Section, key: str) -> LeftOut | None:
    """That a block is skipped: a reason, true, or a mapping of reason and below."""
    value = section.values[key]
    if not isinstance(value, LocatedDict):
        reason = section.reason(key)
        return LeftOut(reason=reason) if reason else None
    inner = Section(value, section.source, section.label)
    for name in value:
        if name not in ("reason", "below"):
            inner.unknown_key(name, ("reason", "below"))
    reason = inner.text("reason") if "reason" in value else None
    return LeftOut(reason=reason or "skip: true", below=below(inner, "below") if "below" in value else None)


def below(section: Section, key: str) -> Below | None:
    """What becomes of the blocks below one that was left out."""
    value = section.values[key]
    if isinstance(value, str) and value in tuple(Below):
        return Below(value)
    section.wrong(key, " or ".join(Below))
    return None


def loop(section: Section, key: str) -> Loop | None:
    """What a block goes over: one name with an expression, a list, a mapping or a number."""
    inner = section.mapping(key)
    if inner is None:
        return None
    if len(inner.values) != 1:
        section.fault(
            key, f"{key} has {len(inner.values)} names, not one", "for combinations: matrix, or a list of lists"
        )
        return None
    ((name, value),) = inner.values.items()
    if not inner.is_variable(name):
        return None
    place = section.source.place.at(inner.values.line_of(name))
    if isinstance(value, str):
        condition = inner.condition(name)
        return None if condition is None else Loop(name=name, over=condition, place=place)
    if isinstance(value, bool) or not isinstance(value, (list, dict, int)):
        inner.fault(name, f"{key} {name} must be an expression, a list, a mapping or a number, not {describe(value)}")
    elif isinstance(value, int) and value < 0:
        inner.fault(name, f"{key} {name} counts from 1 to {value}", "a number of turns: 3")
    return Loop(name=name, over=plain(value), place=place)


def named(section: Section, key: str) -> tuple[Named, ...]:
    """Names, each with its line."""
    return tuple(Named(name=text, place=section.source.place.at(line)) for text, line in section.texts(key))


def check_required(section: Section, required: Collection[Named], known: Collection[str]) -> None:
    """Note a required block that is not there. known: names and ids of the runbook's blocks that do work."""
    for item in required:
        if item.name not in known:
            message = f'require: no block that runs is called "{show(item.name)}"'
            section.source.fault(message, line=item.place.line, hint=near_or_some(item.name, known))


_SOURCES = ("var", "file", "command")


def matrix(section: Section, key: str) -> Matrix | None:
    """The axes of a matrix, and what is added to their product or left out of it."""
    inner = section.mapping(key)
    if inner is None:
        return None
    axes = [_axis(inner, name) for name in inner.values if name not in ("include", "exclude")]
    rows = {name: _rows(inner, name) for name in ("include", "exclude") if name in inner.values}
    if not axes and "include" not in rows:
        section.fault(key, f"{key} has no axis", "for example: matrix: {region: [eu-west, us-east]}")
    found = tuple(axis for axis in axes if axis is not None)
    return Matrix(axes=found, place=section.source.place.at(section.values.key_line(key)), **rows)


def _axis(section: Section, name: str) -> Axis | None:
    value = section.values[name]
    place = section.source.place.at(section.values.line_of(name))
    if not section.is_variable(name):
        return None
    if isinstance(value, LocatedDict):
        return Axis(name=name, values=_source(section, name), place=place)
    if not isinstance(value, LocatedList):
        section.wrong(name, "a list of values, or {var: NAME}, {file: PATH}, {command: LINE}", f"matrix {name}")
        return None
    if not value:
        section.fault(name, f"matrix {name} is an empty list")
    values = plain(value)
    assert isinstance(values, list)
    return Axis(name=name, values=values, place=place)


def _rows(section: Section, name: str) -> Rows:
    value = section.values[name]
    place = section.source.place.at(section.values.line_of(name))
    if isinstance(value, LocatedDict):
        return Rows(rows=_source(section, name), place=place)
    if isinstance(value, LocatedList) and all(isinstance(row, LocatedDict) for row in value):
        return Rows(rows=[{str(key): plain(item) for key, item in row.items()} for row in value], place=place)  # type: ignore[attr-defined]  # mappings
    section.wrong(name, "a list of mappings, or {file: PATH}", f"matrix {name}")
    return Rows(place=place)


def _source(section: Section, name: str) -> AxisSource:
    """Where values come from; a fault unless exactly one place is named."""
    inner = section.mapping(name)
    assert inner is not None
    if len(inner.values) != 1 or next(iter(inner.values)) not in _SOURCES:
        section.fault(name, f"matrix {show(name)} names no source", "{var: NAME}, {file: PATH} or {command: LINE}")
        return AxisSource()
    ((key, _),) = inner.values.items()
    return AxisSource(**{key: inner.text(key)})
