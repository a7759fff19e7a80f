"""Converts values of MySQL and MariaDB to plain data. They arrive as text; most types stay text."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from pymysql.constants import FIELD_TYPE

from .rows import Converter, UnparsedJson, build_converters

_SRID_BYTES = 4
_SHAPES = {
    1: "POINT",
    2: "LINESTRING",
    3: "POLYGON",
    4: "MULTIPOINT",
    5: "MULTILINESTRING",
    6: "MULTIPOLYGON",
    7: "GEOMETRYCOLLECTION",
}


class DateTime(str):
    """A DATETIME value, without a time zone: ``2024-02-29 10:00:00``."""

    __slots__ = ()


class UtcDateTime(str):
    """A TIMESTAMP value, in UTC: ``2024-02-29 10:00:00``."""

    __slots__ = ()


class Geometry(bytes):
    """A geometry: the number of its reference system (SRID), then well-known binary."""

    __slots__ = ()


def well_known_text(value: bytes) -> str:
    """Return a geometry as well-known text: ``POINT(1 2)``."""
    return _Wkb(value[_SRID_BYTES:]).shape()


class _Wkb:
    """Reads well-known binary (WKB). Source: OGC Simple Feature Access, section 8.2."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._order = "<"

    def shape(self, *, named: bool = True) -> str:
        self._order = "<" if self._unpack("B") else ">"
        kind = self._unpack("I")
        body = self._body(kind)
        return f"{_SHAPES[kind]}{body}".replace("()", " EMPTY") if named else body

    def _body(self, kind: int) -> str:
        if kind == 1:
            return f"({self._point()})"
        if kind == 2:
            return self._sequence(self._point)
        if kind == 3:
            return self._sequence(lambda: self._sequence(self._point))
        return self._sequence(lambda: self.shape(named=kind == 7))

    def _sequence(self, read: Callable[[], str]) -> str:
        return f"({','.join(read() for _ in range(self._unpack('I')))})"

    def _point(self) -> str:
        return " ".join(repr(self._unpack("d")).removesuffix(".0") for _ in range(2))

    def _unpack(self, kind: str) -> int:
        (value,) = struct.unpack_from(self._order + kind, self._data, self._position)
        self._position += struct.calcsize(f"{self._order}{kind}")
        return value  # type: ignore[no-any-return]  # a number


DECODERS: Mapping[int, Callable[[str], object] | Callable[[bytes], object]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG,
                FIELD_TYPE.YEAR,
            ),
            int,
        ),
        **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), float),
        **dict.fromkeys((FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL), Decimal),
        FIELD_TYPE.DATETIME: DateTime,
        FIELD_TYPE.TIMESTAMP: UtcDateTime,
        FIELD_TYPE.BIT: int.from_bytes,
        FIELD_TYPE.JSON: UnparsedJson,
        FIELD_TYPE.GEOMETRY: Geometry,
    }
)  # fmt: skip
"""The driver's decoders of a column's text, by the column's type. Other types stay text, or bytes if binary."""

_SPECIAL: Mapping[type, Converter | None] = {
    DateTime: lambda value: str(value).replace(" ", "T"),
    UtcDateTime: lambda value: f"{str(value).replace(' ', 'T')}+00:00",
    Geometry: well_known_text,  # type: ignore[dict-item]  # called with values of its key's type
}
CONVERTERS = build_converters(_SPECIAL)


def boolean_value(value: object) -> object:
    """Return 0 and 1 as booleans; a BOOLEAN column may hold other numbers as well."""
    return bool(value) if value in (0, 1) else value


def is_boolean(type_code: int, length: int) -> bool:
    """Return True for TINYINT(1), for which BOOLEAN is another name."""
    return bool(type_code == FIELD_TYPE.TINY and length == 1)
