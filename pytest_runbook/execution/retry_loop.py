"""The retries and the iterations of a block."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from ..errors import BlockSkipped, RunbookError, TimedOut
from ..model.runbook import Condition, ForEach, Retry
from ..secrets.provenance import ReadLog
from ..text import shorten, show_limit
from .assertions import show_value
from .attempt import Attempt, Ending
from .context import ExecutionContext
from .for_each import IterationResults, for_each_items, iteration_roots
from .report_details import ReportDetails
from .result import AttemptGroup, Iteration, outcome_of
from .retry_policy import AttemptLog, is_retryable, retry_delays

MAX_FAILURE_TEXT = 120
MAX_ITEM_TEXT = 200


@dataclass(slots=True)
class RetryLoop:
    """Runs a block until it passes or its retries are used up; with ``for_each``, once for each item.

    Without `retry` there is one attempt. With it, each iteration has its own attempts, each within `attempt_timeout`,
    all within `retry.within`. Failures that no retry can help are not retried (`is_retryable`). The loop counts and
    logs the attempts. The block's own deadline is set outside of it, by `BlockRunner`.

    iteration_label: describes the current iteration; "" if there are none.
    """

    attempt: Attempt
    iteration_label: str = ""
    iteration_results: IterationResults = field(default_factory=IterationResults)
    _log: AttemptLog = field(default_factory=AttemptLog)
    _started: float = field(default_factory=time.monotonic)

    async def run(self) -> Ending:
        """Run all iterations and attempts."""
        for_each = self.context.spec.rules.for_each
        return await (self._run_attempts() if for_each is None else self._run_for_each(for_each))

    @property
    def context(self) -> ExecutionContext:
        return self.attempt.context

    @property
    def count(self) -> int:
        """The number of attempts."""
        return sum(iteration.attempts for iteration in self.iteration_results.iterations) or self._log.count or 1

    @property
    def log(self) -> Sequence[AttemptGroup]:
        """The log of the attempts; empty if there are iterations, which have their own counts."""
        return () if self.iteration_results.iterations else self._log.lines

    @property
    def elapsed(self) -> float:
        """Seconds since the block was started."""
        return time.monotonic() - self._started

    async def _run_for_each(self, for_each: ForEach) -> Ending:
        """Run one iteration for each item. A failed one does not stop the others."""
        resolver = self.context.resolver
        try:
            items = for_each_items(self._iterated_value(for_each))
        except RunbookError as error:
            return Ending(self.attempt.explain(error.with_location(for_each.location)))
        if not items:
            return Ending(BlockSkipped("for_each: there is nothing to go over"))
        for index, item in enumerate(items):
            self.iteration_label = self.context.masker.mask(f"{for_each.name} = {show_value(item, MAX_ITEM_TEXT)}")
            self.context.resolver = replace(
                resolver, roots={**resolver.roots, **iteration_roots(for_each.name, items, index)}
            )
            await self._run_iteration(index + 1)
        self.context.resolver = resolver
        return self._combine_iterations()

    def _iterated_value(self, for_each: ForEach) -> object:
        """Return the value to iterate over. Its items are added to the masker if a secret was used to make it."""
        if not isinstance(for_each.over, Condition):
            return for_each.over
        read_log = ReadLog()
        value = self.attempt.evaluator(None, {}, read_log).value(for_each.over)
        if read_log.sensitive:
            for item in for_each_items(value):
                self.context.masker.add_data(item, f"each.{for_each.name}")
        self.context.read_log.values.update(read_log.values)
        return value

    async def _run_iteration(self, number: int) -> None:
        self._log, self.context.report_details, started = AttemptLog(), ReportDetails(), time.monotonic()
        ending = await self._run_attempts()
        error = ending.error
        iteration = Iteration(
            number=number,
            label=self.iteration_label,
            outcome=outcome_of(error),
            message=None if error is None else self.context.masker.mask(error.message),
            seconds=time.monotonic() - started,
            attempts=self._log.count or 1,
        )
        self.iteration_results.add_output(self.attempt.output, self.attempt.variables)
        self.iteration_results.add_iteration(iteration, self.attempt.warnings, self.context.report_details)
        if error is not None:
            self.iteration_results.add_failure(
                iteration, error, ending.assertions, self.attempt.sections(), self.context.report_details.exit_code
            )

    def _combine_iterations(self) -> Ending:
        """Publish the combined outputs and variables of all iterations, and return their combined ending."""
        results = self.iteration_results
        self.attempt.warnings = tuple(results.warnings)
        self.context.report_details = ReportDetails(
            did=f"{len(results.iterations)} turns, {len(results.errors)} failed",
            where=self.context.report_details.where,
            exit_code=results.exit_code,
            output=lambda: results.sections,
            notes=results.notes,
            children=tuple(results.children),
            stop_reason=results.stop_reason,
        )
        self.context.set_output(results.output())
        self.attempt.publish(results.collected_variables())
        return Ending(results.error(), tuple(results.assertions))

    async def _run_attempts(self) -> Ending:
        """Run one attempt, or several if the block has `retry`."""
        retry = self.context.spec.rules.retry
        if retry is None:
            return await self.attempt.run()
        return await self._run_with_timeout(retry.within, "retry within", partial(self._run_with_retry, retry))

    async def _run_with_retry(self, retry: Retry) -> Ending:
        resolver, waits = self.context.resolver, retry_delays(retry)
        while True:
            self.context.resolver, self.context.report_details = resolver, ReportDetails()
            self._log.begin(self.elapsed)
            ending = await self._run_with_timeout(retry.attempt_timeout, "attempt_timeout", self.attempt.run)
            self.record_end(ending)
            pause = None if self._is_final(ending) else next(waits, None)
            if pause is None:
                return ending
            # The deadline of a cancelled scope is -inf: without this, a cancellation would look like a lack of time.
            await checkpoint_if_cancelled()
            if anyio.current_time() + pause >= anyio.current_effective_deadline():
                return replace(ending, notes=(*ending.notes, "no time was left for another attempt"))
            await anyio.sleep(pause)

    def _is_final(self, ending: Ending) -> bool:
        error = ending.error
        return ending.is_final or error is None or not is_retryable(error, ending.assertions, self.context.spec)

    async def _run_with_timeout(
        self, seconds: float | None, key: str, attempt: Callable[[], Awaitable[Ending]]
    ) -> Ending:
        """Run an attempt, or several, within a timeout; None: no timeout. key: the key that sets it, for the error."""
        with anyio.move_on_after(seconds):
            return await attempt()
        assert seconds is not None
        return self.attempt.ending_of_error(TimedOut(f"timed out ({key} {show_limit(seconds)})"))

    def record_end(self, ending: Ending) -> None:
        """Log how an attempt ended, unless that is logged already."""
        mask = self.context.masker.mask
        failure = None if ending.error is None else shorten(mask(ending.error.message), MAX_FAILURE_TEXT)
        self._log.end(self.elapsed, failure)
