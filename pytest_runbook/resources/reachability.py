"""Remembers what could not be reached, so that one server that is down is one error."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ..errors import KnownUnreachable, RunbookError

VERDICT_SECONDS = 60.0
"""How long a failure counts. After that, a run that has started the server can reach it."""


@dataclass(frozen=True, slots=True)
class UnreachableVerdict:
    """A failure to reach something. owner: the block, in display form. at: monotonic seconds."""

    error: RunbookError
    owner: str
    at: float


@dataclass(slots=True)
class Reachability:
    """The failures of a run by target; each counts for `VERDICT_SECONDS`."""

    _verdicts: dict[str, UnreachableVerdict] = field(default_factory=dict)

    def check(self, target: str) -> None:
        """Check that the target has not just been found unreachable.

        :raises KnownUnreachable: if it was, within `VERDICT_SECONDS`.
        """
        verdict = self._verdicts.get(target)
        if verdict is not None and time.monotonic() - verdict.at < VERDICT_SECONDS:
            where = f" ({verdict.error.location})" if verdict.error.location else ""
            raise KnownUnreachable(f"{verdict.owner}{where} could not reach it: {verdict.error.message}")

    def record_failure(self, target: str, error: RunbookError, owner: str) -> None:
        """Record that a block could not reach the target."""
        self._verdicts[target] = UnreachableVerdict(error, owner, time.monotonic())

    def forget(self, target: str) -> None:
        """Forget a failure, because the target has been reached."""
        self._verdicts.pop(target, None)
