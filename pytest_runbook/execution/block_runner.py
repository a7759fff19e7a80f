"""One block from its start to its one end.

Whatever happens - success, a failure, a deadline, a cancellation, a fault of ours - the handle is settled exactly once,
after the blocks below can see what the block left and before anybody is told that it ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice

import anyio

from ..errors import Cancelled, InternalError, TimedOut
from ..messages.status import ExecutionStatus, State
from ..secrets.masker import MASK
from ..secrets.provenance import ContextValue
from ..text import show_seconds
from .assertions import show_value
from .attempt import Ending, Trial, internal
from .context import ExecutionContext, Findings
from .result import BlockResult, Provenance, outcome_of
from .retry_loop import Repeats

MOST_VALUES_TOLD = 20
LONGEST_VALUE_TOLD = 200
LONGEST_UNTOLD_ENDING = 0.5
RUN_ENDED = "the run was ended"


@dataclass(frozen=True, slots=True)
class Limit:
    """A deadline. seconds: from now. name: whose it is, for people: ``limit 5 s``."""

    seconds: float
    name: str


@dataclass(slots=True, kw_only=True)
class BlockRunner:
    """Runs one block through its lifecycle.

    number: its 1-based position in reports. repeats: its attempts and turns.
    """

    trial: Trial
    number: int
    repeats: Repeats = field(init=False)

    def __post_init__(self) -> None:
        self.repeats = Repeats(self.trial)

    @property
    def context(self) -> ExecutionContext:
        return self.trial.context

    async def run(self) -> BlockResult:
        """Run it and settle its handle."""
        ending = Ending(InternalError("the block ended without saying how"))
        try:
            ending = await self._until_end()
        except BaseException:
            ending = Ending(self.context.handle.cancellation or Cancelled("cancelled"))
            raise
        finally:
            result = self._settle(ending)
        return result

    async def _until_end(self) -> Ending:
        """Work under the deadline; a deadline that passed and a cancellation become endings of their own."""
        handle = self.context.handle
        begun = anyio.current_time()
        ending: Ending | None = None
        handle.hurry(handle.limit)
        with handle.scope as scope:
            self.context.block_started()
            ending = await self.repeats.run()
        if ending is not None:
            return ending
        if handle.cancellation is not None:
            return Ending(handle.cancellation)
        return self._timed_out(scope.deadline - begun, anyio.current_time() - scope.deadline)

    def _timed_out(self, seconds: float, ending_it: float) -> Ending:
        turn, turns = self.repeats.turn, self.repeats.turns.turns
        where = f" in turn {len(turns) + 1}: {turn}" if turn else ""
        error = TimedOut(f"timed out after {show_seconds(seconds)} ({self.context.handle.limit.name}){where}")
        ending = self.trial.judged_error(error)
        if ending_it < LONGEST_UNTOLD_ENDING:
            return ending
        return replace(ending, notes=(*ending.notes, f"ending it took {show_seconds(ending_it)}"))

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
            outcome=outcome_of(error),
            kind=error.kind if error else None,
            message=redact(error.message) if error else None,
            hint=redact(error.hint) if error and error.hint else None,
            error_place=str(error.place) if error else None,
            seconds=self.repeats.elapsed,
            attempts=self.repeats.count,
            attempt_log=tuple(self.repeats.log),
            turns=tuple(self.repeats.turns.turns),
            assertions=ending.assertions,
            warnings=self.trial.warnings,
            did=findings.did and redact(findings.did),
            where=findings.where and redact(findings.where),
            host=redact(context.resolver.host),
            exit_code=findings.exit_code,
            sections=self.trial.sections(),
            provenance=self._provenance(),
            notes=tuple(redact(note) for note in (*ending.notes, *findings.notes)),
            children=findings.children,
            stops=findings.stops and redact(findings.stops),
        )

    def _provenance(self) -> tuple[Provenance, ...]:
        """The values that the block read and others had set."""
        told = (item for item in self.context.reads.values.items() if item[1].source != self.trial.source)
        return tuple(self._told(name, value) for name, value in islice(told, MOST_VALUES_TOLD))

    def _told(self, name: str, value: ContextValue) -> Provenance:
        text = MASK if value.sensitive else self.context.redactor.redact(show_value(value.value, LONGEST_VALUE_TOLD))
        return Provenance(name, text, str(value.source))

    def _settle(self, ending: Ending) -> BlockResult:
        """Make it final, and then say so."""
        context, error = self.context, ending.error
        context.finish_output()
        self.repeats.log_end(ending)
        try:
            result = self._result(ending)
        except Exception as fault:  # a block type told nonsense of its work
            context.findings, error = Findings(), internal(fault)
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
