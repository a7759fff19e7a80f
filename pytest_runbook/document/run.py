"""The flow of one run: which block runs, which is skipped and why, what is cleaned up.

Items of a test run, `run_all`, sub-runbooks and the `runbook` fixture all ask this one class.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import anyio

from ..errors import AssertionsFailed, BlockSkipped, ContextError, Refused, RunbookError, TemplateError, TimedOut
from ..execution.assertions import AssertionEvaluator
from ..execution.result import AssertionTrace, BlockResult, Outcome, Verdict
from ..execution.time_limit import TimeLimit
from ..messages.events import Event, EventKind
from ..model.runbook import BlockSpec, OnFailure, display_type
from ..policy.permissions import refusal_of
from ..resources.process.supervisor import Leftover
from ..secrets.provenance import ReadLog
from ..text import show_limit
from .document import Document
from .executions import unsupported_reason
from .services import Services

RESERVE_PER_CLEANUP = 0.1
MAX_CLEANUP_RESERVE = 0.5
"""Of the time for clean-ups, what is kept for each of those that come later, and at most for all of them."""


@dataclass(frozen=True, slots=True)
class SkipDecision:
    """The decision not to run a block, and why. kind: what reports count it as, if they do."""

    reason: str
    kind: str | None = None


class RunbookRun:
    """One run of one document, block by block.

    results: what came of each block so far, by id, in the order in which they ended.
    blocked: why none of its blocks can run; None: they can.
    is_child: it is part of another run, which keeps what is worth it and ends what is left in the background.
    """

    def __init__(self, document: Document, services: Services, *, is_child: bool = False) -> None:
        self.document = document
        self._is_child = is_child
        self.results: dict[str, BlockResult] = {}
        self.blocked: RunbookError | None = None
        self._services = services
        self._stopped_by: BlockResult | None = None
        self._cancelled: str | None = None
        self._resumed: anyio.Event | None = None
        self._owned_faults: list[RunbookError] = []
        self._not_run: dict[int, str] = {}
        self._are_requirements_checked = False
        self._prompted: set[str] = set()
        self._started: set[str] = set()
        self._fetching: anyio.CancelScope | None = None
        self._started_at: float | None = None
        self._cleanup_started_at: float | None = None

    @property
    def is_started(self) -> bool:
        """True once a block was tried."""
        return self._started_at is not None

    async def step(
        self, block_id: str, *, upper_limit: TimeLimit | None = None, fixtures: Mapping[str, object] | None = None
    ) -> BlockResult:
        """Run one block, if it is to run; give what came of it. Cancelled, it ends the block before it returns.

        upper_limit: a deadline of somebody else's, which holds if it is shorter than the block's own.
        :raises KeyError: if the document has no such block.
        """
        self.document.set_fixtures(fixtures or {})
        spec = self.document.spec(block_id)
        try:
            skip = await self._static_skip(spec)
            if skip is None:
                await self._fetch_secrets(spec)
                await self._prompt_above(spec)
                skip = self._decide(spec)
            result = self._skipped(spec, skip) if skip else await self._execute(spec, upper_limit)
        except RunbookError as error:
            result = self._failed(spec, error)
        self._record_result(spec, result)
        return result

    def fail(self, block_id: str, error: RunbookError) -> BlockResult:
        """Take a block for failed that could not even be tried; give what came of it.

        :raises KeyError: if the document has no such block.
        """
        spec = self.document.spec(block_id)
        result = self._failed(spec, error)
        self._record_result(spec, result)
        return result

    def mark_not_run(self, reasons: Mapping[str, str]) -> None:
        """Know of blocks that do not run, although those below stand on them.

        reasons: what became of them, by id, for people: "was not selected".
        """
        for block_id, reason in reasons.items():
            spec = self.document.spec(block_id)
            if not spec.rules.is_cleanup and not spec.rules.runs_blocks_below(self.document.runbook.on_failure):
                self._not_run[self.document.number(spec)] = f"{self.document.label(spec)} {reason}: {spec.location}"

    @property
    def first_not_run(self) -> str | None:
        """What was left out first, of all that others stand on; None if nothing was."""
        return self._not_run[min(self._not_run)] if self._not_run else None

    def required_failure(self) -> RunbookError | None:
        """What is wrong if a block that the file requires has not passed."""
        faults = [fault for named in self.document.runbook.require if (fault := self._unpassed_block(named.name))]
        if not faults:
            return None
        hint = "`require` names blocks that must have passed, or the file fails"
        location = self.document.runbook.require[0].location
        return AssertionsFailed(f"required: {'; '.join(faults)}", location=location, hint=hint)

    def _unpassed_block(self, name: str) -> str | None:
        for spec in self.document.items:
            result = self.results.get(spec.id)
            if name in (spec.id, spec.name) and (result is None or result.outcome is not Outcome.PASSED):
                outcome_text = self.document.outcome_texts.get(spec.id, "was not run")
                why = f": {result.message}" if result is not None and result.message else ""
                return f"{self.document.label(spec)} {outcome_text}{why}"
        return None

    def unfinished_cleanups(self) -> tuple[tuple[BlockSpec, str], ...]:
        """Clean-ups of a run that was begun which have not cleaned up, and why: no turn, or a failure."""
        cleanups = (spec for spec in self.document.items if spec.rules.is_cleanup)
        found = ((spec, self._why_unfinished(spec)) for spec in cleanups) if self.is_started else ()
        return tuple((spec, why) for spec, why in found if why is not None)

    def _why_unfinished(self, spec: BlockSpec) -> str | None:
        result = self.results.get(spec.id)
        if result is None:
            return "was not run"
        return f"failed: {result.message}" if result.outcome is Outcome.FAILED else None

    async def run_all(
        self,
        start: str | None = None,
        *,
        limit: TimeLimit | None = None,
        on_next_block: Callable[[BlockSpec], object] | None = None,
    ) -> tuple[BlockResult, ...]:
        """Run every block in order, clean-ups last, and end what they left behind. Cancelled, it still cleans up.

        start: the id of the block to begin with. limit: for all blocks but the clean-ups together.
        on_next_block: is told which block is next.
        :raises KeyError: if nothing of that id runs.
        """
        remaining = self._items_from(start)
        ends_at = time.monotonic() + (limit.seconds if limit else 0.0)
        try:
            while remaining:
                spec = remaining[0]
                await self._wait_until_resumed()
                if on_next_block is not None:
                    on_next_block(spec)
                is_limited = limit is not None and not spec.rules.is_cleanup
                time_left = replace(limit, seconds=ends_at - time.monotonic()) if limit and is_limited else None
                await self.step(spec.id, upper_limit=time_left)
                del remaining[0]
        except anyio.get_cancelled_exc_class():
            self.cancel("cancelled")
            with anyio.CancelScope(shield=True):
                for spec in remaining[1:]:
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

    async def _wait_until_resumed(self) -> None:
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
        shutdown = self._services.shutdown_limit()
        for block_id, handle in self.document.running.items():
            if not is_first or not self._is_cleanup(block_id):
                handle.cancel(reason)
            elif shutdown is not None:
                handle.tighten_deadline(self._cleanup_share(shutdown) or shutdown)

    def _is_cleanup(self, block_id: str) -> bool:
        return any(spec.id == block_id and spec.rules.is_cleanup for spec in self.document.items)

    async def finish(self) -> Sequence[Leftover]:
        """End the processes that blocks left in the background; gives which they were."""
        if self.is_started:
            self._emit_end()
        if self._is_child:
            return ()
        return await self._services.resources.end_leftovers(self.document.run_id)

    async def _fetch_secrets(self, spec: BlockSpec) -> None:
        """Have what prints secrets run before anybody reads them; an interruption ends it."""
        if not self.document.read_available_secrets():
            return
        with anyio.CancelScope() as self._fetching:
            await self.document.fetch_secrets(spec.id)

    async def _prompt_above(self, spec: BlockSpec) -> None:
        """Have the person asked for what a block needs that no file holds, before it is decided upon; each once."""
        if not self._services.settings.is_interactive:
            return
        for other in self.document.above(spec.id):
            behavior = self.document.behavior(other.id)
            is_open = behavior is not None and behavior.prompts_first and other.id not in self._prompted
            if is_open and self._stopped(spec) is None:
                self._prompted.add(other.id)
                executions = self.document.executions
                await executions.run(executions.prepare(self.document.runnable(other.id)))

    async def _static_skip(self, spec: BlockSpec) -> SkipDecision | None:
        """Whether a block is not to run, as far as that can be told without touching anything."""
        if spec.rules.skip is not None:
            return SkipDecision(spec.rules.skip.reason)
        behavior = self.document.behavior(spec.id)
        if behavior is None:
            return SkipDecision(unsupported_reason(spec.type))
        refusal = refusal_of(self.document.runbook, spec, behavior, self._services.settings.permissions)
        if refusal is not None:
            return SkipDecision(refusal.message, refusal.kind)
        return self._stopped(spec) or await self._requirement_skip() or self.not_run_above(spec)

    async def _requirement_skip(self) -> SkipDecision | None:
        """Whether something is not to be had that the runbook requires; looked at once."""
        if not self._are_requirements_checked:
            with anyio.CancelScope() as self._fetching:
                missing = await self.document.find_missing_requirement()
                self.blocked = self.blocked or missing
                self._are_requirements_checked = True
        blocked = self.blocked
        return SkipDecision(blocked.message, blocked.kind) if isinstance(blocked, BlockSkipped) else None

    def _decide(self, spec: BlockSpec) -> SkipDecision | None:
        """Whether a block is to run, from what happened so far. Pure but for the evaluation of its `when`.

        :raises RunbookError: if it can't be decided; the block fails with this.
        """
        return self._stopped(spec) or self._context_fault(spec) or self._condition(spec)

    def _stopped(self, spec: BlockSpec) -> SkipDecision | None:
        if spec.rules.is_cleanup:
            return self._cleanup_not_needed(spec)
        if self._cancelled is not None:
            return SkipDecision(self._cancelled)
        if self._stopped_by is not None:
            why = self._stopped_by.stop_reason or "failed"
            return SkipDecision(f"{_block_label(self._stopped_by)} {why}: {self._stopped_by.location}")
        return None

    def not_run_above(self, spec: BlockSpec) -> SkipDecision | None:
        """What stands on a block that did not run does not run as if it had."""
        if self.blocked is not None or spec.rules.is_cleanup:
            return None
        above = [number for number in self._not_run if number < self.document.number(spec)]
        return SkipDecision(self._not_run[min(above)]) if above else None

    def _cleanup_not_needed(self, spec: BlockSpec) -> SkipDecision | None:
        required = spec.rules.if_started
        if not required:
            return None
        started = {
            key
            for result in self.results.values()
            if result.block_id in self._started and result.outcome is not Outcome.SKIPPED
            for key in (result.block_id, result.name)
        }
        return None if started & set(required) else SkipDecision(f"{', '.join(required)} was not started")

    def _context_fault(self, spec: BlockSpec) -> SkipDecision | None:
        """A context above that can't be evaluated fails the first block that would stand on it."""
        error = self.blocked or self.document.context_error_above(spec.id)
        if error is None:
            return None
        if isinstance(error, BlockSkipped):
            return SkipDecision(error.message)
        if not any((error.location, error.message) == (owned.location, owned.message) for owned in self._owned_faults):
            raise error
        what = error.message if error is self.blocked else f"{error.block or 'the context above'} can't be evaluated"
        return SkipDecision(f"{what}: {error.location}")

    def _condition(self, spec: BlockSpec) -> SkipDecision | None:
        condition = spec.rules.when
        if condition is None:
            return None
        services = self._services
        names = self.document.resolver_above(spec.id).names(ReadLog())
        explain = partial(self.document.explained, spec=spec)
        trace = AssertionEvaluator(names, services.masker, services.settings.difference, explain).evaluate(condition)
        if trace.verdict is Verdict.ERROR:
            message = f"when: {trace.source}: {trace.message}"
            raise TemplateError(message, location=condition.location, block=spec.label, hint=trace.hint)
        return None if trace.verdict is Verdict.PASSED else SkipDecision(f"when: {trace.source}{_with_values(trace)}")

    async def _execute(self, spec: BlockSpec, upper_limit: TimeLimit | None) -> BlockResult:
        if not self.is_started:
            self._started_at = time.monotonic()
            self._emit(EventKind.RUNBOOK_STARTED)
            self._emit(EventKind.SERIAL_EXECUTION_STARTED)
        limit = self._limit(spec, upper_limit)
        runner = self.document.executions.prepare(self.document.runnable(spec.id), limit)
        self._started.add(spec.id)
        try:
            result = await self.document.executions.run(runner)
        except anyio.get_cancelled_exc_class():
            ended = runner.context.handle.result
            assert ended is not None, "it was settled on the way out"
            self._record_result(spec, ended)
            raise
        if result.outcome is Outcome.PASSED:
            self._save(spec)
        return result

    def _limit(self, spec: BlockSpec, upper_limit: TimeLimit | None) -> TimeLimit:
        """The first deadline of all that hold for a block.

        :raises TimedOut: if it has passed already.
        """
        limits = [self._services.block_limit(self.document.runbook, spec), upper_limit]
        if spec.rules.is_cleanup:
            limits += [self._cleanup_share(self._cleanup_limit()), self._cleanup_share(self._services.shutdown_limit())]
        else:
            limits.append(self._runbook_limit())
        limit = min((limit for limit in limits if limit is not None), key=lambda limit: limit.seconds)
        if limit.seconds <= 0:
            raise TimedOut(f"no time is left for it ({limit.name})", location=spec.location, block=spec.label)
        return limit

    def _runbook_limit(self) -> TimeLimit | None:
        """What is left of the runbook's own limit."""
        total = self.document.runbook.timeouts.total
        if total is None or self._started_at is None:
            return None
        return TimeLimit(total - (time.monotonic() - self._started_at), f"the runbook's limit {show_limit(total)}")

    def _cleanup_limit(self) -> TimeLimit:
        """What is left of the limit of all clean-ups."""
        now = time.monotonic()
        if self._cleanup_started_at is None:
            self._cleanup_started_at = now
        seconds = self.document.runbook.timeouts.finally_ or self._services.settings.cleanup_timeout
        return TimeLimit(seconds - (now - self._cleanup_started_at), f"the clean-ups' limit {show_limit(seconds)}")

    def _cleanup_share(self, limit: TimeLimit | None) -> TimeLimit | None:
        """What the next clean-up may take of a limit: one that hangs leaves something to those that come after it."""
        fates, items = self.document.outcome_texts, self.document.items
        remaining = sum(spec.rules.is_cleanup and spec.id not in fates for spec in items) - 1
        if limit is None or remaining < 1:
            return limit
        reserved = min(remaining * RESERVE_PER_CLEANUP, MAX_CLEANUP_RESERVE)
        return TimeLimit(limit.seconds * (1 - reserved), f"{limit.name}, less what {remaining} more may need")

    def _record_result(self, spec: BlockSpec, result: BlockResult) -> None:
        self.results[spec.id] = result
        if result.outcome is Outcome.PASSED:
            self.document.outcome_texts[spec.id] = "ran without setting it"
            self._stop_if_requested(result)
            return
        self.document.outcome_texts[spec.id] = "failed" if result.outcome is Outcome.FAILED else "was skipped"
        if result.outcome is Outcome.SKIPPED:
            self._stop_if_requested(result)
            is_refused = result.kind == Refused.kind
            if is_refused or spec.rules.skip is not None:
                self.mark_not_run({spec.id: "was refused" if is_refused else "was skipped"})
        if result.outcome is Outcome.FAILED and not spec.rules.is_cleanup:
            on_failure = spec.rules.on_failure or self.document.runbook.on_failure
            if on_failure is OnFailure.STOP and self._stopped_by is None:
                self._stopped_by = result

    def _stop_if_requested(self, result: BlockResult) -> None:
        if result.stop_reason is not None and self._stopped_by is None:
            self._stopped_by = result

    def _save(self, spec: BlockSpec) -> None:
        if self._is_child:
            return
        try:
            self.document.save_context(spec.id)
        except (OSError, RunbookError) as error:
            self._services.warn(f"what blocks left could not be kept: {error}")

    def _skipped(self, spec: BlockSpec, skip: SkipDecision) -> BlockResult:
        message = self._services.masker.mask(skip.reason)
        return self._result(spec, Outcome.SKIPPED, kind=skip.kind, message=message)

    def _failed(self, spec: BlockSpec, error: RunbookError) -> BlockResult:
        """A block that failed before it could be started."""
        located, mask = error.with_location(spec.location, spec.label), self._services.masker.mask
        result = self._result(
            spec,
            Outcome.FAILED,
            kind=error.kind,
            message=mask(error.message),
            hint=error.hint and mask(error.hint),
            error_location=str(located.location),
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
            location=str(spec.location),
            checks_location=None if spec.checks_location is None else str(spec.checks_location),
            outcome=outcome,
            prose={key: self._services.masker.mask(text) for key, text in spec.rules.prose.texts().items()},
            **known,  # type: ignore[arg-type]  # the callers give fields of BlockResult
        )

    def _emit_end(self) -> None:
        failed = [result for result in self.results.values() if result.outcome is Outcome.FAILED]
        if self._cancelled is not None:
            self._emit(EventKind.SERIAL_EXECUTION_CANCELLED)
        elif failed:
            error = f"{_block_label(failed[0])}: {failed[0].message}"
            self._emit(EventKind.RUNBOOK_FAILED, error=error)
            self._emit(EventKind.SERIAL_EXECUTION_FAILED, error=error)
        else:
            self._emit(EventKind.RUNBOOK_COMPLETED)
            self._emit(EventKind.SERIAL_EXECUTION_COMPLETED)

    def _emit(self, kind: EventKind, **data: object) -> None:
        ids = {"runbook_id": self.document.runbook.id, "run_id": self.document.run_id}
        self._services.events.emit(Event(kind, {**ids, **data}))


def _block_label(result: BlockResult) -> str:
    called = f'"{result.name}"' if result.name else f"({display_type(result.type)})"
    return f"block {result.number} {called}"


def _with_values(trace: AssertionTrace) -> str:
    values = ", ".join(f"{operand.source} is {operand.value}" for operand in trace.operands)
    return f" ({values})" if values else " is false"
