"""Compares values with the shapes of ``expect``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from ..model.keys.expect import REGEX_PATTERN, TYPE_PATTERN
from ..templates import is_template
from ..templates.regex_search import search_regex

Render = Callable[[str], str]


class Absent:
    """The type of `ABSENT`, which stands for a value that is not there."""

    def __repr__(self) -> str:
        return "<absent>"


ABSENT = Absent()
_TYPE_CHECKS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float, Decimal)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "mapping": lambda value: isinstance(value, Mapping),
    "none": lambda value: value is None,
    "any": lambda value: value is not ABSENT,
    "absent": lambda value: value is ABSENT,
}


def render_shape(shape: object, render: Render) -> object:
    """Return a shape with the templates in its texts rendered."""
    if isinstance(shape, str):
        return render(shape) if is_template(shape) else shape
    if isinstance(shape, list):
        return [render_shape(item, render) for item in shape]
    if isinstance(shape, dict):
        return {key: render_shape(item, render) for key, item in shape.items()}
    return shape


def expected_value(shape: object, value: object) -> object:
    """Return the value that a shape expects: `value` itself (the same object) if it has the shape, else a corrected
    copy.

    value: plain data, or `ABSENT`. Parts that the shape does not mention are taken from the value, so that the two
    differ only where the value is wrong.

    :raises TemplateError: if a rendered regular expression is invalid or takes too long.
    """
    match shape:
        case dict():
            return _expected_mapping(shape, value)
        case list():
            return _expected_list(shape, value)
        case str() if (type_name := TYPE_PATTERN.fullmatch(shape)) and type_name[1] in _TYPE_CHECKS:
            return value if _TYPE_CHECKS[type_name[1]](value) else shape
        case str() if regex := REGEX_PATTERN.fullmatch(shape):
            return value if isinstance(value, str) and search_regex(regex[1], value) else shape
    return value if _equal(shape, value) else shape


def innermost_difference(value: object, expected: object) -> tuple[tuple[str | int, ...], object, object]:
    """Return the innermost part in which two values differ: the path to it, the part of the value, and the expected
    one.
    """
    path: list[str | int] = []
    while len(different := list(_differences(value, expected))) == 1:
        step, value, expected = different[0]
        path.append(step)
    return tuple(path), value, expected


def _differences(value: object, expected: object) -> Iterator[tuple[str | int, object, object]]:
    """Yield the parts of two containers that differ; none if they can't be compared part by part."""
    if isinstance(value, dict) and isinstance(expected, dict):
        for key in dict.fromkeys((*value, *expected)):
            if not _equal(value.get(key, ABSENT), expected.get(key, ABSENT)):
                yield key, value.get(key, ABSENT), expected.get(key, ABSENT)
    elif isinstance(value, list) and isinstance(expected, list) and len(value) == len(expected):
        for index, (one, other) in enumerate(zip(value, expected, strict=True)):
            if not _equal(one, other):
                yield index, one, other


def _expected_mapping(shape: Mapping[str, object], value: object) -> object:
    for operator, argument in shape.items():
        if operator in _OPERATORS:
            expected = _OPERATORS[operator](argument, value)
            if expected is not value:
                return expected
    keys = {key: item for key, item in shape.items() if key not in _OPERATORS}
    if not keys and shape:
        return value
    if not isinstance(value, dict):
        return keys
    parts = {key: expected_value(item, value.get(key, ABSENT)) for key, item in keys.items()}
    if all(part is value.get(key, ABSENT) for key, part in parts.items()):
        return value
    return {key: part for key, part in {**value, **parts}.items() if keys.get(key) != "<absent>"}


def _expected_list(shape: Sequence[object], value: object) -> object:
    if not isinstance(value, list):
        return shape
    parts = [expected_value(item, part) for item, part in zip(shape, value, strict=False)]
    if len(shape) == len(value) and all(part is before for part, before in zip(parts, value, strict=True)):
        return value
    return [*parts, *shape[len(parts) :]]


def _length(shape: object, value: object) -> object:
    if not isinstance(value, (str, list, dict)):
        return {"$length": shape}
    size = len(value)
    if isinstance(shape, str) and shape.isdecimal():  # a template makes text, not numbers
        shape = int(shape)
    return value if expected_value(shape, size) is size else {"$length": shape, "not": size}


def _contains(shape: object, value: object) -> object:
    shapes = shape if isinstance(shape, list) else [shape]
    if isinstance(value, list):
        missing = [item for item in shapes if not any(expected_value(item, part) is part for part in value)]
        return [*value, *missing] if missing else value
    if isinstance(value, str) and all(isinstance(item, str) and item in value for item in shapes):
        return value
    return {"$contains": shape}


def _each(shape: object, value: object) -> object:
    if not isinstance(value, list) or not value:
        return {"$each": shape}
    parts = [expected_value(shape, part) for part in value]
    return value if all(part is before for part, before in zip(parts, value, strict=True)) else parts


def _equals(shape: object, value: object) -> object:
    return value if _equal(shape, value) else shape


_OPERATORS: Mapping[str, Callable[[object, object], object]] = {
    "$length": _length,
    "$contains": _contains,
    "$each": _each,
    "$equals": _equals,
}


def _equal(one: object, other: object) -> bool:
    """Return True if two values are equal and of one kind: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other
