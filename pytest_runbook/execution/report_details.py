"""What a block type records of its work for reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .result import BlockResult, OutputSection


@dataclass(slots=True)
class ReportDetails:
    """What a block tells of its work for reports, as soon as it knows it.

    did: what it did, in a line. where: host, directory, program. exit_code: of the program it ran.
    output: makes the pieces of output to show; called when the block has ended, however it ended.
    children: what came of the blocks of a runbook that it ran. stop_reason: why nothing is to run after it.
    """

    did: str | None = None
    where: str | None = None
    exit_code: int | None = None
    output: Callable[[], Sequence[OutputSection]] = tuple
    notes: list[str] = field(default_factory=list)
    children: tuple[BlockResult, ...] = ()
    stop_reason: str | None = None
