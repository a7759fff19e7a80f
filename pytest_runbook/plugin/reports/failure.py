"""The text of a failure in pytest's reports: each fact once, in labelled rows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import Location, RunbookError, UnreadableFile
from ...execution.result import AssertionTrace, AttemptGroup, BlockResult, Iteration, Outcome, OutputSection, Verdict
from ...model.runbook import display_type
from ...text import escape_controls, shorten, show_seconds
from .prose_texts import prose_rows, rows_about
from .text_rows import labelled_rows, with_labels

if TYPE_CHECKING:
    from ...model.runbook import BlockSpec, Runbook

WIDTH = 80
SHOWN_LINES = 15
SHOWN_CHARACTERS = 3000
LONGEST_NOTE = 400
LONGEST_LINE = 100
SHOWN_EARLIER_BLOCKS = 5
_RED_ROW = re.compile(r" *(kind|error) | +\|     (error   |expected|actual  ) ")


@dataclass(frozen=True, slots=True)
class ReprCrash:
    """The location and message that pytest shows in its one-line summary. The names are pytest's."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        """Return the line that ``--tb=line`` shows."""
        return f"{self.path}:{self.lineno}: {self.message}"


class FailureRepr:
    """The text of a failure as the `longrepr` of a report.

    reprcrash: read by pytest's short summary and by JUnit.
    is_brief: True if the terminal shows only that one line (``--tb=line``).
    """

    is_brief = False

    def __init__(self, text: str, summary: str, location: Location | None) -> None:
        self.text = escape_controls(text)
        path, line = (location.path, location.line) if location else ("", None)
        self.reprcrash = ReprCrash(path, line or 0, escape_controls(summary))

    def __str__(self) -> str:
        return self.text

    def add_environment(self, name: str) -> None:
        """Add a row with the environment that the block ran in."""
        self.add_rows(labelled_rows("in", f"environment {name}"))

    def add_rows(self, rows: Iterable[str]) -> None:
        """Add rows below the text."""
        self.text = escape_controls("\n".join((self.text.rstrip(), *rows)))

    def toterminal(self, writer: Any) -> None:
        """Write the text to pytest's terminal, with the error, the expected and the actual value in red."""
        for line, is_row in with_labels(() if self.is_brief else self.text.splitlines()):
            writer.line(line, red=is_row and _RED_ROW.match(line) is not None)


def file_failure_repr(error: UnreadableFile, about: Iterable[str] = ()) -> FailureRepr:
    """Return the text of a file that can't be read: all its errors. about: rows about its runbook, if that is known."""
    first = error.errors[0]
    more = f" (and {len(error.errors) - 1} more)" if len(error.errors) > 1 else ""
    return FailureRepr("\n".join((str(error), *about)), f"{first.message}{more}", first.location)


def error_failure_repr(error: RunbookError, about: Iterable[str] = ()) -> FailureRepr:
    """Return the text of an error outside of a block's own run, as in its set-up. about: rows about its runbook."""
    return FailureRepr("\n".join((str(error), *about)), f"{error.kind}: {error.message}", error.location)


def add_rows_to(longrepr: Any, rows: Iterable[str]) -> None:
    """Add rows below pytest's own text of a failure, such as a traceback."""
    text = escape_controls("\n".join(rows))
    if text and isinstance(longrepr, FailureRepr):  # in place of a traceback that held a secret
        longrepr.add_rows([text])
    elif text and hasattr(longrepr, "addsection"):
        longrepr.addsection("runbook", text)


def block_failure_repr(
    result: BlockResult,
    *,
    node_id: str,
    runbook: Runbook,
    spec: BlockSpec,
    total: int,
    before: Sequence[BlockResult],
    command: str,
) -> FailureRepr:
    """Return the text of a block that failed.

    total: how many items its runbook has. before: the results of the run so far, without the block's own.
    command: the command that runs it again.
    """
    where = result.checks_location or result.location
    rows = [
        f"{node_id}  {where:>{WIDTH - 2 - len(node_id)}}" if len(node_id) < WIDTH else f"{node_id}  {where}",
        *_block_rows(result, total),
        *labelled_rows("before", _joined(_earlier_block(earlier) for earlier in before[-SHOWN_EARLIER_BLOCKS:])),
        *_context_rows(result),
        *rows_about(runbook, result.prose),
        *labelled_rows("notes", _prose_above(runbook, spec)),
        *labelled_rows("again", command),
    ]
    return FailureRepr("\n".join(rows), f"{result.kind}: {result.message}", _location_of(result))


def _block_rows(result: BlockResult, total: int) -> Iterator[str]:
    """Yield the rows of a block itself, and those of the blocks that failed in a runbook that it ran."""
    yield from (
        *labelled_rows("kind", result.kind or ""),
        *_error_rows(result),
        *(
            line
            for trace in result.assertions
            if trace.verdict is not Verdict.PASSED
            for line in _assertion_rows(trace)
        ),
        *(row for trace in result.warnings for row in labelled_rows("warning", trace.source)),
        *labelled_rows(
            "passed", _joined(trace.source for trace in result.assertions if trace.verdict is Verdict.PASSED)
        ),
        *labelled_rows("block", _block_line(result, total)),
        *labelled_rows("turns", "\n".join(_iteration_rows(result.iterations))),
        *labelled_rows("attempts", _attempts(result.attempt_log)),
        *labelled_rows("where", result.where or ""),
        *(line for section in result.sections for line in _section_rows(section)),
    )
    for child in result.children:
        if child.outcome is Outcome.FAILED:
            yield f"  {child.label} of {child.checks_location or child.location}"
            yield from (f"  {line}" for line in (*_block_rows(child, len(result.children)), *_context_rows(child)))
            yield from prose_rows(child.prose, shown=result.prose, indent="    ")


def _context_rows(result: BlockResult) -> Iterator[str]:
    """Yield the values that a block read with their origins, and its notes."""
    for value in result.provenance:
        yield from labelled_rows("context", f"{value.name} = {value.value}  <- {value.origin}")
    for note in result.notes:
        yield from labelled_rows("note", note)


def rerun_command(path: str, environment: str | None) -> str:
    """Return the command that runs a file, or a cell of it, again."""
    named = () if environment is None else ("--runbook-environment", environment)
    return shlex.join(("pytest", f"./{path}" if path.startswith("-") else path, *named))


def _error_rows(result: BlockResult) -> Iterator[str]:
    """Yield the error, its location if it is not the block's, and its hint. Assertions have rows of their own."""
    if result.kind != "assertion" or not any(trace.verdict is not Verdict.PASSED for trace in result.assertions):
        yield from labelled_rows("error", result.message or "")
    if result.error_location not in (None, result.location):
        yield from labelled_rows("at", result.error_location or "")
    if result.hint:
        yield from labelled_rows("hint", result.hint)


def _assertion_rows(trace: AssertionTrace) -> Iterator[str]:
    line = trace.location.rpartition(":")[2] if trace.location else ""
    yield f"  {line:>4} | {trace.source}"
    if trace.message is not None:
        yield f"       |     error    {trace.message}"
    if trace.hint is not None:
        yield f"       |     hint     {trace.hint}"
    if trace.expected is not None:
        yield f"       |     expected {trace.expected}"
    if trace.actual is not None:
        yield f"       |     actual   {trace.actual}"
    else:
        yield from (f"       |     {operand.source} is {operand.value}" for operand in trace.operands)
    yield from (f"       |     {row}" for row in trace.difference)


def _block_line(result: BlockResult, total: int) -> str:
    kind = display_type(result.type)
    name = f'{kind} "{result.name}"' if result.name else kind
    did = f"      {result.did}" if result.did else ""
    ended = f"      after {show_seconds(result.seconds)}" if result.kind == "cancelled" and result.seconds else ""
    return f"{name}, {ordinal(result.number)} of {total}{did}{ended}"


def _attempts(log: Sequence[AttemptGroup]) -> str:
    """Return ``1-5: exit code 1 (28.0 s) | 6: ok (1.1 s)``; if that is long, a line for each group with its start."""
    joined = _joined(f"{_numbers(line)}: {_attempts_outcome(line)}" for line in log)
    if len(joined) <= LONGEST_LINE:
        return joined
    shown = [log[0], None, *log[-SHOWN_LINES + 1 :]] if len(log) > SHOWN_LINES else log
    rows = (
        f"{_numbers(line)} after {show_seconds(line.at)}: {_attempts_outcome(line)}" if line else "..."
        for line in shown
    )
    return "\n".join(rows)


def _numbers(line: AttemptGroup) -> str:
    return str(line.first) if line.first == line.last else f"{line.first}-{line.last}"


def _attempts_outcome(line: AttemptGroup) -> str:
    return f"{line.failure or 'ok'} ({show_seconds(line.seconds)})"


def _iteration_rows(iterations: Sequence[Iteration]) -> Iterator[str]:
    """Yield a line for each iteration; of many, those that failed, and how many passed."""
    shown = (
        iterations
        if len(iterations) <= SHOWN_LINES
        else [iteration for iteration in iterations if iteration.outcome is not Outcome.PASSED]
    )
    for iteration in shown[:SHOWN_LINES]:
        attempts = f", {iteration.attempts} attempts" if iteration.attempts > 1 else ""
        took = f"{show_seconds(iteration.seconds)}{attempts}"
        yield f"{iteration.number} {iteration.label}: {iteration.message or 'ok'} ({took})"
    if len(shown[:SHOWN_LINES]) < len(iterations):
        passed = sum(iteration.outcome is Outcome.PASSED for iteration in iterations)
        yield f"{len(iterations)} turns: {passed} ok, {len(iterations) - passed} not"


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, 21st."""
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def _section_rows(section: OutputSection) -> Iterator[str]:
    lines = section.text.rstrip("\n")[-SHOWN_CHARACTERS:].splitlines()[-SHOWN_LINES:]
    shown = "\n".join(lines) or "(empty)"
    yield from labelled_rows(section.title, f"... {shown}" if is_cut(section) else shown)


def is_cut(section: OutputSection) -> bool:
    """Return True if the text of a failure shows only the end of a section."""
    text = section.text.rstrip("\n")
    return len(text) > SHOWN_CHARACTERS or len(text.splitlines()) > SHOWN_LINES


def _earlier_block(result: BlockResult) -> str:
    outcome_text = {
        Outcome.PASSED: f"ok {show_seconds(result.seconds)}",
        Outcome.FAILED: "failed",
        Outcome.SKIPPED: "skipped",
    }
    return f"{result.number} {shorten(result.name or display_type(result.type), 40)} {outcome_text[result.outcome]}"


def _prose_above(runbook: Runbook, spec: BlockSpec) -> str:
    """Return the paragraph right above the block; "" if another block stands there."""
    from ...document.doc_view import node_text

    known = {block.node for block in runbook.blocks}
    for index in range(spec.node - 1, -1, -1):
        if index in known:
            break
        text = " ".join(node_text(runbook.nodes[index]).split())
        if text:
            return f'"{shorten(text, LONGEST_NOTE)}"  <- the {runbook.nodes[index].type} above this block'
    return ""


def _joined(texts: Iterable[str]) -> str:
    return " | ".join(texts)


def _location_of(result: BlockResult) -> Location:
    path, _, line = result.location.rpartition(":")
    return Location(path, int(line)) if line.isdigit() else Location(result.location)
