"""Details of a block's work for reports, recorded by its block type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .result import BlockResult, OutputSection


@dataclass(slots=True)
class ReportDetails:
    """Details of a block's work for reports. A block type sets them as soon as it knows them.

    did: the work in one line. where: host, directory, program. exit_code: of the program.
    output: makes the sections of output; called when the block has ended, in whatever way.
    children: the results of the blocks of a sub-runbook. stop_reason: why no further block is to run.
    """

    did: str | None = None
    where: str | None = None
    exit_code: int | None = None
    output: Callable[[], Sequence[OutputSection]] = tuple
    notes: list[str] = field(default_factory=list)
    children: tuple[BlockResult, ...] = ()
    stop_reason: str | None = None
