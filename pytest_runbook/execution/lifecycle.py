"""One block from its start to its one end.

Whatever happens - success, a failure, a deadline, a cancellation, a fault of ours - the handle is settled exactly once,
after the blocks below can see what the block left and before anybody is told that it ended.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from ..context.block_context import BlockContext
from ..context.items import DocumentVar, DocumentVars
from ..context.values import ContextValue, Reads, Source
from ..errors import AssertionsFailed, Cancelled, InternalError, NotTried, RunbookError, TimedOut
from ..masking import MASK
from ..messages.status import ExecutionStatus, State
from ..model.runbook import Capture, Condition, Loop, Retry
from ..text import shorten, show_limit, show_seconds
from .assertions import Difference, Explain, Judge, mentions, show_value
from .context import ExecutionContext, Findings, WorkResult
from .loops import TurnsSoFar, items_of, roots_of
from .result import AssertionTrace, BlockResult, Outcome, Provenance, Section, Turn, Verdict
from .retries import AttemptLog, may_help, pauses

MOST_VALUES_TOLD = 20
LONGEST_VALUE_TOLD = 200
LONGEST_UNTOLD_ENDING = 0.5
MOST_SECRET_TEXTS = 100
SHORTEST_SECRET_LINE = 8
LONGEST_FAILURE = 120

Execute = Callable[[ExecutionContext], Awaitable[WorkResult]]


@dataclass(frozen=True, slots=True)
class Limit:
    """A deadline. seconds: from now. name: whose it is, for people: ``limit 5 s``."""

    seconds: float
    name: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: without an error it succeeded.

    is_final: no further attempt is wanted, whatever came of this one.
    """

    error: RunbookError | None = None
    assertions: tuple[AssertionTrace, ...] = ()
    notes: tuple[str, ...] = ()
    is_final: bool = False


@dataclass(slots=True, kw_only=True)
class BlockRunner:
    """Runs one block through its lifecycle.

    number: its 1-based position in reports. label: who it is as the source of variables: ``block 3 "Build"``.
    """

    context: ExecutionContext
    execute: Execute
    number: int
    label: str
    difference: Difference
    explain: Explain
    _started: float = field(default_factory=time.monotonic)
    _log: AttemptLog = field(default_factory=AttemptLog)
    _warnings: tuple[AssertionTrace, ...] = ()
    _output: Mapping[str, object] | None = None
    _variables: Mapping[str, object] = field(default_factory=dict)
    _turns: TurnsSoFar = field(default_factory=TurnsSoFar)
    _turn: str = ""

    async def run(self) -> BlockResult:
        """Run it and settle its handle."""
        ending = Ending(InternalError("the block ended without saying how"))
        try:
            ending = await self._until_end()
        except BaseException:
            ending = Ending(self.context.handle.cancellation or Cancelled("the run was ended"))
            raise
        finally:
            result = self._settle(ending)
        return result

    async def _until_end(self) -> Ending:
        """Work under the deadline; a deadline that passed and a cancellation become endings of their own."""
        handle = self.context.handle
        begun = anyio.current_time()
        ending: Ending | None = None
        with handle.scope as scope:
            handle.hurry(handle.limit)
            self.context.block_started()
            ending = await (self._attempts() if self.context.spec.rules.loop is None else self._loop())
        if ending is not None:
            return ending
        if handle.cancellation is not None:
            return Ending(handle.cancellation)
        return self._timed_out(scope.deadline - begun, anyio.current_time() - scope.deadline)

    def _timed_out(self, seconds: float, ending_it: float) -> Ending:
        where = f" in turn {len(self._turns.turns) + 1}: {self._turn}" if self._turn else ""
        error = TimedOut(f"timed out after {show_seconds(seconds)} ({self.context.handle.limit.name}){where}")
        ending = self._judged_error(error)
        if ending_it < LONGEST_UNTOLD_ENDING:
            return ending
        return replace(ending, notes=(*ending.notes, f"ending it took {show_seconds(ending_it)}"))

    async def _loop(self) -> Ending:
        """A turn for each item, all of them whatever becomes of one."""
        loop, resolver = self.context.spec.rules.loop, self.context.resolver
        assert loop is not None
        try:
            items = items_of(self._over(loop))
        except RunbookError as error:
            return Ending(self.explain(error.located(loop.place)))
        if not items:
            return Ending(NotTried("for_each: there is nothing to go over"))
        for index, item in enumerate(items):
            self._turn = self.context.redactor.redact(f"{loop.name} = {show_value(item, LONGEST_VALUE_TOLD)}")
            self.context.resolver = replace(resolver, roots={**resolver.roots, **roots_of(loop.name, items, index)})
            await self._take_turn(index + 1)
        self.context.resolver = resolver
        return self._all_turns()

    def _over(self, loop: Loop) -> object:
        """What the turns go over; secret if it was made of something that is."""
        if not isinstance(loop.over, Condition):
            return loop.over
        reads = Reads()
        value = self._judge(None, {}, reads).value(loop.over)
        if reads.sensitive:
            for item in items_of(value):
                self.context.redactor.add(str(item), f"each.{loop.name}")
        self.context.reads.values.update(reads.values)
        return value

    async def _take_turn(self, number: int) -> None:
        self._log, self.context.findings, started = AttemptLog(), Findings(), time.monotonic()
        ending = await self._attempts()
        error = ending.error
        turn = Turn(
            number=number,
            label=self._turn,
            outcome=_outcome(error),
            message=None if error is None else self.context.redactor.redact(error.message),
            seconds=time.monotonic() - started,
            attempts=self._log.count or 1,
        )
        self._turns.leave(self._output, self._variables)
        self._turns.add(turn, self._warnings, self.context.findings.notes)
        if error is not None:
            self._turns.add_failure(turn, error, ending.assertions, self._sections(), self.context.findings.exit_code)

    def _all_turns(self) -> Ending:
        """What the turns come to; the block leaves what each of them left."""
        turns = self._turns
        self._warnings = tuple(turns.warnings)
        self.context.findings = Findings(
            did=f"{len(turns.turns)} turns, {len(turns.errors)} failed",
            where=self.context.findings.where,
            exit_code=turns.exit_code,
            output=lambda: turns.sections,
            notes=turns.notes,
        )
        self.context.set_output(turns.output())
        self._publish(self._own(turns.variables))
        return Ending(turns.error(), tuple(turns.assertions))

    async def _attempts(self) -> Ending:
        """One attempt, or as many as its author wants."""
        retry = self.context.spec.rules.retry
        if retry is None:
            return await self._attempt()
        return await self._timed(retry.within, "retry within", partial(self._retried, retry))

    async def _retried(self, retry: Retry) -> Ending:
        resolver, waits = self.context.resolver, pauses(retry)
        while True:
            self.context.resolver, self.context.findings = resolver, Findings()
            self._log.begin(self._elapsed)
            ending = await self._timed(retry.attempt_timeout, "attempt_timeout", self._attempt)
            self._log_end(ending)
            pause = None if self._is_final(ending) else next(waits, None)
            if pause is None or anyio.current_time() + pause >= anyio.current_effective_deadline():
                return ending
            await anyio.sleep(pause)

    def _is_final(self, ending: Ending) -> bool:
        error = ending.error
        return ending.is_final or error is None or not may_help(error, ending.assertions, self.context.spec)

    async def _timed(self, seconds: float | None, key: str, attempt: Callable[[], Awaitable[Ending]]) -> Ending:
        """What comes of it within a deadline of its own, if it has one."""
        with anyio.move_on_after(seconds):
            return await attempt()
        assert seconds is not None
        return self._judged_error(TimedOut(f"timed out ({key} {show_limit(seconds)})"))

    def _log_end(self, ending: Ending) -> None:
        """Keep how an attempt ended, the first time that somebody says it."""
        redact = self.context.redactor.redact
        failure = None if ending.error is None else shorten(redact(ending.error.message), LONGEST_FAILURE)
        self._log.end(self._elapsed, failure)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    async def _attempt(self) -> Ending:
        """The work and what must hold of it."""
        self._warnings, self._output, self._variables = (), None, {}
        try:
            self.context.clear_active_context()
            await checkpoint_if_cancelled()
            work = await self.execute(self.context)
            return self._judged(work)
        except NotTried as error:
            return Ending(error)
        except RunbookError as error:
            return self._judged_error(error)
        except (Exception, BaseExceptionGroup, SystemExit) as error:  # a fault of a block type's code ends that block
            return Ending(_internal(error))

    def _judged(self, work: WorkResult) -> Ending:
        """Publish what the block gave, then look whether it is what its author wants."""
        if work.output is not None:
            self._leave_output(work.output)
        if self._until is not None and (missing := self._missing(self._until, work)):
            return missing
        ending = self._judged_once(work)
        return ending if self._until is None else replace(ending, is_final=True)

    @property
    def _until(self) -> Condition | None:
        retry = self.context.spec.rules.retry
        return None if retry is None else retry.until

    def _missing(self, until: Condition, work: WorkResult) -> Ending | None:
        """How an attempt ends that does not bring what is waited for; None if it does."""
        own = self._own(work.variables)
        trace = self._judge(work.output, own).trace(until)
        if trace.verdict is Verdict.PASSED:
            return None
        self._publish(own)
        trace = replace(trace, source=f"until: {trace.source}")
        error = AssertionsFailed(_sentence(trace), place=until.place)
        return Ending(error, (trace,), () if work.failure is None else (work.failure.message,))

    def _judged_once(self, work: WorkResult) -> Ending:
        rules = self.context.spec.rules
        spoken_of = rules.assertions if self._until is None else (*rules.assertions, self._until)
        replaced = work.requirement is not None and mentions(spoken_of, rules.expectations, work.requirement)
        if work.failure is not None and (rules.expect_error is not None or not replaced):
            return self._judged_error(work.failure, work.output)
        traces = self._requirement_trace(work, replaced) + self._traces(work.output, work.variables)
        expected = rules.expect_error
        if expected is None:
            return self._ending(traces)
        message = f'expected to fail with "{expected.source}", but it succeeded'
        return Ending(AssertionsFailed(message, place=expected.place), traces)

    def _judged_error(self, error: RunbookError, output: Mapping[str, object] | None = None) -> Ending:
        """A failure, unless it is the one that the author expects."""
        rules = self.context.spec.rules
        expected = rules.expect_error
        if expected is not None and re.search(expected.source, f"{error.message}\n{error.said}"):
            return self._ending(self._traces(output, {}), (f"failed as expected: {error.message}",))
        traces = self._assertions(output, {}) if output is not None else ()
        if expected is None:
            return Ending(error, traces)
        message = f'{error.message}; expected was "{expected.source}"'
        return Ending(AssertionsFailed(message, place=expected.place, hint=error.hint, said=error.said), traces)

    def _ending(self, traces: tuple[AssertionTrace, ...], notes: tuple[str, ...] = ()) -> Ending:
        """A success, unless an assertion says otherwise."""
        broken = [trace for trace in traces if trace.verdict is not Verdict.PASSED]
        if not broken:
            return Ending(None, traces, notes)
        rest = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        error = AssertionsFailed(f"{_sentence(broken[0])}{rest}", place=self.context.spec.place)
        return Ending(error, traces, notes)

    def _traces(
        self, output: Mapping[str, object] | None, variables: Mapping[str, object]
    ) -> tuple[AssertionTrace, ...]:
        """Set the block's variables, captured ones included, and judge it; what can't be captured counts as judged."""
        own = self._own(variables)
        problems = self._capture(output, own)
        self._publish(own)
        return self._assertions(output, own) + problems

    def _assertions(
        self, output: Mapping[str, object] | None, own: Mapping[str, ContextValue]
    ) -> tuple[AssertionTrace, ...]:
        """What the author asserts; and, beside it, what he only wants to be told of."""
        rules = self.context.spec.rules
        if not (rules.assertions or rules.warnings or rules.expectations):
            return ()
        judge = self._judge(output, own)
        warnings = judge.judge(rules.warnings)
        self._warnings = tuple(trace for trace in warnings if trace.verdict is not Verdict.PASSED)
        render = partial(self._rendered, own)
        shapes = (judge.shape(expectation, render) for expectation in rules.expectations)
        return (*judge.judge(rules.assertions), *shapes)

    def _rendered(self, own: Mapping[str, ContextValue], text: str) -> str:
        """A text of ``expect``, with the block's own variables at hand."""
        if not self.context.spec.rules.template:
            return text
        return self.context.resolver.fold(BlockContext(_as_item(own))).resolve(text, self.context.reads)

    def _own(self, variables: Mapping[str, object]) -> dict[str, ContextValue]:
        sensitive = self.context.spec.rules.sensitive
        return {name: ContextValue(value, self._source, sensitive) for name, value in variables.items()}

    def _capture(self, output: Mapping[str, object] | None, own: dict[str, ContextValue]) -> tuple[AssertionTrace, ...]:
        """Add what the author captures to the block's variables; gives what could not be."""
        context, problems = self.context, []
        for capture in context.spec.rules.captures:
            reads = Reads()
            judge = self._judge(output, own, reads)
            try:
                value = judge.value(capture.expression)
                sensitive = context.spec.rules.sensitive or reads.sensitive
                own[capture.name] = ContextValue(value, self._source, sensitive)
            except RunbookError as error:
                problems.append(judge.error_trace(capture.expression, error, _capture_label(capture)))
            context.reads.values.update(reads.values)
        return tuple(problems)

    def _publish(self, own: Mapping[str, ContextValue]) -> None:
        """Let the blocks below see the variables."""
        if not own:
            return
        self._variables = {name: value.value for name, value in own.items()}
        for name, value in own.items():
            if value.sensitive:
                self.context.redactor.add(str(value.value), f"var.{name}")
        item = _as_item(own)
        self.context.update_active_context(lambda context: context.insert(item))

    def _leave_output(self, output: Mapping[str, object]) -> None:
        if self.context.spec.rules.sensitive:
            for text in islice(_texts(output), MOST_SECRET_TEXTS):
                self.context.redactor.add(text, f"the output of {self.label}")
        self._output = output
        self.context.set_output(output)

    def _judge(
        self, output: Mapping[str, object] | None, own: Mapping[str, ContextValue], reads: Reads | None = None
    ) -> Judge:
        context = self.context
        names = context.resolver.fold(BlockContext(_as_item(own))).names(context.reads if reads is None else reads)
        if output is not None:
            names["output"] = output
        hide = context.spec.rules.sensitive
        return Judge(names, context.redactor, self.difference, self.explain, hide_values=hide)

    @property
    def _source(self) -> Source:
        return Source(self.label, self.context.spec.place)

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
            outcome=_outcome(error),
            kind=error.kind if error else None,
            message=redact(error.message) if error else None,
            hint=redact(error.hint) if error and error.hint else None,
            error_place=str(error.place) if error else None,
            seconds=self._elapsed,
            attempts=sum(turn.attempts for turn in self._turns.turns) or self._log.count or 1,
            turns=tuple(self._turns.turns),
            attempt_log=() if self._turns.turns else self._log.lines,
            assertions=ending.assertions,
            warnings=self._warnings,
            did=findings.did and redact(findings.did),
            where=findings.where and redact(findings.where),
            host=redact(context.resolver.host),
            exit_code=findings.exit_code,
            sections=self._sections(),
            provenance=self._provenance(),
            notes=tuple(redact(note) for note in (*ending.notes, *findings.notes)),
            children=findings.children,
            stops=findings.stops and redact(findings.stops),
        )

    def _sections(self) -> tuple[Section, ...]:
        if self.context.spec.rules.sensitive:
            return (Section("output", "not shown: the block is marked as sensitive"),)
        redact = self.context.redactor.redact
        try:
            return tuple(Section(section.title, redact(section.text)) for section in self.context.findings.output())
        except Exception as error:  # it is no reason to be silent on the rest
            return (Section("output", f"can't be shown: {type(error).__name__}: {redact(str(error))}"),)

    def _provenance(self) -> tuple[Provenance, ...]:
        """The values that the block read and others had set."""
        told = (item for item in self.context.reads.values.items() if item[1].source != self._source)
        return tuple(self._told(name, value) for name, value in islice(told, MOST_VALUES_TOLD))

    def _told(self, name: str, value: ContextValue) -> Provenance:
        text = MASK if value.sensitive else self.context.redactor.redact(show_value(value.value, LONGEST_VALUE_TOLD))
        return Provenance(name, text, str(value.source))

    def _settle(self, ending: Ending) -> BlockResult:
        """Make it final, and then say so."""
        context, error = self.context, ending.error
        context.finish_output()
        self._log_end(ending)
        try:
            result = self._result(ending)
        except Exception as fault:  # a block type told nonsense of its work
            context.findings, error = Findings(), _internal(fault)
            result = self._result(Ending(error))
        if error is None:
            context.handle.settle(ExecutionStatus(State.SUCCESS), result)
            context.block_finished(result.exit_code)
        elif isinstance(error, Cancelled):
            context.handle.settle(ExecutionStatus(State.CANCELLED, error), result)
            context.block_cancelled()
        else:
            context.handle.settle(ExecutionStatus(State.FAILED, error), result)
            context.block_failed(error.message)
        return result


def _outcome(error: RunbookError | None) -> Outcome:
    if error is None:
        return Outcome.PASSED
    return Outcome.SKIPPED if isinstance(error, NotTried) else Outcome.FAILED


def _as_item(own: Mapping[str, ContextValue]) -> DocumentVars:
    return DocumentVars(tuple(DocumentVar(name, value) for name, value in own.items()))


def _texts(output: Mapping[str, object]) -> Iterator[str]:
    """The texts of a secret output: each whole, and its lines as far as they are not just anything."""
    for key in output:
        text = output[key]
        if isinstance(text, str):
            yield text
            yield from (line for line in text.splitlines() if len(line) >= SHORTEST_SECRET_LINE)


def _internal(error: BaseException) -> RunbookError:
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
