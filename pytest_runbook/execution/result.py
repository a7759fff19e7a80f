"""What came of a block: the one thing that every report is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import BlockSkipped, RunbookError


class Outcome(StrEnum):
    """passed, failed: the block was tried. skipped: it was not."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


def outcome_of(error: RunbookError | None) -> Outcome:
    if error is None:
        return Outcome.PASSED
    return Outcome.SKIPPED if isinstance(error, BlockSkipped) else Outcome.FAILED


class Verdict(StrEnum):
    """What came of an assertion. error: it could not be evaluated, which never counts as true."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Operand:
    """A sub-value that decided an assertion: its source text, and the value as text."""

    source: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionTrace:
    """One assertion and how it came out. Texts are masked and bounded.

    place: ``file:line``, None for one that every block of the type has.
    expected, actual: for a comparison that failed. difference: lines that show where two values differ.
    undefined: the dotted name that was undefined, where that is why it could not be evaluated.
    """

    source: str
    verdict: Verdict
    location: str | None = None
    expected: str | None = None
    actual: str | None = None
    operands: tuple[Operand, ...] = ()
    message: str | None = None
    hint: str | None = None
    difference: tuple[str, ...] = ()
    undefined: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptGroup:
    """What became of attempts that followed each other and ended alike.

    first, last: their 1-based numbers. at: seconds since the block's first attempt began. seconds: for all of them.
    failure: why they failed, masked and bounded; None for one that succeeded.
    """

    first: int
    last: int
    at: float
    seconds: float
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One turn of a block with ``for_each``.

    number: 1-based. label: what it was about, masked and bounded: ``table = 'orders'``. message: why it failed.
    """

    number: int
    label: str
    outcome: Outcome
    message: str | None
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """A value that the block read, and who set it. The value is masked and bounded."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class OutputSection:
    """A piece of output for reports, bounded and masked."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What came of one block, in plain data.

    number: 1-based position among the runbook's items. location: ``file:line``; checks_location: that of its checks file.
    kind: of a failure: assertion, block, timeout, unreachable, refused, file, cancelled, internal.
    message: why it failed or was skipped; a first line that stands alone.
    seconds: the block's own time. attempts: how many there were. attempt_log: what became of each, if it is retried.
    iterations: of a block with ``for_each``.
    warnings: what should hold and does not. did: what it did, in a line. where: host, directory, program.
    exit_code: for blocks that run a program. children: what came of the blocks of a runbook that it ran.
    stop_reason: why nothing is to run after it, although it did not fail; None: nothing of the kind.
    prose: the texts of its keys owner, runbook_url, on_red (else those of its runbook) and description, by key.
    """

    block_id: str
    name: str
    type: str
    number: int
    location: str
    outcome: Outcome
    checks_location: str | None = None
    kind: str | None = None
    message: str | None = None
    hint: str | None = None
    error_location: str | None = None
    seconds: float = 0.0
    attempts: int = 0
    attempt_log: tuple[AttemptGroup, ...] = ()
    iterations: tuple[Iteration, ...] = ()
    assertions: tuple[AssertionTrace, ...] = ()
    warnings: tuple[AssertionTrace, ...] = ()
    did: str | None = None
    where: str | None = None
    host: str = "local"
    exit_code: int | None = None
    sections: tuple[OutputSection, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    notes: tuple[str, ...] = ()
    children: tuple[BlockResult, ...] = ()
    stop_reason: str | None = None
    prose: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f'"{self.name}"' if self.name else f"({self.type})"

    def to_json(self) -> dict[str, object]:
        return dataclasses.asdict(self)
