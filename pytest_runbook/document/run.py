"""The flow of a run: decides which blocks run, which are skipped and why, and runs the clean-ups.

Test items, `run_all`, sub-runbooks and the `runbook` fixture all use it.
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
"""The share of the clean-ups' time that is reserved for each later clean-up."""
MAX_CLEANUP_RESERVE = 0.5
"""The largest share of the clean-ups' time that is reserved for all later ones."""


@dataclass(frozen=True, slots=True)
class SkipDecision:
    """The decision to skip a block. kind: the kind in its result; None if it has none."""

    reason: str
    kind: str | None = None


class RunbookRun:
    """One run of a document, block by block.

    `step` runs one block: it first decides whether the block is skipped, from the results so far, then runs it and
    records its result. After a failure the remaining blocks are skipped, unless `on_failure` is `continue`; clean-ups
    run all the same. `run_all` makes all steps in order, and test items make theirs in the order of the session.
    `cancel` ends the running block and skips the others but the clean-ups; a running clean-up ends at the second call.

    results: the results so far, by id, in the order in which the blocks ended.
    blocked: the error because of which no block can run; None if they can.
    is_child: True for a sub-runbook. Its contexts are not stored, and the outer run ends its background processes.
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
        self._reported_errors: list[RunbookError] = []
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
        """Run one block if it is not to be skipped, and return its result. If cancelled, the block is ended first.

        upper_limit: the caller's deadline; it applies if it is shorter than the block's own.
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
        """Record a failure of a block that could not be tried, and return its result.

        :raises KeyError: if the document has no such block.
        """
        spec = self.document.spec(block_id)
        result = self._failed(spec, error)
        self._record_result(spec, result)
        return result

    def mark_not_run(self, reasons: Mapping[str, str]) -> None:
        """Record blocks that do not run, so that the blocks below them are skipped.

        reasons: why, by id, for reports: "was not selected".
        """
        for block_id, reason in reasons.items():
            spec = self.document.spec(block_id)
            if not spec.rules.is_cleanup and not spec.rules.runs_blocks_below(self.document.runbook.on_failure):
                self._not_run[self.document.number(spec)] = f"{self.document.label(spec)} {reason}: {spec.location}"

    @property
    def first_not_run(self) -> str | None:
        """A text about the first block that did not run although others depend on it; None if there is none."""
        return self._not_run[min(self._not_run)] if self._not_run else None

    def required_failure(self) -> RunbookError | None:
        """Return an error if a block that the file requires has not passed; None if all have."""
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
        """Return the clean-ups that failed or were not run, and why; none if no block was tried."""
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
        """Run every block in order, clean-ups last, and end the processes they left. If cancelled, the clean-ups run
        first.

        start: the id of the block to begin with. limit: for all blocks but the clean-ups together.
        on_next_block: called with each block before it runs.
        :raises KeyError: if there is no item of that id.
        """
        remaining, earlier = self._items_from(start), dict(self.results)
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
                # `_execute` has recorded the result of the block that was cancelled. Of the others, only clean-ups run.
                for spec in remaining:
                    if self.results.get(spec.id) is earlier.get(spec.id):
                        await self.step(spec.id)
            raise
        finally:
            await self.finish()
        return tuple(self.results.values())

    def pause(self) -> None:
        """Start no further block until `resume` or `cancel` is called."""
        if self._resumed is None:
            self._resumed = anyio.Event()
            self._emit(EventKind.SERIAL_EXECUTION_PAUSED)

    def resume(self) -> None:
        """Start blocks again after `pause`."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    async def _wait_until_resumed(self) -> None:
        while self._resumed is not None:
            await self._resumed.wait()

    def _items_from(self, start: str | None) -> list[BlockSpec]:
        """Return the blocks to run: all of them, or a block, those below it, and every clean-up."""
        items = list(self.document.items)
        if start is None:
            return items
        ids = [spec.id for spec in items]
        if start not in ids:
            raise KeyError(start)
        return [spec for index, spec in enumerate(items) if index >= ids.index(start) or spec.rules.is_cleanup]

    def cancel(self, reason: str) -> None:
        """Cancel the run: end the running block, and run only clean-ups after it. A second call ends running clean-ups,
        too.

        A clean-up that is running while the runtime shuts down gets the time that is left for that.
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
        """End the processes that blocks left in the background, and return them.
        A child leaves that to the outer run.
        """
        if self.is_started:
            self._emit_end()
        if self._is_child:
            return ()
        return await self._services.resources.end_leftovers(self.document.run_id)

    async def _fetch_secrets(self, spec: BlockSpec) -> None:
        """Run the commands of the secrets that a block reads. `cancel` ends them."""
        if not self.document.read_available_secrets():
            return
        with anyio.CancelScope() as self._fetching:
            await self.document.fetch_secrets(spec.id)

    async def _prompt_above(self, spec: BlockSpec) -> None:
        """Run the context blocks above a block that ask the user for a value, each once, before anything reads the
        value.
        """
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
        """Return why a block is skipped, as far as it is known without rendering anything."""
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
        """Return a skip if a requirement of the runbook is not met. They are checked once in a run."""
        if not self._are_requirements_checked:
            with anyio.CancelScope() as self._fetching:
                missing = await self.document.find_missing_requirement()
                self.blocked = self.blocked or missing
                self._are_requirements_checked = True
        blocked = self.blocked
        return SkipDecision(blocked.message, blocked.kind) if isinstance(blocked, BlockSkipped) else None

    def _decide(self, spec: BlockSpec) -> SkipDecision | None:
        """Return why a block is skipped, from the results and contexts so far; None if it runs.

        :raises RunbookError: if that can't be evaluated. The block fails with this error.
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
        """Return a skip if a block above, on which this one depends, did not run."""
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
        """Return a skip if the context above a block has an error. The first block below the error fails with it
        instead.
        """
        error = self.blocked or self.document.context_error_above(spec.id)
        if error is None:
            return None
        if isinstance(error, BlockSkipped):
            return SkipDecision(error.message)
        reported = ((known.location, known.message) for known in self._reported_errors)
        if (error.location, error.message) not in reported:
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
        """Return the earliest of the deadlines of a block.

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
        """Return what is left of the runbook's own limit; None if it has none."""
        total = self.document.runbook.timeouts.total
        if total is None or self._started_at is None:
            return None
        return TimeLimit(total - (time.monotonic() - self._started_at), f"the runbook's limit {show_limit(total)}")

    def _cleanup_limit(self) -> TimeLimit:
        """Return what is left of the limit of all clean-ups."""
        now = time.monotonic()
        if self._cleanup_started_at is None:
            self._cleanup_started_at = now
        seconds = self.document.runbook.timeouts.finally_ or self._services.settings.cleanup_timeout
        return TimeLimit(seconds - (now - self._cleanup_started_at), f"the clean-ups' limit {show_limit(seconds)}")

    def _cleanup_share(self, limit: TimeLimit | None) -> TimeLimit | None:
        """Return the part of a limit that the next clean-up may use. The rest is kept for the clean-ups after it."""
        ended = self.document.outcome_texts
        remaining = sum(spec.rules.is_cleanup and spec.id not in ended for spec in self.document.items) - 1
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
        """Return the result of a block that failed before it was started."""
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
            self._reported_errors.append(error)
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
