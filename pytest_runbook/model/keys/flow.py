"""The keys that say how a block is tried, read into what the model holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ..runbook import (
    Axis,
    AxisSource,
    Below,
    ExpectedFailure,
    ForEach,
    Matrix,
    MatrixRows,
    NameReference,
    Retry,
    SkipRule,
)
from ..source.located import LocatedDict, LocatedList, to_builtins
from ..source.mapping_reader import MappingReader, describe_type, did_you_mean_or_known, excerpt

RETRY_KEYS: Mapping[str, Callable[[MappingReader, str], object]] = {
    "every": lambda section, key: section.duration(key, f"retry {key}"),
    "within": lambda section, key: section.duration(key, f"retry {key}"),
    "attempts": lambda section, key: _attempts(section, key),
    "backoff": lambda section, key: _backoff(section, key),
    "jitter": lambda section, key: section.duration(key, f"retry {key}"),
    "attempt_timeout": lambda section, key: section.duration(key, f"retry {key}"),
    "until": MappingReader.condition,
}


def retry(reader: MappingReader, key: str) -> Retry | None:
    """How a block is retried; None, and a fault, if that has no end."""
    inner = reader.mapping(key)
    if inner is None:
        return None
    read = {name: RETRY_KEYS[name](inner, name) for name in inner.values if name in RETRY_KEYS}
    for name in inner.values:
        if name not in RETRY_KEYS:
            inner.add_unknown_key(name, RETRY_KEYS)
    if not {"within", "attempts"} & inner.values.keys():
        reader.add_fault(key, f"{key} has no end", "say within: 30s, or attempts: 5, or both")
    found = Retry(**{name: value for name, value in read.items() if value is not None})  # type: ignore[arg-type]  # each reader gives what its field holds
    if found.within is not None and found.every >= found.within:
        hint = "a longer within, or a shorter every (1s where it says nothing)"
        reader.add_fault(key, f"{key} leaves no time for a second attempt", hint)
    return found


def _attempts(reader: MappingReader, key: str) -> int | None:
    value = reader.values[key]
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    reader.add_wrong_value(key, "a whole number from 1 on", f"retry {key}")
    return None


def _backoff(reader: MappingReader, key: str) -> float | None:
    value = reader.values[key]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value < float("inf"):
        return float(value)
    reader.add_wrong_value(key, "a number from 1 on: each pause is so many times the one before", f"retry {key}")
    return None


def expected_failure(reader: MappingReader, key: str) -> ExpectedFailure | None:
    """Why a block is expected to fail: a reason, or a mapping of reason and strict."""
    value = reader.values[key]
    if isinstance(value, bool):
        return ExpectedFailure(reason="") if value else None
    if not isinstance(value, LocatedDict):
        if not isinstance(value, str):
            reader.add_wrong_value(key, "a reason, true, or a mapping")
        reason = reader.text(key) if isinstance(value, str) else None
        return ExpectedFailure(reason=reason) if reason else None
    inner = MappingReader(value, reader.source, reader.label)
    for name in value:
        if name not in ("reason", "strict"):
            inner.add_unknown_key(name, ("reason", "strict"))
    reason = inner.text("reason") if "reason" in value else ""
    strict = inner.boolean("strict") if "strict" in value else None
    return ExpectedFailure(reason=reason or "", strict=strict)


def skip(reader: MappingReader, key: str) -> SkipRule | None:
    """That a block is skipped: a reason, true, or a mapping of reason and below."""
    value = reader.values[key]
    if not isinstance(value, LocatedDict):
        reason = reader.reason(key)
        return SkipRule(reason=reason) if reason else None
    inner = MappingReader(value, reader.source, reader.label)
    for name in value:
        if name not in ("reason", "below"):
            inner.add_unknown_key(name, ("reason", "below"))
    reason = inner.text("reason") if "reason" in value else None
    return SkipRule(reason=reason or "skip: true", below=below(inner, "below") if "below" in value else None)


def below(reader: MappingReader, key: str) -> Below | None:
    """What becomes of the blocks below one that was left out."""
    value = reader.values[key]
    if isinstance(value, str) and value in tuple(Below):
        return Below(value)
    reader.add_wrong_value(key, " or ".join(Below))
    return None


def for_each(reader: MappingReader, key: str) -> ForEach | None:
    """What a block goes over: one name with an expression, a list, a mapping or a number."""
    inner = reader.mapping(key)
    if inner is None:
        return None
    if len(inner.values) != 1:
        reader.add_fault(
            key, f"{key} has {len(inner.values)} names, not one", "for combinations: matrix, or a list of lists"
        )
        return None
    ((name, value),) = inner.values.items()
    if not inner.check_variable_name(name):
        return None
    location = reader.source.location.at(inner.values.line_of(name))
    if isinstance(value, str):
        condition = inner.condition(name)
        return None if condition is None else ForEach(name=name, over=condition, location=location)
    if isinstance(value, bool) or not isinstance(value, (list, dict, int)):
        inner.add_fault(
            name, f"{key} {name} must be an expression, a list, a mapping or a number, not {describe_type(value)}"
        )
    elif isinstance(value, int) and value < 0:
        inner.add_fault(name, f"{key} {name} counts from 1 to {value}", "a number of turns: 3")
    return ForEach(name=name, over=to_builtins(value), location=location)


def name_references(reader: MappingReader, key: str) -> tuple[NameReference, ...]:
    """Names, each with its line."""
    return tuple(NameReference(name=text, location=reader.source.location.at(line)) for text, line in reader.texts(key))


def check_required(reader: MappingReader, required: Collection[NameReference], known: Collection[str]) -> None:
    """Note a required block that is not there. known: names and ids of the runbook's blocks that do work."""
    for item in required:
        if item.name not in known:
            message = f'require: no block that runs is called "{excerpt(item.name)}"'
            reader.source.add_fault(message, line=item.location.line, hint=did_you_mean_or_known(item.name, known))


_AXIS_SOURCES = ("var", "file", "command")


def matrix(reader: MappingReader, key: str) -> Matrix | None:
    """The axes of a matrix, and what is added to their product or left out of it."""
    inner = reader.mapping(key)
    if inner is None:
        return None
    axes = [_axis(inner, name) for name in inner.values if name not in ("include", "exclude")]
    rows = {name: _rows(inner, name) for name in ("include", "exclude") if name in inner.values}
    if not axes and "include" not in rows:
        reader.add_fault(key, f"{key} has no axis", "for example: matrix: {region: [eu-west, us-east]}")
    found = tuple(axis for axis in axes if axis is not None)
    return Matrix(axes=found, location=reader.source.location.at(reader.values.key_line(key)), **rows)


def _axis(reader: MappingReader, name: str) -> Axis | None:
    value = reader.values[name]
    location = reader.source.location.at(reader.values.line_of(name))
    if not reader.check_variable_name(name):
        return None
    if isinstance(value, LocatedDict):
        return Axis(name=name, values=_axis_source(reader, name), location=location)
    if not isinstance(value, LocatedList):
        reader.add_wrong_value(
            name, "a list of values, or {var: NAME}, {file: PATH}, {command: LINE}", f"matrix {name}"
        )
        return None
    if not value:
        reader.add_fault(name, f"matrix {name} is an empty list")
    values = to_builtins(value)
    assert isinstance(values, list)
    return Axis(name=name, values=values, location=location)


def _rows(reader: MappingReader, name: str) -> MatrixRows:
    value = reader.values[name]
    location = reader.source.location.at(reader.values.line_of(name))
    if isinstance(value, LocatedDict):
        return MatrixRows(rows=_axis_source(reader, name), location=location)
    if isinstance(value, LocatedList) and all(isinstance(row, LocatedDict) for row in value):
        return MatrixRows(
            rows=[{str(key): to_builtins(item) for key, item in row.items()} for row in value],  # type: ignore[attr-defined]  # mappings
            location=location,
        )
    reader.add_wrong_value(name, "a list of mappings, or {file: PATH}", f"matrix {name}")
    return MatrixRows(location=location)


def _axis_source(reader: MappingReader, name: str) -> AxisSource:
    """Where values come from; a fault unless exactly one place is named."""
    inner = reader.mapping(name)
    assert inner is not None
    if len(inner.values) != 1 or next(iter(inner.values)) not in _AXIS_SOURCES:
        reader.add_fault(
            name, f"matrix {excerpt(name)} names no source", "{var: NAME}, {file: PATH} or {command: LINE}"
        )
        return AxisSource()
    ((key, _),) = inner.values.items()
    return AxisSource(**{key: inner.text(key)})
