"""Converts PostgreSQL's values to plain data without loss, and parameters to what the driver takes.

Dates and times are exchanged as the server's own numbers, because Python's types hold neither infinity nor years
before 1 or after 9999.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import asyncpg

from ...errors import InvalidValue
from .rows import Converter, UnparsedJson, build_converters, iso_interval

_EPOCH_DAY = 730_119  # days from the first of January in the year 1 to that of 2000
_DAY = 86_400_000_000
_INFINITIES = {2**63 - 1: "infinity", -(2**63): "-infinity", 2**31 - 1: "infinity", -(2**31): "-infinity"}
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400


class Timestamp(int):
    """A timestamp without time zone: microseconds since 2000-01-01."""


class UtcTimestamp(int):
    """A timestamp with time zone: microseconds since 2000-01-01 in UTC."""


class Date(int):
    """A date: days since 2000-01-01."""


class Time(int):
    """A time without time zone: microseconds since midnight."""


class ZonedTime(tuple[int, int]):
    """A time with time zone: microseconds since midnight, and seconds west of UTC."""

    __slots__ = ()


class Interval(tuple[int, int, int]):
    """An interval: months, days and microseconds."""

    __slots__ = ()


def iso_date(days: int) -> str:
    """Return a date as ISO 8601; years before 0 and after 9999 have a sign, as the standard demands.

    days: since 2000-01-01.
    """
    if days in _INFINITIES:
        return _INFINITIES[days]
    # The calendar repeats every 400 years, so that a date within Python's years stands for any other.
    cycles, rest = divmod(days + _EPOCH_DAY, _CYCLE_DAYS)
    within = datetime.date.fromordinal(rest + 1)
    year = within.year + cycles * _CYCLE_YEARS
    shown = f"{year:04}" if 0 < year < 10_000 else f"{'-' if year < 0 else '+' if year else ''}{abs(year):04}"
    return f"{shown}-{within.month:02}-{within.day:02}"


def iso_clock(microseconds: int) -> str:
    """Return a time of day as ISO 8601; PostgreSQL knows 24:00:00, which Python does not."""
    seconds, rest = divmod(microseconds, 1_000_000)
    fraction = f".{rest:06}" if rest else ""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def iso_timestamp(value: int, zone: str = "") -> str:
    if value in _INFINITIES:
        return _INFINITIES[value]
    days, microseconds = divmod(value, _DAY)
    return f"{iso_date(days)}T{iso_clock(microseconds)}{zone}"


def _iso_zoned_time(value: ZonedTime) -> str:
    microseconds, west = value
    minutes, seconds = divmod(abs(west), 60)
    sign = "-" if west > 0 else "+"
    return f"{iso_clock(microseconds)}{sign}{minutes // 60:02}:{minutes % 60:02}{f':{seconds:02}' if seconds else ''}"


def _encode_date(value: Any) -> tuple[int]:
    if isinstance(value, int):
        return (value,)
    date = datetime.date.fromisoformat(value) if isinstance(value, str) else value
    return (date.toordinal() - 1 - _EPOCH_DAY,)


def _encode_timestamp(value: Any) -> tuple[int]:
    if isinstance(value, int):
        return (value,)
    moment = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return ((moment - datetime.datetime(2000, 1, 1)) // datetime.timedelta(microseconds=1),)  # as the server counts


def _encode_time(value: Any) -> tuple[int]:
    if isinstance(value, int):
        return (value,)
    time = datetime.time.fromisoformat(value) if isinstance(value, str) else value
    return (((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond,)


def _encode_zoned_time(value: Any) -> tuple[int, int]:
    if isinstance(value, ZonedTime):
        return value[0], value[1]
    time = datetime.time.fromisoformat(value) if isinstance(value, str) else value
    east = time.utcoffset() or datetime.timedelta()
    return (*_encode_time(time), -int(east.total_seconds()))


def _encode_interval(value: Any) -> tuple[int, int, int]:
    if isinstance(value, datetime.timedelta):
        return (0, value.days, value.seconds * 1_000_000 + value.microseconds)
    months, days, microseconds = value
    return months, days, microseconds


def _encode_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_AS_TEXT: Mapping[str, Any] = MappingProxyType({"decoder": str, "encoder": str, "format": "text"})
CODECS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "timestamp": {"decoder": lambda value: Timestamp(*value), "encoder": _encode_timestamp, "format": "tuple"},
        "timestamptz": {"decoder": lambda value: UtcTimestamp(*value), "encoder": _encode_timestamp, "format": "tuple"},
        "date": {"decoder": lambda value: Date(*value), "encoder": _encode_date, "format": "tuple"},
        "time": {"decoder": lambda value: Time(*value), "encoder": _encode_time, "format": "tuple"},
        "timetz": {"decoder": ZonedTime, "encoder": _encode_zoned_time, "format": "tuple"},
        "interval": {"decoder": Interval, "encoder": _encode_interval, "format": "tuple"},
        "json": {"decoder": UnparsedJson, "encoder": _encode_json, "format": "text"},
        "jsonb": {"decoder": UnparsedJson, "encoder": _encode_json, "format": "text"},
        **dict.fromkeys(("pg_lsn", "pg_snapshot", "txid_snapshot", "tid"), _AS_TEXT),
    }
)
"""The driver's codecs for these types, by their names in pg_catalog."""


def character(value: Any) -> object:
    """Convert the type "char", which the driver returns as a byte; a zero byte is the empty text."""
    if isinstance(value, list):
        return [None if item is None else character(item) for item in value]
    return value.decode("latin-1").rstrip("\0")


def _number(value: float) -> str:
    """Return a float as the server writes it."""
    if math.isfinite(value):
        return repr(value).removesuffix(".0")
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


def _point(value: Any) -> str:
    return f"({_number(value[0])},{_number(value[1])})"


def _path(value: Any) -> str:
    points = ",".join(map(_point, value))
    is_closed = not isinstance(value, asyncpg.Path) or value.is_closed
    return f"({points})" if is_closed else f"[{points}]"


def _range(value: Any) -> str:
    if value.isempty:
        return "empty"
    low, high = (_bound(bound) for bound in (value.lower, value.upper))
    return f"{'[' if value.lower_inc else '('}{low},{high}{']' if value.upper_inc else ')'}"


def _bound(value: object) -> str:
    """Return one end of a range as the server writes it, except that dates and times are ISO 8601 as elsewhere."""
    return "" if value is None else str(CONVERTERS.plain(value))


_SPECIAL: dict[type, Converter | None] = {
    Timestamp: iso_timestamp,  # type: ignore[dict-item]  # called with values of its key's type, as all of these
    UtcTimestamp: lambda value: iso_timestamp(value, "+00:00" if value not in _INFINITIES else ""),  # type: ignore[arg-type]
    Date: iso_date,  # type: ignore[dict-item]
    Time: iso_clock,  # type: ignore[dict-item]
    ZonedTime: _iso_zoned_time,  # type: ignore[dict-item]
    Interval: lambda value: iso_interval(*value),  # type: ignore[misc]
    asyncpg.BitString: lambda value: value.as_string().replace(" ", ""),  # type: ignore[attr-defined]
    asyncpg.Range: _range,
    asyncpg.Point: _point,
    asyncpg.Box: lambda value: f"{_point(value[0])},{_point(value[1])}",  # type: ignore[index]
    asyncpg.LineSegment: lambda value: f"[{_point(value[0])},{_point(value[1])}]",  # type: ignore[index]
    asyncpg.Line: lambda value: "{" + ",".join(map(_number, value)) + "}",  # type: ignore[call-overload]
    asyncpg.Circle: lambda value: f"<{_point(value[0])},{_number(value[1])}>",  # type: ignore[index]
    asyncpg.Path: _path,
    asyncpg.Polygon: _path,
}
CONVERTERS = build_converters(_SPECIAL)
CONVERTERS[asyncpg.Record] = lambda record: CONVERTERS.mapped(dict(record))  # type: ignore[call-overload]

_FROM_TEXT: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {
        "int2": int,
        "int4": int,
        "int8": int,
        "oid": int,
        "float4": float,
        "float8": float,
        "numeric": Decimal,
        "bool": lambda text: {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[text.lower()],
        "bytea": str.encode,
    }
)


_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "unknown"})
_INTEGERS = frozenset({"int2", "int4", "int8", "oid"})
_TIMES = frozenset({"date", "timestamp", "timestamptz", "time", "timetz"})
_PARSED_BY_SERVER = frozenset(
    {"interval", "bit", "varbit", "point", "box", "lseg", "line", "path", "polygon", "circle"}
)
_CLOCK = r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_ISO = re.compile(rf"\d{{4}}-\d\d-\d\d([T ]{_CLOCK})?|{_CLOCK}")
_ISO_WITH_ZONE = re.compile(rf"({_ISO.pattern})(Z|[+-]\d\d(:?\d\d)?)")


def is_parsed_by_server(value: object, parameter: asyncpg.Type) -> bool:
    """Return True for a text that the driver can't parse as the parameter's type; the server does it instead.

    This includes times whose zone is missing: the server's session has one.
    """
    if not isinstance(value, str):
        return False
    if parameter.name in _TIMES:
        iso = _ISO_WITH_ZONE if parameter.name in ("timestamptz", "timetz") else _ISO
        return iso.fullmatch(value) is None
    return parameter.name in _PARSED_BY_SERVER or parameter.kind in ("range", "multirange", "composite")


def coerce_params(values: Sequence[object], types: Sequence[str]) -> list[object]:
    """Convert parameters to the Python types that the driver wants for the types of the statement's parameters.

    types: the names of the types that the server found.

    :raises InvalidValue: if there are too many or too few values, or one can't be converted.
    """
    if len(values) != len(types):
        raise InvalidValue(f"params holds {len(values)}, and the statement wants {len(types)}")
    return [
        _coerce_param(value, name, number) for number, (value, name) in enumerate(zip(values, types, strict=True), 1)
    ]


def _coerce_param(value: object, type_name: str, number: int) -> object:
    try:
        if isinstance(value, str):
            return _FROM_TEXT.get(type_name, str)(value)
        if type_name in _TEXTS and value is not None:
            return json.dumps(value) if isinstance(value, bool) else str(value)
        if isinstance(value, float) and type_name == "numeric":
            return Decimal(repr(value))
        if isinstance(value, float) and type_name in _INTEGERS and not value.is_integer():
            raise ValueError(value)
        return value
    except (ValueError, KeyError, ArithmeticError) as error:
        raise InvalidValue(f'parameter {number} is "{value}", and the server wants {type_name}') from error
