"""Arithmetic of the runbook format: 128-bit integers, division that yields fractions, and exact decimals."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType
from typing import cast

from ..errors import TemplateError
from .values import Kind, bounded, bounded_items, describe_value, elements, kind_of, to_text

_GREATEST = 2**127
Number = int | float | Decimal


def add(left: object, right: object) -> object:
    match kind_of(left), kind_of(right):
        case (Kind.TEXT, Kind.TEXT):
            return concat(left, right)
        case (Kind.LIST, Kind.LIST):
            return [*elements(left), *elements(right)]
    return _calculate("+", operator.add, left, right)


def multiply(left: object, right: object) -> object:
    for repeated, times in ((left, right), (right, left)):
        if kind_of(repeated) in (Kind.TEXT, Kind.LIST) and type(times) is int:
            return _repeat(repeated, times)
    return _calculate("*", operator.mul, left, right)


def _repeat(value: object, times: int) -> object:
    if kind_of(value) is Kind.TEXT:
        text = to_text(value)
        bounded(len(text) * times)
        return text * times
    items = elements(value)
    bounded_items(len(items) * times)
    return list(items) * times


def subtract(left: object, right: object) -> object:
    return _calculate("-", operator.sub, left, right)


def divide(left: object, right: object) -> object:
    return _calculate("/", _divide, left, right)


def floor_divide(left: object, right: object) -> object:
    return _calculate("//", _quotient, left, right)


def modulo(left: object, right: object) -> object:
    return _calculate("%", _remainder, left, right)


def power(left: object, right: object) -> object:
    return _calculate("**", _power, left, right)


def concat(left: object, right: object) -> str:
    one, other = to_text(left), to_text(right)
    bounded(len(one) + len(other))
    return one + other


def negate(value: object) -> object:
    if kind_of(value) is not Kind.NUMBER:
        raise TemplateError(f"- does not work with {describe_value(value)}", hint="| int or | float")
    return -value  # type: ignore[operator]  # a number


def _calculate(sign: str, calculate: Callable[[Number, Number], Number], left: object, right: object) -> Number:
    if not _is_number(left) or not _is_number(right):
        hint = "| int or | float makes text a number; ~ joins texts"
        raise TemplateError(f"{describe_value(left)} {sign} {describe_value(right)} does not work", hint=hint)
    try:
        result = calculate(*_with_common_type(left, right))
    except (ArithmeticError, ValueError):
        raise _no_result(sign, left, right) from None
    if isinstance(result, complex) or (isinstance(result, int) and not -_GREATEST <= result < _GREATEST):
        raise _no_result(sign, left, right)
    return result


def _no_result(sign: str, left: object, right: object) -> TemplateError:
    return TemplateError(f"{to_text(left)[:40]} {sign} {to_text(right)[:40]} has no result that can be shown")


def _is_number(value: object) -> bool:
    return kind_of(value) in (Kind.NUMBER, Kind.BOOLEAN)


def _with_common_type(left: object, right: object) -> tuple[Number, Number]:
    """Convert both to decimals if one is a decimal."""
    if isinstance(left, Decimal) or isinstance(right, Decimal):
        return _decimal(left), _decimal(right)
    return left, right  # type: ignore[return-value]  # numbers


def _decimal(value: object) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)  # type: ignore[arg-type]  # a number


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, Decimal) and isinstance(right, Decimal) and right:
        return left / right
    if right:
        return float(left) / float(right)
    # Division by zero is no error, but NaN or an infinity, as for IEEE 754 floats.
    if not left or left != left:
        return math.nan
    return math.copysign(math.inf, float(left)) * math.copysign(1, float(right))


def _quotient(left: Number, right: Number) -> Number:
    """Return the Euclidean quotient, which leaves no negative remainder."""
    if isinstance(left, int) and isinstance(right, int):
        return (left - left % abs(right)) // right
    quotient = _divide(left, right)
    rounding = ROUND_FLOOR if right > 0 else ROUND_CEILING
    exact = Decimal(quotient)
    return type(quotient)(exact.to_integral_value(rounding)) if exact.is_finite() else quotient


def _remainder(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        return left % abs(right)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return left % right
    return math.fmod(left, right) if right else math.nan


def _power(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        if right < 0 or (abs(left) > 1 and right > 127):  # checked first: Python would compute a huge number
            raise OverflowError
        return cast(int, int(left) ** int(right))
    result: Number = left**right  # type: ignore[operator]  # of one type, or floats
    return result


OPERATORS: Mapping[str, Callable[[object, object], object]] = MappingProxyType(
    {
        "+": add,
        "-": subtract,
        "*": multiply,
        "/": divide,
        "//": floor_divide,
        "%": modulo,
        "**": power,
        "~": concat,
    }
)
