"""The comparison rules: those of the runbook format for templates, and strict ones for expressions.

An expression decides whether a test passes. So a comparison whose result is independent of the values, or misleading,
is an error there, with a hint: text with a number, two numerals as texts, NaN.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import TemplateError
from .values import Kind, describe_value, elements, kind_of, length, pairs_of, to_text

ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
_RANKS = {kind: rank for rank, kind in enumerate(Kind)}
_NUMERIC = (Kind.NUMBER, Kind.BOOLEAN)
_FALSE_WORDS = frozenset({"false", "0", "no", "off", "none", "null"})
_BOOLEAN_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_FIX_HINTS: Mapping[frozenset[Kind], str] = {
    frozenset({Kind.TEXT, Kind.NUMBER}): "make the text a number: | int or | float",
    frozenset({Kind.TEXT, Kind.BOOLEAN}): 'make the text a boolean with | bool, or compare it with a text: "true"',
    frozenset({Kind.NUMBER, Kind.BOOLEAN}): "make both the same kind: | bool or | int",
    frozenset({Kind.TEXT, Kind.LIST}): "| fromjson parses JSON, | lines and | split cut text",
    frozenset({Kind.TEXT, Kind.MAPPING}): "| fromjson parses JSON",
    frozenset({Kind.TEXT, Kind.OBJECT}): "make it text: | string",
}
_NONE_HINT = "give none a value: | default(0, true)"


@dataclass(frozen=True, slots=True)
class ComparisonRules:
    """Decides how values compare, and which ones are true. strict: True for expressions."""

    strict: bool

    def equal(self, left: object, right: object) -> bool:
        kinds = kind_of(left), kind_of(right)
        match kinds:
            case (Kind.LIST, Kind.LIST):
                return length(left) == length(right) and all(map(self.equal, elements(left), elements(right)))
            case (Kind.MAPPING, Kind.MAPPING):
                return self._equal_mappings(left, right)  # type: ignore[arg-type]  # their kinds
            case (Kind.TEXT, Kind.TEXT):
                return self._equal_texts(to_text(left), to_text(right))
            case _ if kinds[0] is kinds[1] or self._are_alike(left, right, *kinds):
                return bool(operator.eq(*self._operands(left, right)))
        return False

    def ordered(self, order: str, left: object, right: object) -> bool:
        """Return whether the values are in that order, one of `ORDERINGS`."""
        compare = ORDERINGS[order]
        kinds = kind_of(left), kind_of(right)
        if self.strict:
            self._must_have_an_order(left, right, *kinds)
        match kinds:
            case (Kind.LIST, Kind.LIST):
                return self._ordered_lists(order, elements(left), elements(right))
            case (Kind.MAPPING, Kind.MAPPING):
                return self._ordered_lists(order, pairs_of(left), pairs_of(right))
            case (Kind.OBJECT, Kind.OBJECT):
                return _compare_objects(compare, left, right)
            case _ if _RANKS[kinds[0]] == _RANKS[kinds[1]]:
                return compare(0, 0) if left is None else compare(*self._operands(left, right))
        return compare(_RANKS[kinds[0]], _RANKS[kinds[1]])

    def contains(self, container: object, value: object) -> bool:
        """Return ``value in container``."""
        match kind_of(container):
            case Kind.TEXT:
                return self._in_text(value, to_text(container))
            case Kind.MAPPING:
                if _is_key(value) and value in container:  # type: ignore[operator]  # a mapping
                    return True
                return self._in_items(value, elements(container))
            case Kind.LIST:
                return self._in_items(value, elements(container))
        raise TemplateError(f"nothing can be in {describe_value(container)}", hint="in wants a list, a mapping or text")

    def truth(self, value: object) -> bool:
        """Return whether the value counts as true: not none, false, zero or empty."""
        match kind_of(value):
            case Kind.TEXT:
                return self._truth_of_text(to_text(value))
            case Kind.OBJECT:
                return True
            case Kind.NUMBER if self.strict:
                _must_be_a_number(value)
        return bool(value)

    def boolean(self, value: object) -> bool:
        """Return the result of the filter ``bool``: like `truth`, but strict rules read texts as words.

        :raises TemplateError: if the rules are strict, and a text is no word for true or false.
        """
        if not self.strict or kind_of(value) is not Kind.TEXT:
            return self.truth(value)
        word = _BOOLEAN_WORDS.get(to_text(value).strip().lower())
        if word is None:
            raise TemplateError(f"{describe_value(value)} is no boolean", hint=f"known: {', '.join(_BOOLEAN_WORDS)}")
        return word

    def _equal_texts(self, left: str, right: str) -> bool:
        if self.strict and left != right and left.strip() == right.strip():
            raise TemplateError(
                f"{describe_value(left)} and {describe_value(right)} differ by white space around them alone",
                hint="take it off: | trim",
            )
        return left == right

    def _equal_mappings(self, left: Mapping[object, object], right: Mapping[object, object]) -> bool:
        return len(left) == len(right) and all(
            key in right and self.equal(value, right[key]) for key, value in left.items()
        )

    def _are_alike(self, left: object, right: object, left_kind: Kind, right_kind: Kind) -> bool:
        """Return whether values of two kinds can be equal at all.

        :raises TemplateError: if they can't, the rules are strict, and neither is none.
        """
        if self.strict and Kind.NONE not in (left_kind, right_kind):
            raise _mismatch(left, right)
        return left_kind in _NUMERIC and right_kind in _NUMERIC

    def _operands(self, left: object, right: object) -> tuple[object, object]:
        if self.strict:
            _must_be_a_number(left)
            _must_be_a_number(right)
        if isinstance(left, Decimal) or isinstance(right, Decimal):
            return _exact(left), _exact(right)
        return left, right

    def _must_have_an_order(self, left: object, right: object, left_kind: Kind, right_kind: Kind) -> None:
        if left_kind is not right_kind or left_kind in (Kind.NONE, Kind.BOOLEAN, Kind.MAPPING):
            raise _mismatch(left, right)
        if left_kind is Kind.TEXT and _is_numeral(to_text(left)) and _is_numeral(to_text(right)):
            raise TemplateError(
                f"{describe_value(left)} and {describe_value(right)} are ordered as texts, letter by letter",
                hint="make them numbers: | int or | float",
            )

    def _ordered_lists(self, order: str, left: Iterable[object], right: Iterable[object]) -> bool:
        lefts, rights = list(left), list(right)
        for one, other in zip(lefts, rights, strict=False):
            if not self.equal(one, other):
                return self.ordered(order, one, other)
        return ORDERINGS[order](len(lefts), len(rights))

    def _in_text(self, value: object, text: str) -> bool:
        if self.strict and kind_of(value) is not Kind.TEXT:
            raise TemplateError(f"{describe_value(value)} is looked for in text", hint="make it text: | string")
        if self.strict and not value:
            raise TemplateError("an empty text is in every text", hint='compare it: != ""')
        return to_text(value) in text

    def _in_items(self, value: object, items: Iterable[object]) -> bool:
        # An item that can't be compared with the value is an error only if no other item is equal.
        mismatch = None
        for item in items:
            try:
                if self.equal(value, item):
                    return True
            except TemplateError as error:
                mismatch = error
        if mismatch is not None:
            raise mismatch
        return False

    def _truth_of_text(self, text: str) -> bool:
        if self.strict and text.strip().lower() in _FALSE_WORDS:
            raise TemplateError(
                f"the text {describe_value(text).removeprefix('text ')} would count as true, as every text does",
                hint='compare it: == "true"; or make it a boolean: | bool',
            )
        return bool(text)


LENIENT = ComparisonRules(strict=False)
STRICT = ComparisonRules(strict=True)


def ordering_key(value: object) -> tuple[Any, ...]:
    """Return a sort key with which values of all kinds have an order. Source: the runbook format."""
    kind = kind_of(value)
    match kind:
        case Kind.NONE:
            return (_RANKS[kind],)
        case Kind.LIST:
            return (_RANKS[kind], [ordering_key(item) for item in elements(value)])
        case Kind.MAPPING:
            return (_RANKS[kind], [ordering_key(pair) for pair in pairs_of(value)])
        case Kind.OBJECT:
            return (_RANKS[kind], to_text(value))
    return (_RANKS[kind], value)


def _mismatch(left: object, right: object) -> TemplateError:
    kinds = frozenset({kind_of(left), kind_of(right)})
    hint = _NONE_HINT if Kind.NONE in kinds else _FIX_HINTS.get(kinds, "compare values of the same kind")
    return TemplateError(f"{describe_value(left)} can't be compared with {describe_value(right)}", hint=hint)


def _must_be_a_number(value: object) -> None:
    if isinstance(value, float | Decimal) and math.isnan(value):
        raise TemplateError("NaN is no number to compare", hint='ask for it with | string == "NaN"')


def _exact(value: object) -> object:
    """Return a float as the decimal that its shortest spelling stands for: 0.1 equals Decimal("0.1")."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def _is_numeral(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_key(value: object) -> bool:
    return kind_of(value) not in (Kind.LIST, Kind.MAPPING, Kind.OBJECT)


def _compare_objects(compare: Callable[[object, object], bool], left: object, right: object) -> bool:
    try:
        return bool(compare(left, right))
    except TypeError:
        names = f"{type(left).__name__} and {type(right).__name__}"
        raise TemplateError(f"{names} have no order", hint="compare their texts: | string") from None
