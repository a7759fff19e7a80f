"""Whether a value has the shape that ``expect`` wants; if not, what there should be in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from ..model.keys.expect import REGEX, TYPE
from ..templates import is_template
from ..templates import regex_search as patterns

Render = Callable[[str], str]


class Absent:
    """What stands for a value that is not there."""

    def __repr__(self) -> str:
        return "<absent>"


ABSENT = Absent()
_IS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float, Decimal)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "mapping": lambda value: isinstance(value, Mapping),
    "none": lambda value: value is None,
    "any": lambda value: value is not ABSENT,
    "absent": lambda value: value is ABSENT,
}


def rendered(shape: object, render: Render) -> object:
    """The shape with the templates in its texts filled in."""
    if isinstance(shape, str):
        return render(shape) if is_template(shape) else shape
    if isinstance(shape, list):
        return [rendered(item, render) for item in shape]
    if isinstance(shape, dict):
        return {key: rendered(item, render) for key, item in shape.items()}
    return shape


def wanted(shape: object, value: object) -> object:
    """What there should be: the value itself, the very object, where it has the shape; else as like it as can be.

    value: plain data, or `ABSENT`. What a shape does not speak of is taken from the value, so that the two differ
    only where the value is wrong.

    :raises TemplateError: if a template made a regular expression that is none, or one takes too long.
    """
    match shape:
        case dict():
            return _wanted_mapping(shape, value)
        case list():
            return _wanted_list(shape, value)
        case str() if (named := TYPE.fullmatch(shape)) and named[1] in _IS:
            return value if _IS[named[1]](value) else shape
        case str() if regex := REGEX.fullmatch(shape):
            return value if isinstance(value, str) and patterns.search(regex[1], value) else shape
    return value if _equal(shape, value) else shape


def narrowed(value: object, there: object) -> tuple[tuple[str | int, ...], object, object]:
    """The innermost part in which both differ: the hops that lead there, the value, and what should be there."""
    hops: list[str | int] = []
    while len(different := list(_different(value, there))) == 1:
        hop, value, there = different[0]
        hops.append(hop)
    return tuple(hops), value, there


def _different(value: object, there: object) -> Iterator[tuple[str | int, object, object]]:
    """The parts of two containers that differ; nothing where they can't be compared part by part."""
    if isinstance(value, dict) and isinstance(there, dict):
        for key in dict.fromkeys((*value, *there)):
            if not _equal(value.get(key, ABSENT), there.get(key, ABSENT)):
                yield key, value.get(key, ABSENT), there.get(key, ABSENT)
    elif isinstance(value, list) and isinstance(there, list) and len(value) == len(there):
        for index, (one, other) in enumerate(zip(value, there, strict=True)):
            if not _equal(one, other):
                yield index, one, other


def _wanted_mapping(shape: Mapping[str, object], value: object) -> object:
    for operator, argument in shape.items():
        if operator in _OPERATORS:
            there = _OPERATORS[operator](argument, value)
            if there is not value:
                return there
    keys = {key: item for key, item in shape.items() if key not in _OPERATORS}
    if not keys and shape:
        return value
    if not isinstance(value, dict):
        return keys
    parts = {key: wanted(item, value.get(key, ABSENT)) for key, item in keys.items()}
    if all(part is value.get(key, ABSENT) for key, part in parts.items()):
        return value
    return {key: part for key, part in {**value, **parts}.items() if keys.get(key) != "<absent>"}


def _wanted_list(shape: Sequence[object], value: object) -> object:
    if not isinstance(value, list):
        return shape
    parts = [wanted(item, part) for item, part in zip(shape, value, strict=False)]
    if len(shape) == len(value) and all(part is before for part, before in zip(parts, value, strict=True)):
        return value
    return [*parts, *shape[len(parts) :]]


def _length(shape: object, value: object) -> object:
    if not isinstance(value, (str, list, dict)):
        return {"$length": shape}
    size = len(value)
    if isinstance(shape, str) and shape.isdecimal():  # what a template made
        shape = int(shape)
    return value if wanted(shape, size) is size else {"$length": shape, "not": size}


def _contains(shape: object, value: object) -> object:
    shapes = shape if isinstance(shape, list) else [shape]
    if isinstance(value, list):
        missing = [item for item in shapes if not any(wanted(item, part) is part for part in value)]
        return [*value, *missing] if missing else value
    if isinstance(value, str) and all(isinstance(item, str) and item in value for item in shapes):
        return value
    return {"$contains": shape}


def _each(shape: object, value: object) -> object:
    if not isinstance(value, list) or not value:
        return {"$each": shape}
    parts = [wanted(shape, part) for part in value]
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
    """Equal, and of one kind: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other
