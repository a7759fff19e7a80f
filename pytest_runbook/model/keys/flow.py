"""The keys that decide whether, how often and how long a block runs."""

from __future__ import annotations

from collections.abc import Collection

from ..runbook import Below, ExpectedFailure, ForEach, NameReference, Retry, SkipRule, Timeouts
from ..source.located import LocatedDict, to_builtins
from ..source.mapping_reader import MappingReader, describe_type, did_you_mean_or_known, excerpt
from .expressions import condition
from .key import Key, KeyReader, Schema, by_name, mapping_schema, read_keys
from .value_readers import BOOLEAN, DURATION, TEXT, VARIABLE, check_variable_name, choices, one_of


def _duration_of(parent: str) -> KeyReader:
    """Return a reader of a duration. parent: the key that holds the mapping."""
    return lambda reader, key: reader.duration(key, f"{parent} {key}")


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


_retry_duration = _duration_of("retry")
RETRY_KEYS = by_name(
    Key("every", "every", _retry_duration, DURATION, "from the end of an attempt to the next: `1s` unless given"),
    Key("within", "within", _retry_duration, DURATION, "for all attempts together"),
    Key("attempts", "attempts", _attempts, {"type": "integer", "minimum": 1}, "at most so many"),
    Key("backoff", "backoff", _backoff, {"type": "number", "minimum": 1}, "each pause is so many times the one before"),
    Key("jitter", "jitter", _retry_duration, DURATION, "up to so much is added to each pause, by chance"),
    Key("attempt_timeout", "attempt_timeout", _retry_duration, DURATION, "the deadline of one attempt"),
    Key("until", "until", condition, TEXT, "an expression to wait for; unless given: success, and all assertions"),
)


def retry_schema() -> Schema:
    return mapping_schema(RETRY_KEYS, anyOf=[{"required": ["within"]}, {"required": ["attempts"]}])


def retry(reader: MappingReader, key: str) -> Retry | None:
    """Read how a block is retried; add a fault if the retries have no end."""
    inner = reader.mapping(key, "retry: {every: 2s, within: 30s}")
    if inner is None:
        return None
    found = Retry(**read_keys(inner, RETRY_KEYS))  # type: ignore[arg-type]  # each reader gives what its field holds
    if not {"within", "attempts"} & inner.values.keys():
        reader.add_fault(key, f"{key} has no end", "add within: 30s, or attempts: 5, or both")
    if found.within is not None and found.every >= found.within:
        hint = "a longer within, or a shorter every (1s unless given)"
        reader.add_fault(key, f"{key} leaves no time for a second attempt", hint)
    return found


_timeout_duration = _duration_of("timeout")
TIMEOUT_KEYS = by_name(
    Key("total", "total", _timeout_duration, DURATION, "the deadline of the whole runbook, clean-ups aside"),
    Key("block", "block", _timeout_duration, DURATION, "the deadline of each block that has none of its own"),
    Key("finally", "finally_", _timeout_duration, DURATION, "the deadline of all clean-ups together"),
)


def timeouts_schema() -> Schema:
    return {"anyOf": [DURATION, mapping_schema(TIMEOUT_KEYS)]}


def timeouts(reader: MappingReader, key: str) -> Timeouts:
    """Read one duration for the whole runbook, or a mapping of total, block and finally."""
    value = reader.values[key]
    if not isinstance(value, LocatedDict):
        return Timeouts(total=reader.duration(key))
    return Timeouts(**read_keys(MappingReader(value, reader.source, reader.label), TIMEOUT_KEYS))  # type: ignore[arg-type]  # durations


XFAIL_KEYS = by_name(
    Key("reason", "reason", MappingReader.text, TEXT, "why it is expected to fail"),
    Key("strict", "strict", MappingReader.boolean, BOOLEAN, "true: its success is a failure"),
)


def expected_failure_schema() -> Schema:
    return {"anyOf": [BOOLEAN, TEXT, mapping_schema(XFAIL_KEYS)]}


def expected_failure(reader: MappingReader, key: str) -> ExpectedFailure | None:
    """Read why a block is expected to fail: a reason, true, or a mapping of reason and strict."""
    value = reader.values[key]
    if isinstance(value, bool):
        return ExpectedFailure(reason="") if value else None
    if isinstance(value, LocatedDict):
        inner = MappingReader(value, reader.source, reader.label)
        return ExpectedFailure(**{"reason": "", **read_keys(inner, XFAIL_KEYS)})  # type: ignore[arg-type]  # by the rows
    if not isinstance(value, str):
        reader.add_wrong_value(key, "a reason, true, or a mapping")
        return None
    reason = reader.text(key)
    return ExpectedFailure(reason=reason) if reason else None


below = one_of(Below)
BELOW = choices(Below)
SKIP_KEYS = by_name(
    Key("reason", "reason", MappingReader.text, TEXT, "why it is skipped"),
    Key("below", "below", below, BELOW, "what becomes of the blocks below"),
)


def skip_schema() -> Schema:
    return {"anyOf": [BOOLEAN, TEXT, mapping_schema(SKIP_KEYS)]}


def skip(reader: MappingReader, key: str) -> SkipRule | None:
    """Read why a block is skipped: a reason, true, or a mapping of reason and below."""
    value = reader.values[key]
    if isinstance(value, LocatedDict):
        inner = MappingReader(value, reader.source, reader.label)
        return SkipRule(**{"reason": "skip: true", **read_keys(inner, SKIP_KEYS)})  # type: ignore[arg-type]  # by the rows
    if isinstance(value, bool):
        return SkipRule(reason="skip: true") if value else None
    if not isinstance(value, str):
        reader.add_wrong_value(key, "true or a reason")
        return None
    reason = reader.text(key)
    return SkipRule(reason=reason) if reason else None


FOR_EACH: Schema = {
    "type": "object",
    "propertyNames": VARIABLE,
    "additionalProperties": {
        "type": ["string", "array", "object", "integer"],
        "pattern": r"\S",
        "minimum": 0,
    },
    "minProperties": 1,
    "maxProperties": 1,
}


def for_each(reader: MappingReader, key: str) -> ForEach | None:
    """Read what a block runs once for: one name with an expression, a list, a mapping or a number."""
    inner = reader.mapping(key, "for_each: {table: var.tables}")
    if inner is None:
        return None
    if len(inner.values) != 1:
        message = f"{key} has {len(inner.values)} names, not one"
        reader.add_fault(key, message, "for combinations: matrix, or a list of lists")
        return None
    ((name, value),) = inner.values.items()
    if not check_variable_name(inner, name):
        return None
    location = reader.source.location.at(inner.values.line_of(name))
    if isinstance(value, str):
        expression = condition(inner, name)
        return None if expression is None else ForEach(name=name, over=expression, location=location)
    if isinstance(value, bool) or not isinstance(value, (list, dict, int)):
        message = f"{key} {name} must be an expression, a list, a mapping or a number, not {describe_type(value)}"
        inner.add_fault(name, message)
    elif isinstance(value, int) and value < 0:
        inner.add_fault(name, f"{key} {name} counts from 1 to {value}", "a number of turns: 3")
    return ForEach(name=name, over=to_builtins(value), location=location)


def check_required(reader: MappingReader, required: Collection[NameReference], known: Collection[str]) -> None:
    """Add a fault for each required block that is missing. known: names and ids of the blocks that do work."""
    for item in required:
        if item.name not in known:
            message = f'require: no block that runs is called "{excerpt(item.name)}"'
            reader.source.add_fault(message, line=item.location.line, hint=did_you_mean_or_known(item.name, known))
