"""Decides whether and when a block is tried again, and logs its attempts. The retry loop acts on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count

from ..errors import BlockSkipped, Cancelled, FileError, InternalError, InvalidValue, RunbookError
from ..model.runbook import BlockSpec, Retry
from .result import AssertionTrace, AttemptGroup

MAX_ATTEMPT_GROUPS = 40
"""The most groups of attempts that are kept."""
_NOT_RETRYABLE = (FileError, InvalidValue, BlockSkipped, InternalError, Cancelled)


def retry_delays(retry: Retry, chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt; without end if only a deadline limits the attempts.

    chance: returns a random number from 0 to 1.
    """
    delay = retry.every
    for _ in count() if retry.attempts is None else range(retry.attempts - 1):
        yield delay + retry.jitter * chance()
        delay *= retry.backoff


def is_retryable(error: RunbookError, traces: Iterable[AssertionTrace], spec: BlockSpec) -> bool:
    """Return True unless the file causes the failure, so that no retry can help: a template, an unknown name, a bad
    URI.

    An undefined name is unknown unless the block itself sets it.
    """
    if isinstance(error, _NOT_RETRYABLE):
        return False
    return all(trace.undefined is None or _is_set_by(spec, trace.undefined) for trace in traces)


def _is_set_by(spec: BlockSpec, dotted: str) -> bool:
    root, _, rest = dotted.partition(".")
    return root == "output" or (root == "var" and spec.may_set(rest.partition(".")[0]))


class AttemptLog:
    """Logs attempts. Successive attempts with the same failure form one group."""

    def __init__(self) -> None:
        self.count = 0
        self._lines: list[AttemptGroup] = []
        self._started_at: float | None = None

    @property
    def lines(self) -> tuple[AttemptGroup, ...]:
        """The groups in order. If there are very many, those in the middle are left out."""
        return tuple(self._lines)

    def begin(self, at: float) -> None:
        """Log the start of an attempt. at: seconds since the first attempt began."""
        self.count += 1
        self._started_at = at

    def end(self, at: float, failure: str | None) -> None:
        """Log the end of the attempt that began last. Nothing happens if it is logged already."""
        if self._started_at is None:
            return
        line = AttemptGroup(
            first=self.count, last=self.count, at=self._started_at, seconds=at - self._started_at, failure=failure
        )
        self._started_at = None
        if self._lines and self._lines[-1].failure == failure:
            previous = self._lines.pop()
            line = replace(line, first=previous.first, at=previous.at, seconds=at - previous.at)
        self._lines.append(line)
        if len(self._lines) > MAX_ATTEMPT_GROUPS:
            del self._lines[MAX_ATTEMPT_GROUPS // 2]
