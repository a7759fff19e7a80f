"""The result of a block, from which every report is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import BlockSkipped, RunbookError


class Outcome(StrEnum):
    """The outcome of a block. passed, failed: it was tried. skipped: it was not."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


def outcome_of(error: RunbookError | None) -> Outcome:
    if error is None:
        return Outcome.PASSED
    return Outcome.SKIPPED if isinstance(error, BlockSkipped) else Outcome.FAILED


class Verdict(StrEnum):
    """The verdict on an assertion. error: it could not be evaluated, which never counts as passed."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Operand:
    """A part of an assertion and its value: the source text, and the value as text."""

    source: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionTrace:
    """One assertion with its verdict. All texts are masked, and shortened if they are long.

    location: ``file:line``; None for the default assertion of a block type.
    expected, actual: for a failed comparison. difference: lines that show where the two values differ.
    undefined: the name because of which it could not be evaluated, with dots; None if there is none.
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
    """Successive attempts that ended in the same way.

    first, last: their 1-based numbers. at: seconds since the block's first attempt began. seconds: of all of them.
    failure: why they failed, masked and shortened; None if they succeeded.
    """

    first: int
    last: int
    at: float
    seconds: float
    failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One iteration of a block with ``for_each``.

    number: 1-based. label: its item, masked and shortened: ``table = 'orders'``. message: why it failed.
    """

    number: int
    label: str
    outcome: Outcome
    message: str | None
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """A value that the block read, and its origin. The value is masked and shortened."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class OutputSection:
    """A piece of output for reports, masked and shortened."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """The result of one block as plain data.

    number: 1-based position among the runbook's items. location: ``file:line``; checks_location: in its checks file.
    kind: of a failure: assertion, block, timeout, unreachable, refused, file, cancelled, internal.
    message: why it failed or was skipped; the first line makes sense without the others.
    seconds: the time of the block itself. attempts: their number. attempt_log: their groups, if the block has `retry`.
    iterations: of a block with ``for_each``.
    warnings: warnings that did not hold. did: the work in one line. where: host, directory, program.
    exit_code: of the program, if the block runs one. children: the results of the blocks of its sub-runbook.
    stop_reason: why no further block is to run although this one did not fail; None if others may run.
    prose: the texts of its prose keys by key, those that it inherits from its runbook included.
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
