"""Evaluates the assertions of a block, all of them, and records the values that decided each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..context.json_form import plain_data
from ..errors import RunbookError, TemplateError, unknown_name_message
from ..model.runbook import Condition, Expectation
from ..secrets.masker import MASK, Masker
from ..templates import Explanation, Expression, Undefined
from .result import AssertionTrace, Operand, Verdict
from .shapes import ABSENT, Render, expected_value, innermost_difference, render_shape

MAX_VALUE_TEXT = 1000
MAX_DIFFERENCE_LINES = 40

Difference = Callable[[str, object, object], Sequence[str]]
"""Returns lines that show where two values differ: operator, left, right."""

Explain = Callable[[RunbookError], RunbookError]
"""Returns the same error, with a hint which block could have set the undefined name."""


class AssertionEvaluator:
    """Evaluates conditions and expected shapes over the names that a block may use.

    mask_values: True for a block with secret output.
    """

    def __init__(
        self,
        names: Mapping[str, object],
        masker: Masker,
        difference: Difference,
        explain: Explain,
        *,
        mask_values: bool = False,
    ) -> None:
        self._names = names
        self._masker = masker
        self._difference = difference
        self._explain = explain
        self._mask_values = mask_values

    def evaluate_all(self, conditions: Iterable[Condition]) -> tuple[AssertionTrace, ...]:
        return tuple(self.evaluate(condition) for condition in conditions)

    def evaluate(self, condition: Condition) -> AssertionTrace:
        """Evaluate one condition."""
        explanation = Expression(condition.source).explain(self._names)
        if explanation.error is not None:
            return self.error_trace(condition, explanation.error)
        if explanation.holds:
            return AssertionTrace(
                source=condition.source,
                verdict=Verdict.PASSED,
                location=str(condition.location),
                operands=self._operands(explanation),
            )
        return self._failed_trace(condition, explanation)

    def evaluate_expectation(self, expectation: Expectation, render: Render) -> AssertionTrace:
        """Compare a part of the output with its expected shape."""
        try:
            value = self._output_part(expectation)
            conforming = expected_value(render_shape(expectation.value, render), value)
        except RunbookError as error:
            return self.error_trace(expectation, error, "expect ")
        path, actual, expected = innermost_difference(value, conforming)
        source = f"expect {expectation.source}{''.join(map(_step_text, path))}"
        if conforming is value:
            return AssertionTrace(source=source, verdict=Verdict.PASSED, location=str(expectation.location))
        return AssertionTrace(
            source=source,
            verdict=Verdict.FAILED,
            location=str(expectation.location),
            expected=str(ABSENT) if expected is ABSENT else self._show(expected),
            actual=str(ABSENT) if actual is ABSENT else self._show(actual),
            difference=tuple(self._difference_lines(actual, expected)),
        )

    def _output_part(self, expectation: Expectation) -> object:
        """Return the part of the output at a path as plain data; `ABSENT` if there is none.

        :raises TemplateError: if the output lacks even the first key of the path.
        """
        output = self._names.get("output")
        first, *rest = expectation.path
        if not isinstance(output, Mapping):
            raise TemplateError("the block gave no output", name="output")
        if first not in output and expectation.value != "<absent>":
            message, hint = unknown_name_message("key of output", str(first), [str(key) for key in output])
            raise TemplateError(message, hint=hint, name=f"output.{first}")
        part: object = plain_data(output[first]) if first in output else ABSENT
        for step in rest:
            part = _descend(part, step)
        return part

    def value(self, condition: Condition) -> object:
        """Return the value of an expression with its type.

        :raises TemplateError: if it can't be evaluated.
        """
        return Expression(condition.source).evaluate(self._names)

    def error_trace(self, condition: Condition | Expectation, error: RunbookError, prefix: str = "") -> AssertionTrace:
        """Return the trace of an assertion that could not be evaluated."""
        error = self._explain(error)
        return AssertionTrace(
            source=prefix + condition.source,
            verdict=Verdict.ERROR,
            location=str(condition.location),
            message=self._masker.mask(error.message),
            hint=error.hint and self._masker.mask(error.hint),
            undefined=error.name if isinstance(error, TemplateError) else None,
        )

    def _failed_trace(self, condition: Condition, explanation: Explanation) -> AssertionTrace:
        comparison = explanation.comparison
        expected = actual = None
        difference: Sequence[str] = ()
        if comparison is not None:
            actual = self._show(comparison.actual)
            if comparison.op == "==":
                expected = self._show(comparison.expected)
                difference = self._difference_lines(comparison.actual, comparison.expected)
        return AssertionTrace(
            source=condition.source,
            verdict=Verdict.FAILED,
            location=str(condition.location),
            expected=expected,
            actual=actual,
            operands=self._operands(explanation),
            difference=tuple(difference),
        )

    def _operands(self, explanation: Explanation) -> tuple[Operand, ...]:
        return tuple(Operand(operand.source, self._show(operand.value)) for operand in explanation.operands)

    def _difference_lines(self, left: object, right: object) -> Sequence[str]:
        """Return lines that show where two values differ; none if the values are short enough to compare at a
        glance.
        """
        if self._mask_values or not _is_big(left, right):
            return ()
        lines = self._difference("==", plain_data(left), plain_data(right))
        return [self._masker.mask(line) for line in lines[:MAX_DIFFERENCE_LINES]]

    def _show(self, value: object) -> str:
        return MASK if self._mask_values else self._masker.mask(show_value(value))


def show_value(value: object, max_length: int = MAX_VALUE_TEXT) -> str:
    """Return a value in display form, as Python writes it, its middle left out if it is long."""
    try:
        if isinstance(value, Undefined):
            return repr(value)
        text = format(value, "f") if isinstance(value, Decimal) else repr(_bounded(value, max_length))
    except Exception:  # a fixture's value may be anything
        text = f"<{type(value).__name__}>"
    if len(text) <= max_length:
        return text
    half = (max_length - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def mentions(conditions: Iterable[Condition], expectations: Iterable[Expectation], default_assertion: str) -> bool:
    """Return True if the author has written an assertion about the field of a default assertion: ``output.status <
    400``.
    """
    field = default_assertion.split()[0].removeprefix("output.")
    pattern = re.compile(rf"\boutput\s*(?:\.\s*{field}\b|\[\s*['\"]{field}['\"]\s*\])")
    is_expected = any(expectation.path[0] == field for expectation in expectations)
    return is_expected or any(pattern.search(condition.source) for condition in conditions)


def _descend(value: object, step: str | int) -> object:
    if isinstance(value, dict):
        return value.get(step, ABSENT)
    if isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
        return value[step]
    return ABSENT


def _step_text(step: str | int) -> str:
    return f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]"


def _bounded(value: object, max_length: int) -> Any:
    if isinstance(value, str) and len(value) > 2 * max_length:
        return value[:max_length] + value[-max_length:]
    return value if isinstance(value, str | int | float | None) else plain_data(value)


def _is_big(left: object, right: object) -> bool:
    structured = (Mapping, list, tuple)
    if isinstance(left, structured) and isinstance(right, structured):
        return True
    return isinstance(left, str) and isinstance(right, str) and ("\n" in left + right or len(left) + len(right) > 100)
