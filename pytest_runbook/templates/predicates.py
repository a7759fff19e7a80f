"""The tests of the runbook format (``x is even``), and three more: ``match``, ``search`` and ``containing``.

Each function takes the comparison rules, the value, and the test's arguments. ``defined``, ``undefined``, ``filter``
and ``test`` are in the evaluator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ..errors import TemplateError
from .regex_search import check_regex, search_regex
from .rules import ComparisonRules
from .values import Kind, SafeText, describe_value, elements, kind_of, to_text

_MAX_SEARCHED = 1024 * 1024
_ITERABLE_KINDS = (Kind.LIST, Kind.MAPPING, Kind.TEXT, Kind.NONE)

Predicate = Callable[..., bool]


def _of_kind(*kinds: Kind) -> Predicate:
    return lambda rules, value: kind_of(value) in kinds


def _ordered(order: str) -> Predicate:
    return lambda rules, value, other: rules.ordered(order, value, other)


def equal(rules: ComparisonRules, value: object, other: object) -> bool:
    return rules.equal(value, other)


def unequal(rules: ComparisonRules, value: object, other: object) -> bool:
    return not rules.equal(value, other)


def within(rules: ComparisonRules, value: object, container: object) -> bool:
    return rules.contains(container, value)


def same(rules: ComparisonRules, value: object, other: object) -> bool:
    return rules.equal(value, other) and type(value) is type(other)


def is_true(rules: ComparisonRules, value: object) -> bool:
    return _same_boolean(rules, value, True)


def is_false(rules: ComparisonRules, value: object) -> bool:
    return _same_boolean(rules, value, False)


def _same_boolean(rules: ComparisonRules, value: object, expected: bool) -> bool:
    return value is expected if not rules.strict else rules.equal(value, expected)


def even(rules: ComparisonRules, value: object) -> bool:
    return _divisible(rules, value, 2)


def odd(rules: ComparisonRules, value: object) -> bool:
    return not _divisible(rules, value, 2) if _is_whole(rules, value) else False


def divisible(rules: ComparisonRules, value: object, divisor: object) -> bool:
    return _divisible(rules, value, divisor)


def _divisible(rules: ComparisonRules, value: object, divisor: object) -> bool:
    if not _is_whole(rules, value) or not _is_whole(rules, divisor):
        return False
    return bool(divisor) and value % divisor == 0  # type: ignore[operator]  # whole numbers


def _is_whole(rules: ComparisonRules, value: object) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if rules.strict and not is_whole:
        raise TemplateError(f"{describe_value(value)} is no whole number", hint="| int")
    return is_whole


def starting_with(rules: ComparisonRules, value: object, start: object) -> bool:
    return _text_of(rules, value).startswith(_part_of(rules, start))


def ending_with(rules: ComparisonRules, value: object, end: object) -> bool:
    return _text_of(rules, value).endswith(_part_of(rules, end))


def _part_of(rules: ComparisonRules, value: object) -> str:
    part = _text_of(rules, value)
    if rules.strict and not part:
        raise TemplateError("every text starts and ends with an empty text")
    return part


def _text_of(rules: ComparisonRules, value: object) -> str:
    return must_be_text(value) if rules.strict else to_text(value)


def lower(rules: ComparisonRules, value: object) -> bool:
    return all(char.islower() for char in must_be_text(value))


def upper(rules: ComparisonRules, value: object) -> bool:
    return all(char.isupper() for char in must_be_text(value))


def match(rules: ComparisonRules, value: object, pattern: object) -> bool:
    """Return whether the regular expression matches at the start of the text."""
    return search_regex(must_be_text(pattern), searchable_text(value), is_at_start=True) is not None


def search(rules: ComparisonRules, value: object, pattern: object) -> bool:
    """Return whether the regular expression matches anywhere in the text."""
    return search_regex(must_be_text(pattern), searchable_text(value)) is not None


def check_pattern(pattern: object) -> None:
    """:raises TemplateError: if the pattern is no regular expression."""
    check_regex(must_be_text(pattern))


def searchable_text(value: object) -> str:
    """Return a value that regular expressions may be applied to.

    :raises TemplateError: if it is no text, or too long.
    """
    text = must_be_text(value)
    if len(text) > _MAX_SEARCHED:
        raise TemplateError(f"the text is longer than the {_MAX_SEARCHED:,} characters that are searched")
    return text


def must_be_text(value: object) -> str:
    if kind_of(value) is not Kind.TEXT:
        raise TemplateError(f"{describe_value(value)} is no text", hint="make it text: | string")
    return to_text(value)


def containing(rules: ComparisonRules, value: object, wanted: object) -> bool:
    """Return whether a text contains that part, a list those items, or a mapping those keys with those values."""
    if wanted in ("", [], (), {}):
        raise TemplateError("there is nothing to look for", hint="| length == 0 asks for an empty list or mapping")
    match kind_of(value), kind_of(wanted):
        case (Kind.MAPPING, Kind.MAPPING):
            return _covers(rules, value, wanted)
        case (Kind.LIST, Kind.LIST):
            return all(_has_item(rules, value, item) for item in elements(wanted))
        case (Kind.LIST, Kind.MAPPING):
            return _has_item(rules, value, wanted)
    return rules.contains(value, wanted)


def _has_item(rules: ComparisonRules, value: object, expected: object) -> bool:
    if kind_of(expected) is not Kind.MAPPING:
        return rules.contains(value, expected)
    return any(kind_of(item) is Kind.MAPPING and _covers(rules, item, expected) for item in elements(value))


def _covers(rules: ComparisonRules, value: object, expected: object) -> bool:
    if not isinstance(value, Mapping) or not isinstance(expected, Mapping):
        return rules.equal(value, expected)
    return all(key in value and _covers(rules, value[key], item) for key, item in expected.items())


PREDICATES: Mapping[str, Predicate] = MappingProxyType(
    {
        "!=": unequal,
        "<": _ordered("lt"),
        "<=": _ordered("lteq"),
        "==": equal,
        ">": _ordered("gt"),
        ">=": _ordered("gteq"),
        "boolean": _of_kind(Kind.BOOLEAN),
        "containing": containing,
        "divisibleby": divisible,
        "endingwith": ending_with,
        "eq": equal,
        "equalto": equal,
        "escaped": lambda rules, value: isinstance(value, SafeText),
        "even": even,
        "false": is_false,
        "float": lambda rules, value: isinstance(value, float),
        "ge": _ordered("gteq"),
        "greaterthan": _ordered("gt"),
        "gt": _ordered("gt"),
        "in": within,
        "int": lambda rules, value: isinstance(value, int) and not isinstance(value, bool),
        "integer": lambda rules, value: isinstance(value, int) and not isinstance(value, bool),
        "iterable": _of_kind(*_ITERABLE_KINDS),
        "le": _ordered("lteq"),
        "lessthan": _ordered("lt"),
        "lower": lower,
        "lt": _ordered("lt"),
        "mapping": _of_kind(Kind.MAPPING),
        "match": match,
        "ne": unequal,
        "none": _of_kind(Kind.NONE),
        "number": _of_kind(Kind.NUMBER),
        "odd": odd,
        "safe": lambda rules, value: isinstance(value, SafeText),
        "sameas": same,
        "search": search,
        "sequence": _of_kind(Kind.LIST),
        "startingwith": starting_with,
        "string": _of_kind(Kind.TEXT),
        "true": is_true,
        "upper": upper,
    }
)
