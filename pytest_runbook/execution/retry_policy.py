"""Whether a block is tried again, when, and what is kept of its attempts. Decides only; the lifecycle acts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count

from ..errors import BlockSkipped, Cancelled, FileError, InternalError, InvalidValue, RunbookError
from ..model.runbook import BlockSpec, Retry
from .result import AssertionTrace, AttemptGroup

MAX_ATTEMPT_GROUPS = 40
_NOT_RETRYABLE = (FileError, InvalidValue, BlockSkipped, InternalError, Cancelled)


def retry_delays(retry: Retry, chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Seconds before each further attempt; without end where only a deadline ends them. chance: from 0 to 1."""
    delay = retry.every
    for _ in count() if retry.attempts is None else range(retry.attempts - 1):
        yield delay + retry.jitter * chance()
        delay *= retry.backoff


def is_retryable(error: RunbookError, traces: Iterable[AssertionTrace], spec: BlockSpec) -> bool:
    """True unless the failure is one of the file, which no attempt mends: a template, an unknown name, a bad URI.

    A name is unknown if it does not come from what the block gives itself.
    """
    if isinstance(error, _NOT_RETRYABLE):
        return False
    return all(trace.undefined is None or _is_set_by(spec, trace.undefined) for trace in traces)


def _is_set_by(spec: BlockSpec, dotted: str) -> bool:
    root, _, rest = dotted.partition(".")
    return root == "output" or (root == "var" and spec.may_set(rest.partition(".")[0]))


class AttemptLog:
    """What became of each attempt, in a line for each run of attempts that ended alike."""

    def __init__(self) -> None:
        self.count = 0
        self._lines: list[AttemptGroup] = []
        self._begun_at: float | None = None

    @property
    def lines(self) -> tuple[AttemptGroup, ...]:
        """In their order; of very many, those in the middle are left out."""
        return tuple(self._lines)

    def begin(self, at: float) -> None:
        """at: seconds since the first attempt began."""
        self.count += 1
        self._begun_at = at

    def end(self, at: float, failure: str | None) -> None:
        """Keep how the attempt that was begun last ended; nothing if that is known already."""
        if self._begun_at is None:
            return
        line = AttemptGroup(
            first=self.count, last=self.count, at=self._begun_at, seconds=at - self._begun_at, failure=failure
        )
        self._begun_at = None
        if self._lines and self._lines[-1].failure == failure:
            previous = self._lines.pop()
            line = replace(line, first=previous.first, at=previous.at, seconds=at - previous.at)
        self._lines.append(line)
        if len(self._lines) > MAX_ATTEMPT_GROUPS:
            del self._lines[MAX_ATTEMPT_GROUPS // 2]
