"""What must hold of a block's output: evaluated all, each with the values that decided it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..context.json_form import plain_data
from ..errors import RunbookError, TemplateError, unknown
from ..model.runbook import Condition, Expectation
from ..secrets.masker import MASK, Redactor
from ..templates import Explanation, Expression, Undefined
from .result import AssertionTrace, Operand, Verdict
from .shapes import ABSENT, Render, narrowed, rendered, wanted

LONGEST_VALUE = 1000
MOST_DIFFERENCE_LINES = 40

Difference = Callable[[str, object, object], Sequence[str]]
"""Lines that show where two values differ: operator, left, right."""

Explain = Callable[[RunbookError], RunbookError]
"""Gives the same error with what is known of the name that is undefined."""


class Judge:
    """Evaluates conditions over the names that a block's author may use.

    hide_values: for a block whose output is secret.
    """

    def __init__(
        self,
        names: Mapping[str, object],
        redactor: Redactor,
        difference: Difference,
        explain: Explain,
        *,
        hide_values: bool = False,
    ) -> None:
        self._names = names
        self._redactor = redactor
        self._difference = difference
        self._explain = explain
        self._hide_values = hide_values

    def judge(self, conditions: Iterable[Condition]) -> tuple[AssertionTrace, ...]:
        return tuple(self.trace(condition) for condition in conditions)

    def trace(self, condition: Condition) -> AssertionTrace:
        """How one condition came out."""
        explanation = Expression(condition.source).explain(self._names)
        if explanation.error is not None:
            return self.error_trace(condition, explanation.error)
        if explanation.holds:
            return AssertionTrace(
                source=condition.source,
                verdict=Verdict.PASSED,
                place=str(condition.place),
                operands=self._operands(explanation),
            )
        return self._failed(condition, explanation)

    def shape(self, expectation: Expectation, render: Render) -> AssertionTrace:
        """Whether a part of the output has the shape that is expected of it."""
        try:
            value = self._part(expectation)
            there = wanted(rendered(expectation.value, render), value)
        except RunbookError as error:
            return self.error_trace(expectation, error, "expect ")
        hops, actual, expected = narrowed(value, there)
        source = f"expect {expectation.source}{''.join(map(_shown_hop, hops))}"
        if there is value:
            return AssertionTrace(source=source, verdict=Verdict.PASSED, place=str(expectation.place))
        return AssertionTrace(
            source=source,
            verdict=Verdict.FAILED,
            place=str(expectation.place),
            expected=str(ABSENT) if expected is ABSENT else self._show(expected),
            actual=str(ABSENT) if actual is ABSENT else self._show(actual),
            difference=tuple(self._differing(actual, expected)),
        )

    def _part(self, expectation: Expectation) -> object:
        """The part of the output that a path leads to, in plain data; `ABSENT` if it leads nowhere.

        :raises TemplateError: if not even its first key is there.
        """
        output = self._names.get("output")
        first, *rest = expectation.path
        if not isinstance(output, Mapping):
            raise TemplateError("the block gave no output", name="output")
        if first not in output and expectation.value != "<absent>":
            message, hint = unknown("key of output", str(first), [str(key) for key in output])
            raise TemplateError(message, hint=hint, name=f"output.{first}")
        part: object = plain_data(output[first]) if first in output else ABSENT
        for hop in rest:
            part = _hop(part, hop)
        return part

    def value(self, condition: Condition) -> object:
        """The value of an expression, typed.

        :raises TemplateError: if it can't be evaluated.
        """
        return Expression(condition.source).evaluate(self._names)

    def error_trace(self, condition: Condition | Expectation, error: RunbookError, what: str = "") -> AssertionTrace:
        """An assertion that could not be evaluated."""
        error = self._explain(error)
        return AssertionTrace(
            source=what + condition.source,
            verdict=Verdict.ERROR,
            place=str(condition.place),
            message=self._redactor.redact(error.message),
            hint=error.hint and self._redactor.redact(error.hint),
            undefined=error.name if isinstance(error, TemplateError) else None,
        )

    def _failed(self, condition: Condition, explanation: Explanation) -> AssertionTrace:
        comparison = explanation.comparison
        expected = actual = None
        difference: Sequence[str] = ()
        if comparison is not None:
            actual = self._show(comparison.actual)
            if comparison.op == "==":
                expected = self._show(comparison.expected)
                difference = self._differing(comparison.actual, comparison.expected)
        return AssertionTrace(
            source=condition.source,
            verdict=Verdict.FAILED,
            place=str(condition.place),
            expected=expected,
            actual=actual,
            operands=self._operands(explanation),
            difference=tuple(difference),
        )

    def _operands(self, explanation: Explanation) -> tuple[Operand, ...]:
        return tuple(Operand(operand.source, self._show(operand.value)) for operand in explanation.operands)

    def _differing(self, left: object, right: object) -> Sequence[str]:
        """Where two values differ, unless one look at both shows it."""
        if self._hide_values or not _is_big(left, right):
            return ()
        lines = self._difference("==", plain_data(left), plain_data(right))
        return [self._redactor.redact(line) for line in lines[:MOST_DIFFERENCE_LINES]]

    def _show(self, value: object) -> str:
        return MASK if self._hide_values else self._redactor.redact(show_value(value))


def show_value(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value for people, as Python writes it, its middle left out where it is long."""
    try:
        if isinstance(value, Undefined):
            return repr(value)
        text = format(value, "f") if isinstance(value, Decimal) else repr(_bounded(value, longest))
    except Exception:  # a fixture's value may be anything
        text = f"<{type(value).__name__}>"
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def mentions(conditions: Iterable[Condition], expectations: Iterable[Expectation], requirement: str) -> bool:
    """True if the author speaks of the field himself that a requirement such as ``output.status < 400`` is about."""
    field = requirement.split()[0].removeprefix("output.")
    pattern = re.compile(rf"\boutput\s*(?:\.\s*{field}\b|\[\s*['\"]{field}['\"]\s*\])")
    is_expected = any(expectation.path[0] == field for expectation in expectations)
    return is_expected or any(pattern.search(condition.source) for condition in conditions)


def _hop(value: object, hop: str | int) -> object:
    if isinstance(value, dict):
        return value.get(hop, ABSENT)
    if isinstance(value, list) and isinstance(hop, int) and -len(value) <= hop < len(value):
        return value[hop]
    return ABSENT


def _shown_hop(hop: str | int) -> str:
    return f".{hop}" if isinstance(hop, str) and hop.isidentifier() else f"[{hop!r}]"


def _bounded(value: object, longest: int) -> Any:
    if isinstance(value, str) and len(value) > 2 * longest:
        return value[:longest] + value[-longest:]
    return value if isinstance(value, str | int | float | None) else plain_data(value)


def _is_big(left: object, right: object) -> bool:
    structured = (Mapping, list, tuple)
    if isinstance(left, structured) and isinstance(right, structured):
        return True
    return isinstance(left, str) and isinstance(right, str) and ("\n" in left + right or len(left) + len(right) > 100)
