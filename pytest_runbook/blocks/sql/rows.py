"""Rows for templates and assertions: views of the driver's tuples, whose values are converted when they are read."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import overload

from ...errors import NotSerializable

Converter = Callable[[object], object]


class Converters(dict[type, Converter | None]):
    """Converters to plain data by the type of a value; None for types that are plain already.

    A type that is missing gets the converter of the first of its bases that is here, else becomes text.
    """

    def __missing__(self, kind: type) -> Converter | None:
        # Remembered, so that each further value of this type takes a single look-up.
        for base in kind.__mro__[1:]:
            if base in self and base is not object:
                self[kind] = self[base]
                return self[base]
        self[kind] = str
        return str

    def plain(self, value: object) -> object:
        """Return the value in types that JSON knows, with exact numbers."""
        convert = self[type(value)]
        return value if convert is None else convert(value)

    def listed(self, values: object) -> list[object]:
        """Return a list with each value converted, nested lists included."""
        assert isinstance(values, Iterable)
        return [self.plain(value) for value in values]

    def mapped(self, values: object) -> dict[str, object]:
        """Return a mapping with each value converted and text as keys."""
        assert isinstance(values, Mapping)
        return {str(self.plain(key)): self.plain(value) for key, value in values.items()}


def build_converters(special: Mapping[type, Converter | None] | None = None) -> Converters:
    """Return converters for the types that all drivers may return, and for those of one driver."""
    table = Converters(_COMMON)
    table[list] = table[tuple] = table[set] = table[frozenset] = table.listed
    table[dict] = table.mapped
    table.update(special or {})
    return table


class UnparsedJson(str):
    """The text of a JSON value, which is parsed when the value is read."""

    __slots__ = ()


def base64_text(value: object) -> str:
    """Return bytes as base64."""
    return base64.b64encode(bytes(value)).decode()  # type: ignore[call-overload]  # bytes-like


def iso_time(value: object) -> str:
    """Return a date or a time as ISO 8601."""
    return value.isoformat()  # type: ignore[attr-defined, no-any-return]  # all of datetime's types have it


def iso_interval(months: int, days: int, microseconds: int) -> str:
    """Return an interval as ISO 8601: ``P1Y2M3DT4H5M6.5S``. Each part has its own sign, as in SQL."""
    years, months = _divided(months, 12)
    minutes, rest = _divided(microseconds, 60_000_000)
    hours, minutes = _divided(minutes, 60)
    date = _part(years, "Y") + _part(months, "M") + _part(days, "D")
    time = _part(hours, "H") + _part(minutes, "M") + (f"{_decimal(rest)}S" if rest else "")
    return f"P{date}T{time}" if time else f"P{date}" if date else "PT0S"


def iso_duration(value: object) -> str:
    """Return a timedelta as ISO 8601, in days and the rest of a day."""
    assert isinstance(value, datetime.timedelta)
    microseconds = value // datetime.timedelta(microseconds=1)
    days, rest = _divided(microseconds, 86_400_000_000)
    return iso_interval(0, days, rest)


def _divided(value: int, by: int) -> tuple[int, int]:
    """Return quotient and remainder, both with the value's sign."""
    quotient, rest = divmod(abs(value), by)
    return (quotient, rest) if value >= 0 else (-quotient, -rest)


def _part(value: int, unit: str) -> str:
    return f"{value}{unit}" if value else ""


def _decimal(microseconds: int) -> str:
    text = f"{Decimal(microseconds) / 1_000_000:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_COMMON: Mapping[type, Converter | None] = {
    type(None): None,
    bool: None,
    int: None,
    float: None,
    str: None,
    Decimal: None,
    UnparsedJson: json.loads,  # type: ignore[dict-item]  # called with values of its key's type
    bytes: base64_text,
    bytearray: base64_text,
    memoryview: base64_text,
    datetime.date: iso_time,
    datetime.datetime: iso_time,
    datetime.time: iso_time,
    datetime.timedelta: iso_duration,
    uuid.UUID: str,
    ipaddress.IPv4Address: str,
    ipaddress.IPv6Address: str,
    ipaddress.IPv4Interface: str,
    ipaddress.IPv6Interface: str,
    ipaddress.IPv4Network: str,
    ipaddress.IPv6Network: str,
}


@dataclass(frozen=True, slots=True)
class RowLayout:
    """The columns of a result, and how their values are converted.

    index: the position of each column. converters: by the values' types.
    column_converters: by position, for columns whose values' types do not determine the conversion.
    """

    index: Mapping[str, int]
    converters: Converters
    column_converters: Mapping[int, Converter]


class SqlRow(Mapping[str, object]):
    """One row: values by column, in the order of the columns."""

    __slots__ = ("_layout", "_values")

    def __init__(self, values: Sequence[object], layout: RowLayout) -> None:
        self._values = values
        self._layout = layout

    def __getitem__(self, column: str) -> object:
        position = self._layout.index[column]
        value = self._values[position]
        convert = self._layout.column_converters.get(position)
        try:
            return self._layout.converters.plain(value) if convert is None or value is None else convert(value)
        except Exception as error:  # converters parse data of the server, which may be of any shape
            hint = "cast it to text in the query"
            raise NotSerializable(f"a value of column {column} can't be read: {error}", hint=hint) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout.index)

    def __len__(self) -> int:
        return len(self._layout.index)

    def __repr__(self) -> str:
        return repr(dict(self))


class SqlRows(Sequence[SqlRow]):
    """The rows of a result.

    values: the driver's own tuples.
    """

    __slots__ = ("_layout", "_values")

    def __init__(self, values: Sequence[Sequence[object]], layout: RowLayout) -> None:
        self._values = values
        self._layout = layout

    @overload
    def __getitem__(self, position: int) -> SqlRow: ...
    @overload
    def __getitem__(self, position: slice) -> SqlRows: ...
    def __getitem__(self, position: int | slice) -> SqlRow | SqlRows:
        if isinstance(position, slice):
            return SqlRows(self._values[position], self._layout)
        return SqlRow(self._values[position], self._layout)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self._layout.index)}>"


def column_names(reported: Iterable[str]) -> tuple[str, ...]:
    """Return unique names for the columns: ``id``, ``id_2``, and ``column_3`` for a third column without a name."""
    # A row is a map: of two columns with one name it would hold only the last.
    reported = tuple(reported)
    used: set[str] = set()
    names = []
    for position, name in enumerate(reported, 1):
        unique = base = name or f"column_{position}"
        count = 2
        while unique in used or (unique != name and unique in reported):
            unique = f"{base}_{count}"
            count += 1
        used.add(unique)
        names.append(unique)
    return tuple(names)
