"""What pytest's reports say of blocks, and what the end of the session says of runbooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..errors import Place
from ..execution.result import Outcome
from ..masking import Redactor
from ..text import escape_controls
from .collection import BlockItem, UnreadableItem
from .failure import FailurePicture, is_cut

if TYPE_CHECKING:
    from ..model.runbook import BlockSpec, Runbook
    from ..resources.process_keeper import Leftover

OURS = "runbook_block_id"


def shape_report(report: pytest.TestReport, item: BlockItem | UnreadableItem, redactor: Redactor) -> None:
    """Make a report say what the block did: its own time, its output, and where a skip comes from."""
    if isinstance(item, BlockItem) and item.result is not None and report.when == "call":
        report.duration = item.result.seconds
        if report.outcome == "skipped":
            line = item.spec.place.line or 1
            report.longrepr = (item.spec.place.path, line, f"Skipped: {item.result.message}")
        for section in item.result.sections:
            if item.result.outcome is not Outcome.FAILED or is_cut(section):
                report.sections.append((f"Captured {section.title} call", escape_controls(section.text)))
    report.sections = [(name, redactor.redact(text)) for name, text in report.sections]


def restore_picture(report: Any, crash: list[Any]) -> None:
    """Give a report that came from another process its one-line summary back."""
    path, line, message = crash
    report.longrepr = FailurePicture(str(report.longrepr), message, Place(path, line))


class Summary:
    """What the end of the session tells of runbooks; counted from reports, so that it also holds with workers."""

    def __init__(self, config: pytest.Config, redactor: Redactor) -> None:
        self._config = config
        self._redactor = redactor
        self._outcomes = {"passed": 0, "failed": 0, "skipped": 0}
        self._prose_only: list[str] = []
        self._notes: dict[str, None] = {}

    @property
    def ran_nothing(self) -> bool:
        """True if blocks were selected and not one was tried."""
        return self._outcomes["skipped"] > 0 and not self._outcomes["passed"] + self._outcomes["failed"]

    def count(self, report: pytest.TestReport) -> None:
        is_ours = any(name == OURS for name, _ in report.user_properties)
        if is_ours and report.when == "call":
            self._outcomes[report.outcome] += 1

    def note_book(self, book: Runbook, *, has_items: bool) -> None:
        if not has_items:
            self._prose_only.append(str(book.place))
        for note in book.notes:
            self.note(note)

    def note_leftover(self, book: Runbook, leftover: Leftover) -> None:
        end = "was ended" if leftover.was_ended else "COULD NOT BE ENDED"
        self.note(f"{book.place}: left in the background and {end}: {leftover.pid} {leftover.command}")

    def note_missed_cleanup(self, spec: BlockSpec) -> None:
        self.note(f"{spec.place}: NOT CLEANED UP: {spec.label} was not run")

    def note(self, text: str) -> None:
        self._notes[self._redactor.redact(text)] = None

    def write(self, reporter: Any, *, passed_over: int, unread_variables: list[str]) -> None:
        lines = [*self._notes]
        if self._prose_only:
            lines.append(f"{_count(len(self._prose_only), 'runbook')} without anything to run")
        if passed_over:
            hint = "name the folder, or set runbook_paths"
            lines.append(f"{_count(passed_over, 'runbook')} passed over: {hint}")
        lines += [f"--runbook-var {name} was given, and nothing read it" for name in unread_variables]
        if self._redactor.unmaskable:
            names = ", ".join(sorted(self._redactor.unmaskable))
            lines.append(f"too short to be masked in reports: {names}")
        if self.ran_nothing:
            lines.append(f"no block ran: {self._outcomes['skipped']} skipped; this is not green")
        if lines:
            reporter.section("runbooks")
            for line in lines:
                reporter.line(escape_controls(line))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
