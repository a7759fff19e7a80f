"""The keys that say how a block is tried, read into what the model holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .runbook import ExpectedFailure, Loop, Retry
from .section import Section, describe
from .tree import LocatedDict, plain

_RETRY: Mapping[str, Callable[[Section, str], object]] = {
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
    read = {name: _RETRY[name](inner, name) for name in inner.values if name in _RETRY}
    for name in inner.values:
        if name not in _RETRY:
            inner.unknown_key(name, _RETRY)
    if not {"within", "attempts"} & inner.values.keys():
        section.fault(key, f"{key} has no end", "say within: 30s, or attempts: 5, or both")
    return Retry(**{name: value for name, value in read.items() if value is not None})  # type: ignore[arg-type]  # each reader gives what its field holds


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
    return Loop(name=name, over=plain(value), place=place)
