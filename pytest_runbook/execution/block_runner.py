"""Runs one block from its start to its result.

The handle is settled exactly once, whatever happens: success, failure, deadline, cancellation, a bug. That is after the
blocks below can see what the block left, and before its end is announced.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice

import anyio

from ..errors import Cancelled, InternalError, TimedOut
from ..messages.status import ExecutionState, ExecutionStatus
from ..secrets.masker import MASK
from ..secrets.provenance import ContextValue
from ..text import show_seconds
from .assertions import show_value
from .attempt import Attempt, Ending, internal_error
from .context import ExecutionContext
from .report_details import ReportDetails
from .result import BlockResult, Provenance, outcome_of
from .retry_loop import RetryLoop

MAX_PROVENANCE_VALUES = 20
MAX_PROVENANCE_TEXT = 200
UNREPORTED_OVERRUN = 0.5
"""Seconds by which ending a block may exceed its deadline without a note in the report."""
RUN_ENDED = "the run was ended"


@dataclass(slots=True, kw_only=True)
class BlockRunner:
    """Runs one block: starts it, applies its deadline, and settles its handle with the result.

    The work is done by `RetryLoop`, which runs one `Attempt` or several. A deadline that has passed and a cancellation
    become failures of the block like any other. If the task of `run` itself is cancelled, the result is settled first,
    and the cancellation goes on.

    number: the block's 1-based position in reports.
    """

    attempt: Attempt
    number: int
    retry_loop: RetryLoop = field(init=False)

    def __post_init__(self) -> None:
        self.retry_loop = RetryLoop(self.attempt)

    @property
    def context(self) -> ExecutionContext:
        return self.attempt.context

    async def run(self) -> BlockResult:
        """Run the block and settle its handle."""
        ending = Ending(InternalError("the block ended without saying how"))
        try:
            ending = await self._run_to_end()
        except BaseException:
            ending = Ending(self.context.handle.cancellation or Cancelled("cancelled"))
            raise
        finally:
            result = self._settle(ending)
        return result

    async def _run_to_end(self) -> Ending:
        """Run the block under its deadline. Return the ending, also after a timeout or a cancellation."""
        handle = self.context.handle
        started_at = anyio.current_time()
        ending: Ending | None = None
        handle.tighten_deadline(handle.limit)
        with handle.scope as scope:
            self.context.block_started()
            ending = await self.retry_loop.run()
        # The block may have ended by itself while its scope was being cancelled: then its own ending counts.
        if ending is not None:
            return ending
        if handle.cancellation is not None:
            return Ending(handle.cancellation)
        return self._timed_out(scope.deadline - started_at, anyio.current_time() - scope.deadline)

    def _timed_out(self, seconds: float, overrun: float) -> Ending:
        iteration, iterations = self.retry_loop.iteration_label, self.retry_loop.iteration_results.iterations
        position = f" in turn {len(iterations) + 1}: {iteration}" if iteration else ""
        error = TimedOut(f"timed out after {show_seconds(seconds)} ({self.context.handle.limit.name}){position}")
        ending = self.attempt.ending_of_error(error)
        if overrun < UNREPORTED_OVERRUN:
            return ending
        return replace(ending, notes=(*ending.notes, f"ending it took {show_seconds(overrun)}"))

    def _result(self, ending: Ending) -> BlockResult:
        context, spec = self.context, self.context.spec
        mask = context.masker.mask
        error = ending.error and ending.error.with_location(spec.location, spec.label)
        report_details = context.report_details
        return BlockResult(
            block_id=spec.id,
            name=spec.name,
            type=spec.type,
            number=self.number,
            location=str(spec.location),
            checks_location=None if spec.checks_location is None else str(spec.checks_location),
            outcome=outcome_of(error),
            kind=error.kind if error else None,
            message=mask(error.message) if error else None,
            hint=mask(error.hint) if error and error.hint else None,
            error_location=str(error.location) if error else None,
            seconds=self.retry_loop.elapsed,
            attempts=self.retry_loop.count,
            attempt_log=tuple(self.retry_loop.log),
            iterations=tuple(self.retry_loop.iteration_results.iterations),
            assertions=ending.assertions,
            warnings=self.attempt.warnings,
            did=report_details.did and mask(report_details.did),
            where=report_details.where and mask(report_details.where),
            host=mask(context.resolver.host),
            exit_code=report_details.exit_code,
            sections=self.attempt.sections(),
            provenance=self._provenance(),
            notes=tuple(mask(note) for note in (*ending.notes, *report_details.notes)),
            children=report_details.children,
            stop_reason=report_details.stop_reason and mask(report_details.stop_reason),
            prose={key: mask(text) for key, text in spec.rules.prose.texts().items()},
        )

    def _provenance(self) -> tuple[Provenance, ...]:
        """Return the values that the block read, without those that it set itself."""
        read_values = (item for item in self.context.read_log.values.items() if item[1].origin != self.attempt.origin)
        return tuple(self._provenance_of(name, value) for name, value in islice(read_values, MAX_PROVENANCE_VALUES))

    def _provenance_of(self, name: str, value: ContextValue) -> Provenance:
        text = MASK if value.sensitive else self.context.masker.mask(show_value(value.value, MAX_PROVENANCE_TEXT))
        return Provenance(name, text, str(value.origin))

    def _settle(self, ending: Ending) -> BlockResult:
        """Settle the handle, then announce the end of the block."""
        context, error = self.context, ending.error
        context.finish_output()
        self.retry_loop.record_end(ending)
        try:
            result = self._result(ending)
        except Exception as fault:  # a block type has set report details of wrong types
            context.report_details, error = ReportDetails(), internal_error(fault)
            result = self._result(Ending(error))
        if error is None:
            context.handle.settle(ExecutionStatus(ExecutionState.SUCCESS), result)
            context.block_finished(result.exit_code)
        elif isinstance(error, Cancelled):
            context.handle.settle(ExecutionStatus(ExecutionState.CANCELLED, error), result)
            context.block_cancelled()
        else:
            context.handle.settle(ExecutionStatus(ExecutionState.FAILED, error), result)
            context.block_failed(error.message)
        return result
