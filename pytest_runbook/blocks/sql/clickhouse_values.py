"""Converts ClickHouse's JSON values to plain data, by the types of their columns.

Decimals, NaN and infinities arrive as text, so that the value alone does not show what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

from .rows import Converter, build_converters

CONVERTERS = build_converters()
_PIECES = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]|[^(),'`]+", re.DOTALL)
_FLOATS = frozenset(
    {
        "Float32", "Float64", "BFloat16", "QBit", "Point", "Ring", "LineString", "MultiLineString", "Polygon",
        "MultiPolygon", "MultiPoint", "Geometry",
    }
)  # fmt: skip
"""Types of floats, and of lists of them."""
_WRAPPERS = ("Nullable", "LowCardinality", "SimpleAggregateFunction")


@cache
def column_converter(type_name: str) -> Converter | None:
    """Return the converter for the values of a column of this type; None if they are right as JSON has them."""
    name, inner = _parts(type_name)
    if name in _WRAPPERS:
        return _nullable(column_converter(inner[-1]))
    if name.startswith("Decimal"):
        return lambda value: Decimal(str(value))
    if name in _FLOATS:
        return _float
    return _NESTED[name](inner) if name in _NESTED else None


def _float(value: object) -> object:
    # NaN and infinities come as text, and whole floats as integers.
    return [_float(item) for item in value] if isinstance(value, list) else float(_any(value))


def _nullable(convert: Converter | None) -> Converter | None:
    return convert and (lambda value: None if value is None else convert(value))


def _array(inner: Sequence[str]) -> Converter | None:
    convert = column_converter(inner[0])
    return convert and (lambda value: [convert(item) for item in _any(value)])


def _map(inner: Sequence[str]) -> Converter | None:
    convert = column_converter(inner[1])
    return convert and (lambda value: {key: convert(item) for key, item in _any(value).items()})


def _tuple(inner: Sequence[str]) -> Converter | None:
    """Return the converter for a tuple, which is a list, or a mapping if its elements have names."""
    named = [re.fullmatch(r"(`[^`]+`|\w+) (.+)", element) for element in inner]
    if named and all(named):
        by_name = {match[1].strip("`"): column_converter(match[2]) for match in named if match}
        return lambda value: {
            key: item if (convert := by_name.get(key)) is None else convert(item) for key, item in _any(value).items()
        }
    converts = [column_converter(element) for element in inner]
    return lambda value: [
        item if convert is None else convert(item) for item, convert in zip(_any(value), converts, strict=True)
    ]


_NESTED: dict[str, Callable[[Sequence[str]], Converter | None]] = {"Array": _array, "Map": _map, "Tuple": _tuple}


def _parts(type_name: str) -> tuple[str, Sequence[str]]:
    """Return a type's name and its arguments, split at commas that are not quoted or in inner parentheses."""
    name, _, rest = type_name.partition("(")
    inner = [""]
    depth = 0
    for piece in _PIECES.findall(rest):
        depth += (piece == "(") - (piece == ")")
        if depth < 0:
            break
        if piece == "," and depth == 0:
            inner.append("")
        else:
            inner[-1] += piece
    return name, [part.strip() for part in inner if part]


def _any(value: object) -> Any:
    return value
