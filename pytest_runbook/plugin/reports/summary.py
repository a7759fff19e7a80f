"""The summary of runbooks at the end of a session: the section "runbooks" of pytest's terminal output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import MissingRequirement, Refused, Unreachable
from ...secrets.masker import Masker
from ...text import escape_controls
from .properties import BLOCK_ID, kind_in
from .text_rows import counted

MOST_REASONS = 5

if TYPE_CHECKING:
    import pytest

    from ...execution.result import BlockResult
    from ...model.runbook import BlockSpec, Runbook
    from ...resources.process.supervisor import Leftover


class Summary:
    """Collects the counts and messages of the summary. A worker sends its own to the controller, which merges them."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._outcomes: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._missing_requirements = 0
        self._reasons: Counter[str] = Counter()
        self._prose_only: set[str] = set()
        self._messages: dict[str, None] = {}
        self._unfinished_cleanups: dict[str, None] = {}
        self._read_names: set[str] = set()
        self._variables: set[str] = set()
        self._unmaskable: set[str] = set()

    @property
    def ran_nothing(self) -> bool:
        """True if no selected block was tried, unless the runbooks of all of them lack what they require."""
        return self._nothing_was_tried and self._outcomes["skipped"] > self._missing_requirements

    @property
    def _nothing_was_tried(self) -> bool:
        return self._outcomes["skipped"] > 0 and not self._outcomes["passed"] + self._outcomes["failed"]

    def count(self, report: pytest.TestReport) -> None:
        """Count a report of a block's call, or of any phase that did not pass: nothing comes after a failed set-up."""
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
            reason = self._masker.mask(reason_of_skip(report))
            self._reasons[reason] += 1
            self._missing_requirements += kind == MissingRequirement.kind
            if kind == Refused.kind:
                self._refused[reason] += 1

    def record_runbook(self, runbook: Runbook, *, has_items: bool) -> None:
        if not has_items:
            self._prose_only.add(str(runbook.location))
        self.record_messages(runbook.load_warnings)

    def record_leftover(self, runbook: Runbook, leftover: Leftover) -> None:
        end = "was ended" if leftover.was_ended else "COULD NOT BE ENDED"
        self.record_message(f"{runbook.location}: left in the background and {end}: {leftover.pid} {leftover.command}")

    def record_warnings(self, result: BlockResult, cell: str | None) -> None:
        """Record the failed `warn` assertions of a block. cell: the name of its cell; None for a whole file."""
        for trace in result.warnings:
            text = f"{trace.location}: warning: block {result.label}{_cell_suffix(cell)}: {trace.source}"
            detail = trace.message or (trace.actual and f"actual {trace.actual}")
            self.record_message(f"{text}: {detail}" if detail else text)

    def record_unfinished_cleanup(self, spec: BlockSpec, reason: str, cell: str | None) -> None:
        """Record a clean-up that did not run or failed, which the summary shows last. cell: as in `record_warnings`."""
        self._unfinished_cleanups[
            self._masker.mask(f"{spec.location}: NOT CLEANED UP: {spec.label}{_cell_suffix(cell)} {reason}")
        ] = None

    def record_read_names(self, names: Iterable[str]) -> None:
        """Record the names that a runbook read: ``var.NAME`` and others."""
        self._read_names.update(names)

    def record_variables(self, variables: Iterable[str]) -> None:
        """Record the names of the variables of the command line."""
        self._variables.update(variables)

    def record_messages(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.record_message(text)

    def record_message(self, text: str) -> None:
        self._messages[self._masker.mask(text)] = None

    def to_json(self) -> dict[str, Any]:
        """Return a worker's part of the summary as plain data."""
        return {
            "prose_only": sorted(self._prose_only),
            "notes": list(self._messages),
            "uncleaned": list(self._unfinished_cleanups),
            "read": sorted(self._read_names),
            "variables": sorted(self._variables),
            "unmaskable": sorted(self._masker.unmaskable),
        }

    def merge(self, worker_summary: Mapping[str, Any]) -> None:
        """Add a worker's part of the summary."""
        self._prose_only.update(worker_summary["prose_only"])
        self.record_messages(worker_summary["notes"])
        self._unfinished_cleanups.update(dict.fromkeys(worker_summary["uncleaned"]))
        self.record_read_names(worker_summary["read"])
        self.record_variables(worker_summary["variables"])
        self._unmaskable.update(worker_summary["unmaskable"])

    def lines(self) -> list[str]:
        """Return the lines of the summary, masked."""
        lines = list(self._messages)
        if self._prose_only:
            lines.append(f"{counted(len(self._prose_only), 'runbook')} without anything to run")
        unread = sorted(name for name in self._variables if f"var.{name}" not in self._read_names)
        lines += [f"--runbook-var {name} was given, and nothing read it" for name in unread]
        unmaskable = sorted(self._unmaskable | self._masker.unmaskable)
        if unmaskable:
            lines.append(f"too short or too common to be masked in reports: {', '.join(unmaskable)}")
        if self._kinds:
            kinds = sorted(self._kinds.items(), key=lambda item: (-item[1], item[0]))
            lines.append(f"failures: {', '.join(f'{count} {kind}' for kind, count in kinds)}")
        if self._refused:
            lines.append(f"refused: {counted(self._refused.total(), 'block')} that may not run here")
            lines += [] if self.ran_nothing else _most_common(self._refused)
        if self._nothing_was_tried:
            meaning = "this is not green" if self.ran_nothing else "what their runbooks require is not to be had here"
            lines.append(f"no block ran: {self._outcomes['skipped']} skipped; {meaning}")
            lines += _most_common(self._reasons)
        lines += self._unfinished_cleanups
        return [escape_controls(self._masker.mask(line)) for line in lines]


def _most_common(reasons: Counter[str]) -> list[str]:
    return [f"  {count} x {reason}" for reason, count in reasons.most_common(MOST_REASONS)]


def reason_of_skip(report: pytest.TestReport) -> str:
    """Return why a test was skipped or expected to fail; "" if it was neither."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(getattr(report, "wasxfail", ""))


def _cell_suffix(cell: str | None) -> str:
    return f" in {cell}" if cell else ""
