"""A block tried more than once: again until it comes out well, and once for each item of something."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from ..errors import NotTried, RunbookError, TimedOut
from ..model.runbook import Condition, Loop, Retry
from ..secrets.provenance import Reads
from ..text import shorten, show_limit
from .assertions import show_value
from .attempt import Ending, Trial
from .context import ExecutionContext, Findings
from .for_each import TurnsSoFar, items_of, roots_of
from .result import Attempts, Turn, outcome_of
from .retry_policy import AttemptLog, may_help, pauses

LONGEST_FAILURE = 120
LONGEST_ITEM = 200


@dataclass(slots=True)
class Repeats:
    """Makes the attempts at a block, and takes its turns.

    turn: what the turn that is under way is about; "" where there are none.
    """

    trial: Trial
    turn: str = ""
    turns: TurnsSoFar = field(default_factory=TurnsSoFar)
    _log: AttemptLog = field(default_factory=AttemptLog)
    _started: float = field(default_factory=time.monotonic)

    async def run(self) -> Ending:
        """All of it, without a deadline."""
        loop = self.context.spec.rules.loop
        return await (self._attempts() if loop is None else self._loop(loop))

    @property
    def context(self) -> ExecutionContext:
        return self.trial.context

    @property
    def count(self) -> int:
        """How many attempts there were."""
        return sum(turn.attempts for turn in self.turns.turns) or self._log.count or 1

    @property
    def log(self) -> Sequence[Attempts]:
        """What became of each attempt; nothing where turns tell it."""
        return () if self.turns.turns else self._log.lines

    @property
    def elapsed(self) -> float:
        """Seconds since the block was started."""
        return time.monotonic() - self._started

    async def _loop(self, loop: Loop) -> Ending:
        """A turn for each item, all of them whatever becomes of one."""
        resolver = self.context.resolver
        try:
            items = items_of(self._over(loop))
        except RunbookError as error:
            return Ending(self.trial.explain(error.located(loop.place)))
        if not items:
            return Ending(NotTried("for_each: there is nothing to go over"))
        for index, item in enumerate(items):
            self.turn = self.context.redactor.redact(f"{loop.name} = {show_value(item, LONGEST_ITEM)}")
            self.context.resolver = replace(resolver, roots={**resolver.roots, **roots_of(loop.name, items, index)})
            await self._take_turn(index + 1)
        self.context.resolver = resolver
        return self._all_turns()

    def _over(self, loop: Loop) -> object:
        """What the turns go over; secret if it was made of something that is."""
        if not isinstance(loop.over, Condition):
            return loop.over
        reads = Reads()
        value = self.trial.judge(None, {}, reads).value(loop.over)
        if reads.sensitive:
            for item in items_of(value):
                self.context.redactor.add_data(item, f"each.{loop.name}")
        self.context.reads.values.update(reads.values)
        return value

    async def _take_turn(self, number: int) -> None:
        self._log, self.context.findings, started = AttemptLog(), Findings(), time.monotonic()
        ending = await self._attempts()
        error = ending.error
        turn = Turn(
            number=number,
            label=self.turn,
            outcome=outcome_of(error),
            message=None if error is None else self.context.redactor.redact(error.message),
            seconds=time.monotonic() - started,
            attempts=self._log.count or 1,
        )
        self.turns.leave(self.trial.output, self.trial.variables)
        self.turns.add(turn, self.trial.warnings, self.context.findings)
        if error is not None:
            self.turns.add_failure(
                turn, error, ending.assertions, self.trial.sections(), self.context.findings.exit_code
            )

    def _all_turns(self) -> Ending:
        """What the turns come to; the block leaves what each of them left."""
        turns = self.turns
        self.trial.warnings = tuple(turns.warnings)
        self.context.findings = Findings(
            did=f"{len(turns.turns)} turns, {len(turns.errors)} failed",
            where=self.context.findings.where,
            exit_code=turns.exit_code,
            output=lambda: turns.sections,
            notes=turns.notes,
            children=tuple(turns.children),
            stops=turns.stops,
        )
        self.context.set_output(turns.output())
        self.trial.publish(turns.variables_of_all())
        return Ending(turns.error(), tuple(turns.assertions))

    async def _attempts(self) -> Ending:
        """One attempt, or as many as its author wants."""
        retry = self.context.spec.rules.retry
        if retry is None:
            return await self.trial.attempt()
        return await self._timed(retry.within, "retry within", partial(self._retried, retry))

    async def _retried(self, retry: Retry) -> Ending:
        resolver, waits = self.context.resolver, pauses(retry)
        while True:
            self.context.resolver, self.context.findings = resolver, Findings()
            self._log.begin(self.elapsed)
            ending = await self._timed(retry.attempt_timeout, "attempt_timeout", self.trial.attempt)
            self.log_end(ending)
            pause = None if self._is_final(ending) else next(waits, None)
            if pause is None:
                return ending
            await checkpoint_if_cancelled()  # who is cancelled has no deadline any more that could be too near
            if anyio.current_time() + pause >= anyio.current_effective_deadline():
                return replace(ending, notes=(*ending.notes, "no time was left for another attempt"))
            await anyio.sleep(pause)

    def _is_final(self, ending: Ending) -> bool:
        error = ending.error
        return ending.is_final or error is None or not may_help(error, ending.assertions, self.context.spec)

    async def _timed(self, seconds: float | None, key: str, attempt: Callable[[], Awaitable[Ending]]) -> Ending:
        """What comes of it within a deadline of its own, if it has one."""
        with anyio.move_on_after(seconds):
            return await attempt()
        assert seconds is not None
        return self.trial.judged_error(TimedOut(f"timed out ({key} {show_limit(seconds)})"))

    def log_end(self, ending: Ending) -> None:
        """Keep how an attempt ended, the first time that somebody says it."""
        redact = self.context.redactor.redact
        failure = None if ending.error is None else shorten(redact(ending.error.message), LONGEST_FAILURE)
        self._log.end(self.elapsed, failure)
