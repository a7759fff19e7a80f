"""The iterations of a block with ``for_each``: their items, the names they see, and their combined results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..context.output import Output
from ..errors import BlockSkipped, RunbookError, TemplateError
from ..secrets.provenance import ContextValue
from .report_details import ReportDetails
from .result import AssertionTrace, BlockResult, Iteration, OutputSection, Verdict, outcome_of

MAX_ITERATIONS = 10_000
MAX_SHOWN_FAILURES = 3
"""The number of failed iterations that are reported in full."""


def for_each_items(value: object) -> Sequence[object]:
    """Return the items to iterate over: the items of a list, the entries of a mapping, the numbers from 1 to n.

    :raises TemplateError: if the value is of another type, or has too many items.
    """
    items: Sequence[object]
    match value:
        case bool() | str():
            items = _refuse(value)
        case int():
            items = range(1, value + 1)
        case Mapping():
            items = [{"key": key, "value": value[key]} for key in value]
        case Sequence():
            items = value
        case _:
            items = _refuse(value)
    if len(items) > MAX_ITERATIONS:
        raise TemplateError(f"for_each: {len(items):,} turns; at most {MAX_ITERATIONS:,} are taken")
    return items


def _refuse(value: object) -> Sequence[object]:
    hint = "| lines or | fromjson makes a list of text" if isinstance(value, str) else None
    raise TemplateError(f"for_each goes over a list, a mapping or a number, not {type(value).__name__}", hint=hint)


def iteration_roots(name: str, items: Sequence[object], index: int) -> Mapping[str, object]:
    """Return the root objects that only an iteration sees. index: 0-based."""
    count = len(items)
    loop = {"index": index + 1, "index0": index, "length": count, "first": index == 0, "last": index == count - 1}
    return {"each": {name: items[index]}, "loop": loop}


@dataclass(slots=True)
class IterationResults:
    """Collects the results of a block's iterations."""

    iterations: list[Iteration] = field(default_factory=list)
    errors: list[RunbookError] = field(default_factory=list)
    outputs: list[Mapping[str, object]] = field(default_factory=list)
    variables: dict[str, list[ContextValue]] = field(default_factory=dict)
    assertions: list[AssertionTrace] = field(default_factory=list)
    warnings: list[AssertionTrace] = field(default_factory=list)
    sections: list[OutputSection] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    children: list[BlockResult] = field(default_factory=list)
    stop_reason: str | None = None
    exit_code: int | None = None

    def add_output(self, output: Mapping[str, object] | None, variables: Mapping[str, ContextValue]) -> None:
        """Add the output and the variables of an iteration."""
        if output is not None:
            self.outputs.append(output)
        for name, value in variables.items():
            self.variables.setdefault(name, []).append(value)

    def add_iteration(
        self, iteration: Iteration, warnings: Iterable[AssertionTrace], report_details: ReportDetails
    ) -> None:
        """Add an iteration with its warnings and report details."""
        self.iterations.append(iteration)
        self.warnings += _labelled(iteration, warnings)
        self.notes += report_details.notes
        self.children += report_details.children
        self.stop_reason = self.stop_reason or report_details.stop_reason

    def add_failure(
        self,
        iteration: Iteration,
        error: RunbookError,
        assertions: Iterable[AssertionTrace],
        sections: Iterable[OutputSection],
        exit_code: int | None,
    ) -> None:
        """Add the error of a failed iteration. Only the first ones keep their assertions and output."""
        self.errors.append(error)
        if len(self.errors) > MAX_SHOWN_FAILURES:
            return
        self.exit_code = exit_code if self.exit_code is None else self.exit_code
        self.assertions += _labelled(iteration, (trace for trace in assertions if trace.verdict is not Verdict.PASSED))
        self.sections += (replace(section, title=f"{section.title} of turn {iteration.number}") for section in sections)

    def collected_variables(self) -> dict[str, ContextValue]:
        """Return each variable as the list of its values in all iterations; sensitive if one of them is."""
        return {
            name: ContextValue([value.value for value in values], values[0].origin, any(v.sensitive for v in values))
            for name, values in self.variables.items()
        }

    def error(self) -> RunbookError | None:
        """Return an error for all failed iterations, made from the first one; None if none failed."""
        if not self.errors:
            return None
        error = next((error for error in self.errors if not isinstance(error, BlockSkipped)), self.errors[0])
        first = next(iteration for iteration in self.iterations if iteration.outcome is outcome_of(error))
        summary = error.with_location()
        summary.message = f"{len(self.errors)} of {len(self.iterations)} turns failed; {first.label}: {summary.message}"
        return summary

    def output(self) -> Output:
        """Return the block's output: the outputs of its iterations."""
        return Output({"turns": tuple(self.outputs)}, _no_value)


def _labelled(iteration: Iteration, traces: Iterable[AssertionTrace]) -> Iterator[AssertionTrace]:
    return (replace(trace, source=f"{iteration.label}: {trace.source}") for trace in traces)


def _no_value() -> object:
    raise ValueError("a block with for_each has no one value; use output.turns[0].value")
