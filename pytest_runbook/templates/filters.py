"""The filters of the runbook format, and five more: ``fromjson``, ``all``, ``any``, ``regex`` and ``jmespath``.

Each function takes the value first. Those in `COMPARING_FILTERS` take the comparison rules before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import reduce
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from ..errors import TemplateError
from .arithmetic import add
from .extracts import extract_jmespath, extract_regex
from .lookup import NOT_FOUND, attribute, find, missing
from .rules import LENIENT, ComparisonRules, ordering_key
from .values import (
    Kind,
    SafeText,
    Undefined,
    bounded,
    bounded_items,
    describe_value,
    elements,
    kind_of,
    length,
    pairs_of,
    pretty,
    printed,
    to_json,
    to_text,
)

_HTML = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#x27;", "/": "&#x2f;"})
_ALL_WHOLE = 2.0**52  # floats from here on have no fraction
_NUMERAL = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_WORD = re.compile(r"[^\s!-/:-@\[-`{-~]+")


class Group(NamedTuple):
    """A group of the filter ``groupby``: the common value, and the items that have it."""

    grouper: object
    list: list[object]


def whole_number(value: object, what: str) -> int:
    """Check that an argument is a whole number. what: the argument's name, for the error."""
    if not isinstance(value, int):
        raise TemplateError(f"the {what} must be a whole number, not {describe_value(value)}")
    return int(value)


def _count(value: object) -> int:
    count = whole_number(value, "count")
    if count < 1:
        raise TemplateError("the count must be 1 or more")
    return bounded_items(count)


# Text


def _text_filter(change: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: change(to_text(value))


def title(text: str) -> str:
    return _WORD.sub(lambda word: word[0][0].upper() + word[0][1:].lower(), text)


def indent(value: object, width: object, first: object = False, blank: object = False) -> str:
    lines = to_text(value).removesuffix("\n").removesuffix("\r").split("\n")
    bounded(whole_number(width, "width") * len(lines))
    margin = " " * whole_number(width, "width")
    indented = [margin + line if line or blank else line for line in lines]
    return "\n".join([indented[0] if first else lines[0], *indented[1:]])


def replace(value: object, old: object, new: object) -> str:
    text, part, other = to_text(value), to_text(old), to_text(new)
    bounded(len(text) + text.count(part) * len(other))
    return text.replace(part, other)


def split_text(value: object, separator: object = None, limit: object = -1) -> list[str]:
    """Split a text at the separator, or at white space if there is none."""
    if separator == "":
        raise TemplateError("the separator of split is empty", hint="| list gives the characters of a text")
    return to_text(value).split(None if separator is None else to_text(separator), whole_number(limit, "limit"))


def lines(value: object) -> list[str]:
    parts = to_text(value).split("\n")
    return [line.removesuffix("\r") for line in (parts[:-1] if parts[-1] == "" else parts)]


def trim(value: object, characters: object = None) -> str:
    return to_text(value).strip(None if characters is None else to_text(characters))


def shellquote(value: object) -> str:
    return "'" + replace(value, "'", "'\\''") + "'"


def urlencode(value: object) -> str:
    if isinstance(value, Mapping):
        return "&".join(f"{_percent(key)}={_percent(item)}" for key, item in value.items() if item is not None)
    return _percent(value)


def _percent(value: object) -> str:
    return quote(to_text(value), safe="/").replace("~", "%7E")


def escape(value: object) -> SafeText:
    return value if isinstance(value, SafeText) else SafeText(to_text(value).translate(_HTML))


def join(value: object, joiner: object = "") -> str:
    texts = [to_text(item) for item in elements(value)]
    separator = to_text(joiner)
    bounded(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def tojson(value: object, indent: object = None) -> SafeText:
    width = 2 if indent is True else None if indent in (None, False) else whole_number(indent, "indent")
    return SafeText(to_json(value, width))


def fromjson(value: object) -> object:
    if kind_of(value) is not Kind.TEXT:
        raise TemplateError(f"{describe_value(value)} is no JSON text")
    try:
        return json.loads(to_text(value))
    except ValueError as error:
        raise TemplateError(f"{describe_value(value)} is no JSON: {error}") from error


# Numbers


def to_int(rules: ComparisonRules, value: object) -> int:
    """Convert a number, a boolean or a numeral to a whole number; a fraction is cut off."""
    if isinstance(value, int):
        return int(value)
    try:
        return int(_number_of(rules, value, "whole number"))
    except (OverflowError, ValueError):
        raise TemplateError(f"{describe_value(value)} is no whole number") from None


def to_float(rules: ComparisonRules, value: object) -> float:
    return float(_number_of(rules, value, "number"))


def _number_of(rules: ComparisonRules, value: object, expected: str) -> int | float | Decimal:
    match kind_of(value):
        case Kind.NUMBER | Kind.BOOLEAN:
            return value  # type: ignore[return-value]  # its kind
        case Kind.NONE if not rules.strict:
            return 0
        case Kind.TEXT:
            return _numeral(to_text(value), expected)
    raise TemplateError(f"{describe_value(value)} is no {expected}")


def _numeral(text: str, expected: str) -> int | float:
    word = text.strip().lower()
    if word.lstrip("+-") in ("nan", "inf", "infinity"):
        return float(word)
    if _NUMERAL.fullmatch(text) is None:
        raise TemplateError(f"{describe_value(text)} is no {expected}")
    return int(text) if word.lstrip("+-").isdigit() else float(text)


def to_boolean(rules: ComparisonRules, value: object) -> bool:
    return rules.boolean(value)


def absolute(value: object) -> object:
    return abs(_number_only(value))


def _number_only(value: object) -> int | float | Decimal:
    if kind_of(value) is not Kind.NUMBER:
        raise TemplateError(f"{describe_value(value)} is no number", hint="| int or | float")
    return value  # type: ignore[return-value]  # its kind


def round_number(value: object, precision: object = 0) -> object:
    """Round a number; a half is rounded away from zero. Source: the runbook format."""
    number, places = _number_only(value), whole_number(precision, "precision")
    if isinstance(number, int) or not Decimal(number).is_finite() or abs(places) > 300:
        return number
    if isinstance(number, Decimal):
        return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    scaled = number * 10.0**places
    if abs(scaled) >= _ALL_WHOLE:
        return number
    return float(Decimal(scaled).quantize(Decimal(1), rounding=ROUND_HALF_UP)) / 10.0**places


def default(value: object, other: object = "", boolean: object = False) -> object:
    """Replace a falsy value if `boolean` is true: ``map('default', ...)``. The evaluator handles undefined values."""
    return other if boolean and not LENIENT.truth(value) else value


# Lists and mappings


def batch(value: object, count: object, fill: object = None) -> list[list[object]]:
    items, size = elements(value), _count(count)
    batches = [list(items[start : start + size]) for start in range(0, len(items), size)]
    if batches and fill is not None:
        batches[-1] += [fill] * (size - len(batches[-1]))
    return batches


def slice_evenly(value: object, count: object, fill: object = None) -> list[list[object]]:
    items, parts = elements(value), _count(count)
    size, longer = divmod(len(items), parts)
    slices = []
    for number in range(parts):
        start = number * size + min(number, longer)
        part = list(items[start : start + size + (number < longer)])
        slices.append(part + [fill] * (fill is not None and number >= longer))
    return slices


def chain(value: object, *others: object) -> object:
    if all(isinstance(other, Mapping) for other in (value, *others)):
        return {key: item for mapping in (value, *others) for key, item in mapping.items()}  # type: ignore[attr-defined]  # mappings
    return [item for other in (value, *others) for item in elements(other)]


def first(value: object) -> object:
    return _end(value, 0, "first")


def last(value: object) -> object:
    return _end(value, -1, "last")


def _end(value: object, index: int, which: str) -> object:
    if kind_of(value) is Kind.NONE:
        raise TemplateError(f"none has no {which} item")
    items = elements(value)
    return items[index] if items else _undefined_if_empty(f"the {which} item")


def _undefined_if_empty(what: str) -> Undefined:
    return Undefined(what, reason="there is nothing to take it from")


def groupby(value: object, path: object, default: object = NOT_FOUND, case_sensitive: object = False) -> list[Group]:
    pairs = [(attribute(item, path, default), item) for item in elements(value)]
    groups: list[Group] = []
    for key, item in sorted(pairs, key=lambda pair: ordering_key(_folded(pair[0], case_sensitive))):
        if groups and LENIENT.equal(_folded(groups[-1].grouper, case_sensitive), _folded(key, case_sensitive)):
            groups[-1] = Group(key, [*groups[-1].list, item])
        else:
            groups.append(Group(key, [item]))
    return groups


def _folded(value: object, case_sensitive: object) -> object:
    return to_text(value).lower() if not case_sensitive and kind_of(value) is Kind.TEXT else value


def attr(value: object, name: object) -> object:
    found = find(value, name)
    return missing(value, name, f"item.{to_text(name)}", "item") if found is NOT_FOUND else found


def mapping_items(value: object) -> list[tuple[object, object]]:
    return list(pairs_of(value))


def dictsort(
    value: object, by: object = "key", reverse: object = False, case_sensitive: object = False
) -> list[tuple[object, object]]:
    part = 1 if by == "value" else 0
    return sorted(
        mapping_items(value), key=lambda pair: ordering_key(_folded(pair[part], case_sensitive)), reverse=bool(reverse)
    )


def sort(
    value: object, reverse: object = False, case_sensitive: object = False, attribute: object = None
) -> list[object]:
    key = _sort_key(attribute, case_sensitive)
    return sorted(elements(value), key=lambda item: ordering_key(key(item)), reverse=bool(reverse))


def _sort_key(path: object, case_sensitive: object) -> Callable[[object], object]:
    if path is None:
        return lambda item: _folded(item, case_sensitive)
    return lambda item: _folded(attribute(item, path), case_sensitive)


def unique(value: object, case_sensitive: object = False, attribute: object = None) -> list[object]:
    key = _sort_key(attribute, case_sensitive)
    found: list[object] = []
    seen: set[str] = set()
    for item in elements(value):
        identity = _equality_key(key(item))
        if identity not in seen:
            seen.add(identity)
            found.append(item)
    return found


def _equality_key(value: object) -> str:
    """Return the same text for equal values: 1 and 1.0 are equal, 1 and "1" are not."""
    match kind_of(value):
        case Kind.NUMBER | Kind.BOOLEAN:
            return str(hash(value))
        case kind:
            return f"{kind} {to_text(value)}"


def reverse(value: object) -> object:
    if kind_of(value) is Kind.TEXT:
        return to_text(value)[::-1]
    return list(elements(value))[::-1]


def zip_lists(value: object, *others: object) -> list[tuple[object, ...]]:
    return list(zip(elements(value), *map(elements, others), strict=False))


# Many to one


def greatest(rules: ComparisonRules, value: object) -> object:
    return _extreme(rules, value, "gt", "the greatest item")


def least(rules: ComparisonRules, value: object) -> object:
    return _extreme(rules, value, "lt", "the least item")


def _extreme(rules: ComparisonRules, value: object, order: str, what: str) -> object:
    items = elements(value)
    if not items:
        return _undefined_if_empty(what)
    return reduce(lambda best, item: item if rules.ordered(order, item, best) else best, items)


def total(rules: ComparisonRules, value: object) -> object:
    numbers: list[object] = [_number_only(item) for item in elements(value)]
    if not numbers and rules.strict:
        return _undefined_if_empty("the sum")
    return reduce(add, numbers) if numbers else 0


def every(rules: ComparisonRules, value: object) -> object:
    items = elements(value)
    return all(map(rules.truth, items)) if items or not rules.strict else _undefined_if_empty("whether all are true")


def some(rules: ComparisonRules, value: object) -> object:
    items = elements(value)
    return any(map(rules.truth, items)) if items or not rules.strict else _undefined_if_empty("whether any is true")


def as_list(value: object) -> Sequence[object]:
    return elements(value)


Filter = Callable[..., object]

FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "abs": absolute,
        "attr": attr,
        "batch": batch,
        "capitalize": _text_filter(str.capitalize),
        "chain": chain,
        "count": length,
        "d": default,
        "default": default,
        "dictsort": dictsort,
        "e": escape,
        "escape": escape,
        "first": first,
        "fromjson": fromjson,
        "groupby": groupby,
        "indent": indent,
        "items": mapping_items,
        "jmespath": extract_jmespath,
        "join": join,
        "last": last,
        "length": length,
        "lines": lines,
        "list": as_list,
        "lower": _text_filter(str.lower),
        "pprint": lambda value: printed(pretty, value),
        "regex": extract_regex,
        "replace": replace,
        "reverse": reverse,
        "round": round_number,
        "safe": _text_filter(SafeText),
        "shellquote": shellquote,
        "slice": slice_evenly,
        "sort": sort,
        "split": split_text,
        "string": to_text,
        "title": _text_filter(title),
        "tojson": tojson,
        "trim": trim,
        "unique": unique,
        "upper": _text_filter(str.upper),
        "urlencode": urlencode,
        "zip": zip_lists,
    }
)
COMPARING_FILTERS: Mapping[str, Filter] = MappingProxyType(
    {
        "all": every,
        "any": some,
        "bool": to_boolean,
        "float": to_float,
        "int": to_int,
        "max": greatest,
        "min": least,
        "sum": total,
    }
)
