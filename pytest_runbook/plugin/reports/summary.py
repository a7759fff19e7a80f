"""What the end of the session tells of runbooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import Lacking, Refused, Unreachable
from ...secrets.masker import Redactor
from ...text import escape_controls
from .properties import BLOCK_ID, kind_in

MOST_REASONS = 5

if TYPE_CHECKING:
    import pytest

    from ...execution.result import BlockResult
    from ...model.runbook import BlockSpec, Runbook
    from ...resources.process.supervisor import Leftover


class Summary:
    """Gathers it. With workers each of them gathers its own, and all of it is put together where people see it."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._outcomes: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._lacking = 0
        self._reasons: Counter[str] = Counter()
        self._prose_only: set[str] = set()
        self._notes: dict[str, None] = {}
        self._uncleaned: dict[str, None] = {}
        self._read: set[str] = set()
        self._variables: set[str] = set()
        self._unmaskable: set[str] = set()

    @property
    def ran_nothing(self) -> bool:
        """True if blocks were selected and not one was tried, but for those whose runbook lacks what it requires."""
        return self._nothing_was_tried and self._outcomes["skipped"] > self._lacking

    @property
    def _nothing_was_tried(self) -> bool:
        return self._outcomes["skipped"] > 0 and not self._outcomes["passed"] + self._outcomes["failed"]

    def count(self, report: pytest.TestReport) -> None:
        """Count a report, if it is that of a block's own phase, or of a set-up beyond which nothing came."""
        if report.passed and report.when != "call":
            return
        kind = kind_in(report.user_properties)
        if report.failed and kind is not None:
            self._kinds[kind] += 1
        is_block = any(name == BLOCK_ID for name, _ in report.user_properties)
        if is_block and report.when in ("setup", "call"):
            self._count_block(report, kind)

    def _count_block(self, report: pytest.TestReport, kind: str | None) -> None:
        is_expected = hasattr(report, "wasxfail")
        is_tried = not report.skipped or (is_expected and kind != Unreachable.kind)
        self._outcomes["failed" if is_expected and is_tried else report.outcome] += 1
        if not is_tried:
            reason = self._redactor.redact(reason_of_skip(report))
            self._reasons[reason] += 1
            self._lacking += kind == Lacking.kind
            if kind == Refused.kind:
                self._refused[reason] += 1

    def note_book(self, book: Runbook, *, has_items: bool) -> None:
        if not has_items:
            self._prose_only.add(str(book.place))
        self.note_all(book.notes)

    def note_leftover(self, book: Runbook, leftover: Leftover) -> None:
        end = "was ended" if leftover.was_ended else "COULD NOT BE ENDED"
        self.note(f"{book.place}: left in the background and {end}: {leftover.pid} {leftover.command}")

    def note_warnings(self, result: BlockResult, cell: str | None) -> None:
        """Keep what an author only wants to be told of. cell: which of several runs of the file it was."""
        for trace in result.warnings:
            told = f"{trace.place}: warning: block {result.label}{_in(cell)}: {trace.source}"
            detail = trace.message or (trace.actual and f"actual {trace.actual}")
            self.note(f"{told}: {detail}" if detail else told)

    def note_uncleaned(self, spec: BlockSpec, why: str, cell: str | None) -> None:
        """Keep what was not cleaned up, to be told last. cell: which of several runs of the file it was."""
        self._uncleaned[self._redactor.redact(f"{spec.place}: NOT CLEANED UP: {spec.label}{_in(cell)} {why}")] = None

    def note_read(self, names: Iterable[str]) -> None:
        """Keep which names were read, by any runbook."""
        self._read.update(names)

    def note_given(self, variables: Iterable[str]) -> None:
        """Keep which variables were given on the command line."""
        self._variables.update(variables)

    def note_all(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.note(text)

    def note(self, text: str) -> None:
        self._notes[self._redactor.redact(text)] = None

    def to_json(self) -> dict[str, Any]:
        """What a worker tells."""
        return {
            "prose_only": sorted(self._prose_only),
            "notes": list(self._notes),
            "uncleaned": list(self._uncleaned),
            "read": sorted(self._read),
            "variables": sorted(self._variables),
            "unmaskable": sorted(self._redactor.unmaskable),
        }

    def add(self, told: Mapping[str, Any]) -> None:
        """Take in what a worker tells."""
        self._prose_only.update(told["prose_only"])
        self.note_all(told["notes"])
        self._uncleaned.update(dict.fromkeys(told["uncleaned"]))
        self.note_read(told["read"])
        self.note_given(told["variables"])
        self._unmaskable.update(told["unmaskable"])

    def lines(self) -> list[str]:
        """All of it, as people read it."""
        lines = list(self._notes)
        if self._prose_only:
            lines.append(f"{_count(len(self._prose_only), 'runbook')} without anything to run")
        unread = sorted(name for name in self._variables if f"var.{name}" not in self._read)
        lines += [f"--runbook-var {name} was given, and nothing read it" for name in unread]
        unmaskable = sorted(self._unmaskable | self._redactor.unmaskable)
        if unmaskable:
            lines.append(f"too short or too common to be masked in reports: {', '.join(unmaskable)}")
        if self._kinds:
            kinds = sorted(self._kinds.items(), key=lambda item: (-item[1], item[0]))
            lines.append(f"failures: {', '.join(f'{count} {kind}' for kind, count in kinds)}")
        if self._refused:
            lines.append(f"refused: {_count(self._refused.total(), 'block')} that may not run here")
            lines += [] if self.ran_nothing else _most_common(self._refused)
        if self._nothing_was_tried:
            so = "this is not green" if self.ran_nothing else "what their runbooks require is not to be had here"
            lines.append(f"no block ran: {self._outcomes['skipped']} skipped; {so}")
            lines += _most_common(self._reasons)
        lines += self._uncleaned
        return [escape_controls(self._redactor.redact(line)) for line in lines]


def _most_common(reasons: Counter[str]) -> list[str]:
    return [f"  {count} x {reason}" for reason, count in reasons.most_common(MOST_REASONS)]


def reason_of_skip(report: pytest.TestReport) -> str:
    """Why it was skipped, or was expected to fail; "" if it was not."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", ""))


def _in(cell: str | None) -> str:
    return f" in {cell}" if cell else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
