"""What pytest's reports say of blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import astuple
from typing import Any

import pytest

from ..errors import InternalError, Place, RunbookError
from ..execution.result import BlockResult, Outcome
from ..model.runbook import BlockSpec
from ..text import escape_controls
from .collection import BlockItem, RunbookItem, UnreadableItem
from .reports.failure import FailurePicture, is_cut, picture_of_error
from .reports.properties import FIXTURE, kind_in, properties_of_kind
from .reports.summary import Summary, reason_of_skip
from .selection import NOT_SELECTED

WIRE_KEY = "runbook"
OUTPUT_KEY = "runbook"


class Reports:
    """The plugin object that shapes reports, and tells the summary."""

    def __init__(
        self,
        config: pytest.Config,
        summary: Summary,
        environment: str | None,
        note_worker: Callable[[int, int], None],
    ) -> None:
        self._environment = environment
        # What --lf runs: pytest forgets what was skipped, and a block that was left out has not been mended.
        self._last_failed: dict[object, bool] = getattr(config.pluginmanager.get_plugin("lfplugin"), "lastfailed", {})
        self._unmended: list[object] = []
        self._is_brief = config.getoption("tbstyle") == "line"
        self._summary = summary
        self._note_worker = note_worker

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        report = yield
        if call.excinfo is None and call.when != "call":
            return report
        if isinstance(item, BlockItem) and item.result is not None and report.when == "call":
            _shape(report, item, item.result)
        elif isinstance(item, BlockItem) and call.excinfo is not None and isinstance(call.excinfo.value, RunbookError):
            report.longrepr = picture_of_error(call.excinfo.value)
        if isinstance(item, BlockItem) and item.refusal is not None and report.skipped:
            report.longrepr = _skip_at(item.spec, item.refusal.message)
        if report.failed and isinstance(item, RunbookItem | UnreadableItem):
            _tell_kind(report, item, call)
        if self._environment is not None and isinstance(report.longrepr, FailurePicture):
            report.longrepr.add_environment(self._environment)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if isinstance(report.longrepr, FailurePicture):
            report.longrepr.is_brief = self._is_brief
        self._summary.count(report)
        if NOT_SELECTED in reason_of_skip(report):
            self._unmended += [failed for failed in self._last_failed if str(failed) == report.nodeid]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._last_failed.update(dict.fromkeys(self._unmended, True))
        if self._summary.ran_nothing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        lines = self._summary.lines()
        if lines:
            terminalreporter.section("runbooks")
            for line in lines:
                terminalreporter.line(line)

    # Over the wire of workers

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self, report: Any) -> Generator[None, Any, Any]:
        data = yield
        picture = getattr(report, "longrepr", None)
        if isinstance(data, dict):
            data[WIRE_KEY] = {
                "worker": [os.getpid(), os.getppid()],
                "crash": astuple(picture.reprcrash) if isinstance(picture, FailurePicture) else None,
            }
        return data

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> Generator[None, Any, Any]:
        told = data.pop(WIRE_KEY, None)
        report = yield
        if report is not None and told is not None:
            self._note_worker(*told["worker"])
            if told["crash"] is not None:
                path, line, message = told["crash"]
                report.longrepr = FailurePicture(str(report.longrepr), message, Place(path, line))
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        told = getattr(node, "workeroutput", {}).get(OUTPUT_KEY)
        if told is not None:
            self._summary.add(told)


def _tell_kind(report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Say of every failure of ours which kind it is; the report of the tear-down is the one that JUnit reads."""
    if call.excinfo is None or kind_in(report.user_properties) is not None:
        return
    error = call.excinfo.value
    ours = error.kind if isinstance(error, RunbookError) else None
    found = properties_of_kind(ours or (InternalError.kind if call.when == "call" else FIXTURE))
    item.user_properties += found
    report.user_properties += found


def _shape(report: pytest.TestReport, item: BlockItem, result: BlockResult) -> None:
    """Make a report say what the block did: its own time, its output, and where a skip comes from."""
    report.duration = result.seconds
    if report.skipped and result.outcome is Outcome.SKIPPED:
        report.longrepr = _skip_at(item.spec, result.message or "")
    for section in result.sections:
        if result.outcome is not Outcome.FAILED or is_cut(section):
            report.sections.append((f"Captured {section.title} call", escape_controls(section.text)))


def _skip_at(spec: BlockSpec, reason: str) -> tuple[str, int, str]:
    """A skip that points to its block."""
    return spec.place.path, spec.place.line or 1, f"Skipped: {escape_controls(reason)}"
