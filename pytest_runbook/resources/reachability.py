"""What could not be reached, and who found out: so that one server that is down is one error."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ..errors import KnownUnreachable, RunbookError

VERDICT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class UnreachableVerdict:
    """Somebody failed to reach something. owner: the block, for people. at: monotonic seconds."""

    error: RunbookError
    owner: str
    at: float


@dataclass(slots=True)
class Reachability:
    """Verdicts by what was to be reached; each lasts a minute, so that a run which starts a server can reach it."""

    _verdicts: dict[str, UnreachableVerdict] = field(default_factory=dict)

    def check(self, target: str) -> None:
        """Let those pass who have a chance.

        :raises KnownUnreachable: if somebody failed to reach it within the last minute.
        """
        verdict = self._verdicts.get(target)
        if verdict is not None and time.monotonic() - verdict.at < VERDICT_SECONDS:
            where = f" ({verdict.error.location})" if verdict.error.location else ""
            raise KnownUnreachable(f"{verdict.owner}{where} could not reach it: {verdict.error.message}")

    def record_failure(self, target: str, error: RunbookError, owner: str) -> None:
        """Keep that somebody could not reach it."""
        self._verdicts[target] = UnreachableVerdict(error, owner, time.monotonic())

    def forget(self, target: str) -> None:
        """Somebody reached it: what was said before counts no more."""
        self._verdicts.pop(target, None)
