"""The status of an execution."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import RunbookError


class ExecutionState(StrEnum):
    """The states of an execution. All but ``running`` are final."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ExecutionStatus:
    """The state of an execution, with the error if it failed or was cancelled."""

    state: ExecutionState = ExecutionState.RUNNING
    error: RunbookError | None = None

    @property
    def is_settled(self) -> bool:
        return self.state is not ExecutionState.RUNNING

    def __str__(self) -> str:
        return self.state if self.error is None else f"{self.state}: {self.error.message}"
