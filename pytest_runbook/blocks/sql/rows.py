"""Rows as templates and assertions read them: light views of the driver's own tuples, converted on access."""

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
    """How values of each type that a driver gives become plain data; None where they are.

    By type: one look-up a value. A type that is not here is treated as the first of its bases that is, or as text.
    """

    def __missing__(self, kind: type) -> Converter | None:
        for base in kind.__mro__[1:]:
            if base in self and base is not object:
                self[kind] = self[base]
                return self[base]
        self[kind] = str
        return str

    def plain(self, value: object) -> object:
        """The value in types that JSON knows, numbers exact."""
        convert = self[type(value)]
        return value if convert is None else convert(value)

    def listed(self, values: object) -> list[object]:
        """A list of values, each converted; lists of lists too."""
        assert isinstance(values, Iterable)
        return [self.plain(value) for value in values]

    def mapped(self, values: object) -> dict[str, object]:
        """A mapping whose values are converted; its keys become text."""
        assert isinstance(values, Mapping)
        return {str(self.plain(key)): self.plain(value) for key, value in values.items()}


def build_converters(special: Mapping[type, Converter | None] | None = None) -> Converters:
    """The converters for what all drivers may give, and those of one driver."""
    table = Converters(_COMMON)
    table[list] = table[tuple] = table[set] = table[frozenset] = table.listed
    table[dict] = table.mapped
    table.update(special or {})
    return table


class UnparsedJson(str):
    """The text of a JSON value, which is parsed when the value is read."""

    __slots__ = ()


def base64_text(value: object) -> str:
    """Bytes as base64."""
    return base64.b64encode(bytes(value)).decode()  # type: ignore[call-overload]  # bytes-like


def iso_time(value: object) -> str:
    """A date or a time as ISO 8601."""
    return value.isoformat()  # type: ignore[attr-defined, no-any-return]  # all of datetime's types have it


def iso_interval(months: int, days: int, microseconds: int) -> str:
    """An interval as ISO 8601: ``P1Y2M3DT4H5M6.5S``; each part has its own sign, as intervals do."""
    years, months = _divided(months, 12)
    minutes, rest = _divided(microseconds, 60_000_000)
    hours, minutes = _divided(minutes, 60)
    date = _part(years, "Y") + _part(months, "M") + _part(days, "D")
    time = _part(hours, "H") + _part(minutes, "M") + (f"{_decimal(rest)}S" if rest else "")
    return f"P{date}T{time}" if time else f"P{date}" if date else "PT0S"


def iso_duration(value: object) -> str:
    """A span of time as ISO 8601, in days and what is left of them."""
    assert isinstance(value, datetime.timedelta)
    microseconds = value // datetime.timedelta(microseconds=1)
    days, rest = _divided(microseconds, 86_400_000_000)
    return iso_interval(0, days, rest)


def _divided(value: int, by: int) -> tuple[int, int]:
    """Quotient and rest, both with the value's sign."""
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
    """How to read the tuples of a result.

    index: the position of each column. converters: by the values' types.
    column_converters: for the columns, by position, whose values' types do not tell it.
    """

    index: Mapping[str, int]
    converters: Converters
    column_converters: Mapping[int, Converter]


class SqlRow(Mapping[str, object]):
    """One row: values by column, in their order."""

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
        except Exception as error:  # whatever a server may give that none of its kind did before
            hint = "cast it to a text in the query"
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
    """Names that tell the columns apart: ``id``, ``id_2``; one without a name is called by its position."""
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
