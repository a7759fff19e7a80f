"""Hooks that fill pytest's reports of blocks, and send them from workers of xdist to the controller."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import astuple
from typing import Any

import pytest

from ..errors import InternalError, Location, RunbookError
from ..execution.result import BlockResult, Outcome
from ..model.runbook import BlockSpec
from ..text import escape_controls
from .collection import BlockItem, RunbookItem, UnreadableItem
from .reports.failure import FailureRepr, add_rows_to, error_failure_repr, is_cut
from .reports.properties import FIXTURE_KIND, kind_in, properties_of_kind
from .reports.summary import Summary, reason_of_skip
from .selection import NOT_SELECTED

WIRE_KEY = "runbook"
OUTPUT_KEY = "runbook"


class ReportHooks:
    """The plugin object that completes the reports of blocks and counts them for the summary.

    record_worker: called with the process ids of a worker and of its parent when a report of that worker comes.
    """

    def __init__(
        self,
        config: pytest.Config,
        summary: Summary,
        environment: str | None,
        record_worker: Callable[[int, int], None],
    ) -> None:
        self._environment = environment
        # The list for --lf. pytest removes skipped tests from it, but a block that was not selected is still failed.
        self._last_failed: dict[object, bool] = getattr(config.pluginmanager.get_plugin("lfplugin"), "lastfailed", {})
        self._untried_failures: list[object] = []
        self._is_brief = config.getoption("tbstyle") == "line"
        self._summary = summary
        self._record_worker = record_worker

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        report = yield
        if call.excinfo is None and call.when != "call":
            return report
        if isinstance(item, BlockItem) and item.result is not None and report.when == "call":
            _describe_block(report, item, item.result)
        elif isinstance(item, RunbookItem) and call.excinfo is not None:
            _describe_error(report, item, call.excinfo.value)
        if isinstance(item, BlockItem) and item.refusal is not None and report.skipped:
            report.longrepr = _skip_location(item.spec, item.refusal.message)
        if report.failed and isinstance(item, RunbookItem | UnreadableItem):
            _add_kind(report, item, call)
        if self._environment is not None and isinstance(report.longrepr, FailureRepr):
            report.longrepr.add_environment(self._environment)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if isinstance(report.longrepr, FailureRepr):
            report.longrepr.is_brief = self._is_brief
        self._summary.count(report)
        if NOT_SELECTED in reason_of_skip(report):
            self._untried_failures += [failed for failed in self._last_failed if str(failed) == report.nodeid]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._last_failed.update(dict.fromkeys(self._untried_failures, True))
        if self._summary.ran_nothing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        lines = self._summary.lines()
        if lines:
            terminalreporter.section("runbooks")
            for line in lines:
                terminalreporter.line(line)

    # From workers of xdist to the controller

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self, report: Any) -> Generator[None, Any, Any]:
        data = yield
        failure_repr = getattr(report, "longrepr", None)
        if isinstance(data, dict):
            data[WIRE_KEY] = {
                "worker": [os.getpid(), os.getppid()],
                "crash": astuple(failure_repr.reprcrash) if isinstance(failure_repr, FailureRepr) else None,
            }
        return data

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> Generator[None, Any, Any]:
        worker_data = data.pop(WIRE_KEY, None)
        report = yield
        if report is not None and worker_data is not None:
            self._record_worker(*worker_data["worker"])
            if worker_data["crash"] is not None:
                path, line, message = worker_data["crash"]
                report.longrepr = FailureRepr(str(report.longrepr), message, Location(path, line))
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        worker_summary = getattr(node, "workeroutput", {}).get(OUTPUT_KEY)
        if worker_summary is not None:
            self._summary.merge(worker_summary)


def _add_kind(report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Add the kind of a failure to the properties of a report, unless one is there."""
    if call.excinfo is None or kind_in(report.user_properties) is not None:
        return
    error = call.excinfo.value
    known_kind = error.kind if isinstance(error, RunbookError) else None
    properties = properties_of_kind(known_kind or (InternalError.kind if call.when == "call" else FIXTURE_KIND))
    item.user_properties += properties  # for the report of the tear-down, from which JUnit takes them
    report.user_properties += properties


def _describe_block(report: pytest.TestReport, item: BlockItem, result: BlockResult) -> None:
    """Set a report's duration to the block's own, add its output, and let a skip point to the block."""
    report.duration = result.seconds
    if report.skipped and result.outcome is Outcome.SKIPPED:
        report.longrepr = _skip_location(item.spec, result.message or "")
    for section in result.sections:
        if result.outcome is not Outcome.FAILED or is_cut(section):
            report.sections.append((f"Captured {section.title} call", escape_controls(section.text)))


def _describe_error(report: Any, item: RunbookItem, error: BaseException) -> None:
    """Set the text of an error outside of a block's own run, as in a fixture. pytest's text of others is kept."""
    if isinstance(error, RunbookError):
        report.longrepr = error_failure_repr(error, item.rows_about())
    elif report.failed:
        add_rows_to(report.longrepr, item.rows_about())


def _skip_location(spec: BlockSpec, reason: str) -> tuple[str, int, str]:
    """Return pytest's representation of a skip: path, 1-based line, reason."""
    return spec.location.path, spec.location.line or 1, f"Skipped: {escape_controls(reason)}"
