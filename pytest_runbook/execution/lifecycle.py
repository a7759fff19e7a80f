"""One block from its start to its one end.

Whatever happens - success, a failure, a deadline, a cancellation, a fault of ours - the handle is settled exactly once,
after the blocks below can see what the block left and before anybody is told that it ended.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import anyio

from ..context.block_context import BlockContext
from ..context.items import DocumentVar, DocumentVars
from ..context.values import ContextValue, Source
from ..errors import AssertionsFailed, Cancelled, InternalError, RunbookError, TemplateError, TimedOut
from ..masking import MASK
from ..messages.status import ExecutionStatus, State
from ..model.runbook import Capture
from ..text import show_seconds
from .assertions import Difference, Judge, mentions, show_value
from .context import ExecutionContext, WorkResult
from .result import AssertionTrace, BlockResult, Outcome, Provenance, Section, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_VALUES_TOLD = 20
LONGEST_VALUE_TOLD = 200
OWN = "this block"

Execute = Callable[[ExecutionContext], Awaitable[WorkResult]]


@dataclass(frozen=True, slots=True)
class Limit:
    """A deadline. seconds: from now. name: whose it is, for people: ``limit 5 s``."""

    seconds: float
    name: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: without an error it succeeded."""

    error: RunbookError | None = None
    assertions: tuple[AssertionTrace, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class BlockRunner:
    """Runs one block through its lifecycle.

    number: its 1-based position in reports. label: who it is as the source of variables: ``block 3 "Build"``.
    """

    context: ExecutionContext
    execute: Execute
    limit: Limit
    number: int
    label: str
    difference: Difference
    _started: float = field(default_factory=time.monotonic)

    async def run(self) -> BlockResult:
        """Run it and settle its handle."""
        context = self.context
        context.clear_active_context()
        context.block_started()
        ending = Ending(InternalError("the block ended without saying how"))
        try:
            ending = await self._until_end()
        except BaseException:
            ending = Ending(context.handle.cancellation or Cancelled("the run was ended"))
            raise
        finally:
            result = self._result(ending)
            self._settle(ending.error, result)
        return result

    async def _until_end(self) -> Ending:
        """Work under the deadline; a deadline that passed and a cancellation become endings of their own."""
        handle = self.context.handle
        ending: Ending | None = None
        with handle.scope, anyio.move_on_after(self.limit.seconds) as deadline:
            ending = await self._attempt()
        if ending is not None:
            return ending
        if deadline.cancelled_caught:
            took = show_seconds(time.monotonic() - self._started)
            return self._judged_error(TimedOut(f"timed out after {took} ({self.limit.name})"))
        return Ending(handle.cancellation or Cancelled("cancelled"))

    async def _attempt(self) -> Ending:
        """The work and what must hold of it."""
        try:
            work = await self.execute(self.context)
            return self._judged(work)
        except RunbookError as error:
            return self._judged_error(error)
        except Exception as error:  # a fault of a block type's code: told as such, the rest of the run goes on
            return Ending(_internal(error))

    def _judged(self, work: WorkResult) -> Ending:
        """Publish what the block gave, then look whether it is what its author wants."""
        if work.output is not None:
            self.context.set_output(work.output)
        conditions = self.context.spec.rules.assertions
        replaced = work.requirement is not None and mentions(conditions, work.requirement)
        if work.failure is not None and not replaced:
            judged = self._judge(work, {}).judge(conditions) if conditions and work.output is not None else ()
            return self._judged_error(work.failure, judged)
        expected = self.context.spec.rules.expect_error
        if expected is not None:
            return Ending(
                AssertionsFailed(f'expected to fail with "{expected.source}", but it succeeded', place=expected.place)
            )
        return self._judged_success(work, self._requirement_trace(work, replaced))

    def _judged_success(self, work: WorkResult, traces: tuple[AssertionTrace, ...]) -> Ending:
        variables = dict(work.variables)
        problems = self._capture(work, variables)
        self._publish(variables)
        traces += self._judge(work, variables).judge(self.context.spec.rules.assertions) + problems
        broken = [trace for trace in traces if trace.verdict is not Verdict.PASSED]
        if not broken:
            return Ending(None, traces)
        rest = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        error = AssertionsFailed(f"{_sentence(broken[0])}{rest}", place=self.context.spec.place)
        return Ending(error, traces)

    def _judged_error(self, error: RunbookError, assertions: tuple[AssertionTrace, ...] = ()) -> Ending:
        """A failure, unless it is the one that the author expects."""
        expected = self.context.spec.rules.expect_error
        if expected is None:
            return Ending(error, assertions)
        if re.search(expected.source, f"{error.message}\n{error.said}"):
            return Ending(None, assertions, (f"failed as expected: {error.message}",))
        message = f'{error.message}; expected was "{expected.source}"'
        return Ending(AssertionsFailed(message, place=expected.place, hint=error.hint, said=error.said), assertions)

    def _capture(self, work: WorkResult, variables: dict[str, object]) -> tuple[AssertionTrace, ...]:
        """Add what the author captures to the variables; what can't be captured is told like an assertion."""
        judge = self._judge(work, variables)
        problems = []
        for capture in self.context.spec.rules.captures:
            try:
                variables[capture.name] = judge.value(capture.expression)
            except TemplateError as error:
                problems.append(judge.error_trace(capture.expression, error, _capture_label(capture)))
        return tuple(problems)

    def _publish(self, variables: Mapping[str, object]) -> None:
        """Let the blocks below see the variables."""
        if not variables:
            return
        spec = self.context.spec
        source = Source(self.label, spec.place)
        sensitive = spec.rules.sensitive
        if sensitive:
            for name, value in variables.items():
                self.context.redactor.add(str(value), f"var.{name}")
        items = tuple(
            DocumentVar(name, ContextValue(value, source, sensitive=sensitive)) for name, value in variables.items()
        )
        self.context.update_active_context(lambda context: context.insert(DocumentVars(items)))

    def _judge(self, work: WorkResult, variables: Mapping[str, object]) -> Judge:
        context = self.context
        source = Source(OWN, context.spec.place)
        own = DocumentVars(tuple(DocumentVar(name, ContextValue(value, source)) for name, value in variables.items()))
        names = context.resolver.fold(BlockContext(own)).names(context.reads)
        if work.output is not None:
            names["output"] = work.output
        return Judge(names, context.redactor, self.difference, hide_values=context.spec.rules.sensitive)

    def _requirement_trace(self, work: WorkResult, replaced: bool) -> tuple[AssertionTrace, ...]:
        if work.requirement is None or replaced:
            return ()
        return (AssertionTrace(source=work.requirement, verdict=Verdict.PASSED),)

    def _result(self, ending: Ending) -> BlockResult:
        context, spec = self.context, self.context.spec
        redact = context.redactor.redact
        error = ending.error and ending.error.located(spec.place, spec.label)
        findings = context.findings
        return BlockResult(
            block_id=spec.id,
            name=spec.name,
            type=spec.type,
            number=self.number,
            place=str(spec.place),
            checks_place=None if spec.checks_place is None else str(spec.checks_place),
            outcome=Outcome.FAILED if error else Outcome.PASSED,
            kind=error.kind if error else None,
            message=redact(error.message) if error else None,
            hint=redact(error.hint) if error and error.hint else None,
            error_place=str(error.place) if error else None,
            seconds=time.monotonic() - self._started,
            attempts=1,
            assertions=ending.assertions,
            did=findings.did and redact(findings.did),
            where=findings.where and redact(findings.where),
            host=redact(context.resolver.host),
            exit_code=findings.exit_code,
            sections=self._sections(),
            provenance=self._provenance(),
            notes=tuple(redact(note) for note in (*ending.notes, *findings.notes)),
        )

    def _sections(self) -> tuple[Section, ...]:
        if self.context.spec.rules.sensitive:
            return (Section("output", "not shown: the block is marked as sensitive"),)
        redact = self.context.redactor.redact
        return tuple(Section(section.title, redact(section.text)) for section in self.context.findings.output())

    def _provenance(self) -> tuple[Provenance, ...]:
        """The variables and the environment that the block read, without those that only come from the process."""
        told = (item for item in self.context.reads.values.items() if item[1].source.label != OWN)
        return tuple(self._told(name, value) for name, value in islice(told, MOST_VALUES_TOLD))

    def _told(self, name: str, value: ContextValue) -> Provenance:
        text = MASK if value.sensitive else self.context.redactor.redact(show_value(value.value, LONGEST_VALUE_TOLD))
        return Provenance(name, text, str(value.source))

    def _settle(self, error: RunbookError | None, result: BlockResult) -> None:
        context = self.context
        context.finish_output()
        if error is None:
            context.handle.settle(ExecutionStatus(State.SUCCESS), result)
            context.block_finished(result.exit_code)
        elif isinstance(error, Cancelled):
            context.handle.settle(ExecutionStatus(State.CANCELLED, error), result)
            context.block_cancelled()
        else:
            context.handle.settle(ExecutionStatus(State.FAILED, error), result)
            context.block_failed(error.message)


def _internal(error: Exception) -> RunbookError:
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    message = f"a fault in the block type's code: {type(error).__name__}: {error}"
    return InternalError(message, hint=f"please report it; it came from {' > '.join(frames[-3:])}")


def _sentence(trace: AssertionTrace) -> str:
    if trace.verdict is Verdict.ERROR:
        return f"{trace.source}: {trace.message}"
    return f"{trace.source}: actual {_short(trace.actual)}" if trace.actual is not None else trace.source


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _capture_label(capture: Capture) -> str:
    return f"capture {capture.name}: "
