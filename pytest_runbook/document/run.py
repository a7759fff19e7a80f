"""The flow of one run: which block runs, which is skipped and why, what is cleaned up.

Items of a test run, `run_all`, sub-runbooks and the `runbook` fixture all ask this one class.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..errors import AssertionsFailed, ContextError, NotTried, Refused, RunbookError, TemplateError, TimedOut
from ..execution.assertions import Judge
from ..execution.block_runner import Limit
from ..execution.result import AssertionTrace, BlockResult, Outcome, Verdict
from ..messages.events import Event, EventKind
from ..model.runbook import BlockSpec, OnFailure, type_for_people
from ..policy.permissions import refusal_of
from ..secrets.provenance import Reads
from ..text import show_limit
from .document import Document
from .executions import not_supported

if TYPE_CHECKING:
    from ..resources.process.supervisor import Leftover
    from .runtime import Runtime


SHARE_OF_EACH = 0.1
MOST_KEPT = 0.5
"""Of the time for clean-ups, what is kept for each of those that come later, and at most for all of them."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The decision not to run a block, and why. kind: what reports count it as, if they do."""

    reason: str
    kind: str | None = None


class RunbookRun:
    """One run of one document, block by block.

    results: what came of each block so far, by id, in the order in which they ended.
    blocked: why none of its blocks can run; None: they can.
    is_child: it is part of another run, which keeps what is worth it and ends what is left in the background.
    """

    def __init__(self, document: Document, runtime: Runtime, *, is_child: bool = False) -> None:
        self.document = document
        self._is_child = is_child
        self.results: dict[str, BlockResult] = {}
        self.blocked: RunbookError | None = None
        self._runtime = runtime
        self._stopped_by: BlockResult | None = None
        self._cancelled: str | None = None
        self._resumed: anyio.Event | None = None
        self._owned_faults: list[RunbookError] = []
        self._gaps: dict[int, str] = {}
        self._is_looked_at = False
        self._asked: set[str] = set()
        self._started: set[str] = set()
        self._fetching: anyio.CancelScope | None = None
        self._started_at: float | None = None
        self._cleanup_started_at: float | None = None

    @property
    def is_started(self) -> bool:
        """True once a block was tried."""
        return self._started_at is not None

    async def step(
        self, block_id: str, *, upper_limit: Limit | None = None, fixtures: Mapping[str, object] | None = None
    ) -> BlockResult:
        """Run one block, if it is to run; give what came of it. Cancelled, it ends the block before it returns.

        upper_limit: a deadline of somebody else's, which holds if it is shorter than the block's own.
        :raises KeyError: if the document has no such block.
        """
        self.document.set_fixtures(fixtures or {})
        spec = self.document.spec(block_id)
        try:
            skip = await self._left_out(spec)
            if skip is None:
                await self._fetch_secrets(spec)
                await self._ask_above(spec)
                skip = self._decide(spec)
            result = self._skipped(spec, skip) if skip else await self._tried(spec, upper_limit)
        except RunbookError as error:
            result = self._failed(spec, error)
        self._note(spec, result)
        return result

    def fail(self, block_id: str, error: RunbookError) -> BlockResult:
        """Take a block for failed that could not even be tried; give what came of it.

        :raises KeyError: if the document has no such block.
        """
        spec = self.document.spec(block_id)
        result = self._failed(spec, error)
        self._note(spec, result)
        return result

    def leave_out(self, fates: Mapping[str, str]) -> None:
        """Know of blocks that do not run, although those below stand on them.

        fates: what became of them, by id, for people: "was not selected".
        """
        for block_id, fate in fates.items():
            spec = self.document.spec(block_id)
            if not spec.rules.is_cleanup and not spec.rules.lets_below_run(self.document.runbook.on_failure):
                self._gaps[self.document.number(spec)] = f"{self.document.label(spec)} {fate}: {spec.place}"

    @property
    def gap(self) -> str | None:
        """What was left out first, of all that others stand on; None if nothing was."""
        return self._gaps[min(self._gaps)] if self._gaps else None

    def unmet(self) -> RunbookError | None:
        """What is wrong if a block that the file requires has not passed."""
        faults = [fault for named in self.document.runbook.require if (fault := self._unmet(named.name))]
        if not faults:
            return None
        hint = "`require` names blocks that must have passed, or the file fails"
        place = self.document.runbook.require[0].place
        return AssertionsFailed(f"required: {'; '.join(faults)}", place=place, hint=hint)

    def _unmet(self, name: str) -> str | None:
        for spec in self.document.items:
            result = self.results.get(spec.id)
            if name in (spec.id, spec.name) and (result is None or result.outcome is not Outcome.PASSED):
                fate = self.document.fates.get(spec.id, "was not run")
                why = f": {result.message}" if result is not None and result.message else ""
                return f"{self.document.label(spec)} {fate}{why}"
        return None

    def uncleaned(self) -> tuple[tuple[BlockSpec, str], ...]:
        """Clean-ups of a run that was begun which have not cleaned up, and why: no turn, or a failure."""
        cleanups = (spec for spec in self.document.items if spec.rules.is_cleanup)
        found = ((spec, self._why_uncleaned(spec)) for spec in cleanups) if self.is_started else ()
        return tuple((spec, why) for spec, why in found if why is not None)

    def _why_uncleaned(self, spec: BlockSpec) -> str | None:
        result = self.results.get(spec.id)
        if result is None:
            return "was not run"
        return f"failed: {result.message}" if result.outcome is Outcome.FAILED else None

    async def run_all(
        self, start: str | None = None, *, limit: Limit | None = None, tell: Callable[[BlockSpec], object] | None = None
    ) -> tuple[BlockResult, ...]:
        """Run every block in order, clean-ups last, and end what they left behind. Cancelled, it still cleans up.

        start: the id of the block to begin with. limit: for all blocks but the clean-ups together.
        tell: is told which block is next.
        :raises KeyError: if nothing of that id runs.
        """
        waiting = self._items_from(start)
        ends_at = time.monotonic() + (limit.seconds if limit else 0.0)
        try:
            while waiting:
                spec = waiting[0]
                await self._unpaused()
                if tell is not None:
                    tell(spec)
                is_limited = limit is not None and not spec.rules.is_cleanup
                left = replace(limit, seconds=ends_at - time.monotonic()) if limit and is_limited else None
                await self.step(spec.id, upper_limit=left)
                del waiting[0]
        except anyio.get_cancelled_exc_class():
            self.cancel("cancelled")
            with anyio.CancelScope(shield=True):
                for spec in waiting[1:]:
                    await self.step(spec.id)
            raise
        finally:
            await self.finish()
        return tuple(self.results.values())

    def pause(self) -> None:
        """Start no block after the one that runs, until somebody says `resume`, or ends the run."""
        if self._resumed is None:
            self._resumed = anyio.Event()
            self._emit(EventKind.SERIAL_EXECUTION_PAUSED)

    def resume(self) -> None:
        """Go on."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    async def _unpaused(self) -> None:
        while self._resumed is not None:
            await self._resumed.wait()

    def _items_from(self, start: str | None) -> list[BlockSpec]:
        """What is to run: all of it, or a block and those below it, and every clean-up."""
        items = list(self.document.items)
        if start is None:
            return items
        ids = [spec.id for spec in items]
        if start not in ids:
            raise KeyError(start)
        return [spec for index, spec in enumerate(items) if index >= ids.index(start) or spec.rules.is_cleanup]

    def cancel(self, reason: str) -> None:
        """End what runs; of what has not run yet, only clean-ups will. The second time, clean-ups that run end as well.

        A clean-up that runs when the runtime is shutting down gets the time that is left for that.
        """
        is_first, self._cancelled = self._cancelled is None, self._cancelled or reason
        self.resume()
        if self._fetching is not None:
            self._fetching.cancel()
        shutdown = self._runtime.shutdown_limit()
        for block_id, handle in self.document.running.items():
            if not is_first or not self._is_cleanup(block_id):
                handle.cancel(reason)
            elif shutdown is not None:
                handle.hurry(self._share(shutdown) or shutdown)

    def _is_cleanup(self, block_id: str) -> bool:
        return any(spec.id == block_id and spec.rules.is_cleanup for spec in self.document.items)

    async def finish(self) -> Sequence[Leftover]:
        """End the processes that blocks left in the background; gives which they were."""
        if self.is_started:
            self._emit_end()
        if self._is_child:
            return ()
        return await self._runtime.resources.end_leftovers(self.document.run_id)

    async def _fetch_secrets(self, spec: BlockSpec) -> None:
        """Have what prints secrets run before anybody reads them; an interruption ends it."""
        if not self.document.learn_secrets():
            return
        with anyio.CancelScope() as self._fetching:
            await self.document.fetch_secrets(spec.id)

    async def _ask_above(self, spec: BlockSpec) -> None:
        """Have the person asked for what a block needs that no file holds, before it is decided upon; each once."""
        if not self._runtime.settings.asks_people:
            return
        for other in self.document.above(spec.id):
            behavior = self.document.behavior(other.id)
            is_open = behavior is not None and behavior.asks_first and other.id not in self._asked
            if is_open and self._stopped(spec) is None:
                self._asked.add(other.id)
                await self.document.executions.run(self.document.executions.prepare(other.id))

    async def _left_out(self, spec: BlockSpec) -> Skip | None:
        """Whether a block is not to run, as far as that can be told without touching anything."""
        if spec.rules.skip is not None:
            return Skip(spec.rules.skip.reason)
        behavior = self.document.behavior(spec.id)
        if behavior is None:
            return Skip(not_supported(spec.type))
        refusal = refusal_of(self.document.runbook, spec, behavior, self._runtime.settings)
        if refusal is not None:
            return Skip(refusal.message, refusal.kind)
        return self._stopped(spec) or await self._lacking() or self.gap_above(spec)

    async def _lacking(self) -> Skip | None:
        """Whether something is not to be had that the runbook requires; looked at once."""
        if not self._is_looked_at:
            with anyio.CancelScope() as self._fetching:
                lacking = await self.document.lacking()
                self.blocked = self.blocked or lacking
                self._is_looked_at = True
        blocked = self.blocked
        return Skip(blocked.message, blocked.kind) if isinstance(blocked, NotTried) else None

    def _decide(self, spec: BlockSpec) -> Skip | None:
        """Whether a block is to run, from what happened so far. Pure but for the evaluation of its `when`.

        :raises RunbookError: if it can't be decided; the block fails with this.
        """
        return self._stopped(spec) or self._context_fault(spec) or self._condition(spec)

    def _stopped(self, spec: BlockSpec) -> Skip | None:
        if spec.rules.is_cleanup:
            return self._cleanup_not_needed(spec)
        if self._cancelled is not None:
            return Skip(self._cancelled)
        if self._stopped_by is not None:
            why = self._stopped_by.stops or "failed"
            return Skip(f"{_called(self._stopped_by)} {why}: {self._stopped_by.place}")
        return None

    def gap_above(self, spec: BlockSpec) -> Skip | None:
        """What stands on a block that did not run does not run as if it had."""
        if self.blocked is not None or spec.rules.is_cleanup:
            return None
        above = [number for number in self._gaps if number < self.document.number(spec)]
        return Skip(self._gaps[min(above)]) if above else None

    def _cleanup_not_needed(self, spec: BlockSpec) -> Skip | None:
        wanted = spec.rules.if_started
        if not wanted:
            return None
        started = {
            key
            for result in self.results.values()
            if result.block_id in self._started and result.outcome is not Outcome.SKIPPED
            for key in (result.block_id, result.name)
        }
        return None if started & set(wanted) else Skip(f"{', '.join(wanted)} was not started")

    def _context_fault(self, spec: BlockSpec) -> Skip | None:
        """A context above that can't be evaluated fails the first block that would stand on it."""
        error = self.blocked or self.document.context_error_above(spec.id)
        if error is None:
            return None
        if isinstance(error, NotTried):
            return Skip(error.message)
        if not any((error.place, error.message) == (owned.place, owned.message) for owned in self._owned_faults):
            raise error
        what = error.message if error is self.blocked else f"{error.block or 'the context above'} can't be evaluated"
        return Skip(f"{what}: {error.place}")

    def _condition(self, spec: BlockSpec) -> Skip | None:
        condition = spec.rules.when
        if condition is None:
            return None
        runtime = self._runtime
        names = self.document.resolver_above(spec.id).names(Reads())
        explain = partial(self.document.explained, spec=spec)
        trace = Judge(names, runtime.redactor, runtime.settings.difference, explain).trace(condition)
        if trace.verdict is Verdict.ERROR:
            message = f"when: {trace.source}: {trace.message}"
            raise TemplateError(message, place=condition.place, block=spec.label, hint=trace.hint)
        return None if trace.verdict is Verdict.PASSED else Skip(f"when: {trace.source}{_with_values(trace)}")

    async def _tried(self, spec: BlockSpec, upper_limit: Limit | None) -> BlockResult:
        if not self.is_started:
            self._started_at = time.monotonic()
            self._emit(EventKind.RUNBOOK_STARTED)
            self._emit(EventKind.SERIAL_EXECUTION_STARTED)
        limit = self._limit(spec, upper_limit)
        runner = self.document.executions.prepare(spec.id, limit)
        self._started.add(spec.id)
        try:
            result = await self.document.executions.run(runner)
        except anyio.get_cancelled_exc_class():
            ended = runner.context.handle.result
            assert ended is not None, "it was settled on the way out"
            self._note(spec, ended)
            raise
        if result.outcome is Outcome.PASSED:
            self._save(spec)
        return result

    def _limit(self, spec: BlockSpec, upper_limit: Limit | None) -> Limit:
        """The first deadline of all that hold for a block.

        :raises TimedOut: if it has passed already.
        """
        limits = [self._runtime.block_limit(self.document.runbook, spec), upper_limit]
        if spec.rules.is_cleanup:
            limits += [self._share(self._cleanup_limit()), self._share(self._runtime.shutdown_limit())]
        else:
            limits.append(self._whole_limit())
        limit = min((limit for limit in limits if limit is not None), key=lambda limit: limit.seconds)
        if limit.seconds <= 0:
            raise TimedOut(f"no time is left for it ({limit.name})", place=spec.place, block=spec.label)
        return limit

    def _whole_limit(self) -> Limit | None:
        """What is left of the runbook's own limit."""
        total = self.document.runbook.timeouts.total
        if total is None or self._started_at is None:
            return None
        return Limit(total - (time.monotonic() - self._started_at), f"the runbook's limit {show_limit(total)}")

    def _cleanup_limit(self) -> Limit:
        """What is left of the limit of all clean-ups."""
        now = time.monotonic()
        if self._cleanup_started_at is None:
            self._cleanup_started_at = now
        seconds = self.document.runbook.timeouts.finally_ or self._runtime.settings.cleanup_timeout
        return Limit(seconds - (now - self._cleanup_started_at), f"the clean-ups' limit {show_limit(seconds)}")

    def _share(self, limit: Limit | None) -> Limit | None:
        """What the next clean-up may take of a limit: one that hangs leaves something to those that come after it."""
        fates, items = self.document.fates, self.document.items
        waiting = sum(spec.rules.is_cleanup and spec.id not in fates for spec in items) - 1
        if limit is None or waiting < 1:
            return limit
        kept = min(waiting * SHARE_OF_EACH, MOST_KEPT)
        return Limit(limit.seconds * (1 - kept), f"{limit.name}, less what {waiting} more may need")

    def _note(self, spec: BlockSpec, result: BlockResult) -> None:
        self.results[spec.id] = result
        if result.outcome is Outcome.PASSED:
            self.document.fates[spec.id] = "ran without setting it"
            self._stop_where_told(result)
            return
        self.document.fates[spec.id] = "failed" if result.outcome is Outcome.FAILED else "was skipped"
        if result.outcome is Outcome.SKIPPED:
            self._stop_where_told(result)
            is_refused = result.kind == Refused.kind
            if is_refused or spec.rules.skip is not None:
                self.leave_out({spec.id: "was refused" if is_refused else "was skipped"})
        if result.outcome is Outcome.FAILED and not spec.rules.is_cleanup:
            on_failure = spec.rules.on_failure or self.document.runbook.on_failure
            if on_failure is OnFailure.STOP and self._stopped_by is None:
                self._stopped_by = result

    def _stop_where_told(self, result: BlockResult) -> None:
        if result.stops is not None and self._stopped_by is None:
            self._stopped_by = result

    def _save(self, spec: BlockSpec) -> None:
        if self._is_child:
            return
        try:
            self.document.save_context(spec.id)
        except (OSError, RunbookError) as error:
            self._runtime.note(f"what blocks left could not be kept: {error}")

    def _skipped(self, spec: BlockSpec, skip: Skip) -> BlockResult:
        message = self._runtime.redactor.redact(skip.reason)
        return self._result(spec, Outcome.SKIPPED, kind=skip.kind, message=message)

    def _failed(self, spec: BlockSpec, error: RunbookError) -> BlockResult:
        """A block that failed before it could be started."""
        located, redact = error.located(spec.place, spec.label), self._runtime.redactor.redact
        result = self._result(
            spec,
            Outcome.FAILED,
            kind=error.kind,
            message=redact(error.message),
            hint=error.hint and redact(error.hint),
            error_place=str(located.place),
        )
        if isinstance(error, ContextError):
            self._owned_faults.append(error)
        return result

    def _result(self, spec: BlockSpec, outcome: Outcome, **known: object) -> BlockResult:
        return BlockResult(
            block_id=spec.id,
            name=spec.name,
            type=spec.type,
            number=self.document.number(spec),
            place=str(spec.place),
            checks_place=None if spec.checks_place is None else str(spec.checks_place),
            outcome=outcome,
            **known,  # type: ignore[arg-type]  # the callers give fields of BlockResult
        )

    def _emit_end(self) -> None:
        failed = [result for result in self.results.values() if result.outcome is Outcome.FAILED]
        if self._cancelled is not None:
            self._emit(EventKind.SERIAL_EXECUTION_CANCELLED)
        elif failed:
            error = f"{_called(failed[0])}: {failed[0].message}"
            self._emit(EventKind.RUNBOOK_FAILED, error=error)
            self._emit(EventKind.SERIAL_EXECUTION_FAILED, error=error)
        else:
            self._emit(EventKind.RUNBOOK_COMPLETED)
            self._emit(EventKind.SERIAL_EXECUTION_COMPLETED)

    def _emit(self, kind: EventKind, **data: object) -> None:
        ids = {"runbook_id": self.document.runbook.id, "run_id": self.document.run_id}
        self._runtime.events.emit(Event(kind, {**ids, **data}))


def _called(result: BlockResult) -> str:
    called = f'"{result.name}"' if result.name else f"({type_for_people(result.type)})"
    return f"block {result.number} {called}"


def _with_values(trace: AssertionTrace) -> str:
    values = ", ".join(f"{operand.source} is {operand.value}" for operand in trace.operands)
    return f" ({values})" if values else " is false"
