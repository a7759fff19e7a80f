"""Masks secrets in what pytest and its plugins make of a session: reports, exceptions, warnings and log records.

A report is masked when it is made and again when it is logged, because another plugin may have added text in between.
Exceptions are masked, too, because some plugins read these and not the report.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest

from ...errors import Location
from ...secrets.masker import Masker
from .failure import FailureRepr

_NOT_MASKED_HERE = frozenset({"nodeid", "location", "keywords", "longrepr", "when", "outcome", "result"})
"""Attributes of reports that identify a test, and those that are masked in a way of their own."""
_MAX_CHAIN_DEPTH = 10


class ReportMasking:
    """The plugin object that masks reports, exceptions and warnings."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(self) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        try:
            return (yield)
        except Exception as error:
            self._mask_error(error)
            raise

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        if call.excinfo is not None:
            self._mask_error(call.excinfo.value)
        sections: list[tuple[str, str, str]] = getattr(item, "_report_sections", [])
        if sections:
            sections[:] = [(when, key, self._masker.mask(text)) for when, key, text in sections]
        report = yield
        self._mask_report(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._mask_report(report)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, Any]:
        report = yield
        self._mask_report(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._mask_report(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: Any) -> None:
        if self._masker.holds_secret(text := str(warning_message.message)):
            category = warning_message.category
            try:
                warning_message.message = category(self._masker.mask(text))
            except Exception:  # a category that can't be made from a text
                warning_message.message = UserWarning(self._masker.mask(text))

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        if self._masker.holds_secret(text := str(excrepr)):
            failure_repr = FailureRepr(self._masker.mask(text), "", None)
            excrepr.reprtraceback, excrepr.chain = failure_repr, [(failure_repr, None, None)]

    def _mask_report(self, report: Any) -> None:
        """Mask all text in a report, that of other plugins included."""
        fields = vars(report)
        for name in fields.keys() - _NOT_MASKED_HERE:
            if (value := fields[name]) and isinstance(value, str | list | tuple | dict):
                fields[name] = self._masked_data(value)
        if report.longrepr is not None:
            report.longrepr = self._masked_longrepr(report)

    def _masked_longrepr(self, report: Any) -> Any:
        longrepr, mask = report.longrepr, self._masker.mask
        match longrepr:
            case str():
                return mask(longrepr)
            case (path, line, reason):
                return path, line, mask(str(reason))
        if not self._masker.holds_secret(text := report.longreprtext):
            return longrepr
        crash = getattr(longrepr, "reprcrash", None)
        location = None if crash is None else Location(crash.path, crash.lineno)
        return FailureRepr(mask(text), mask(getattr(crash, "message", "")), location)

    def _masked_data(self, value: object) -> Any:
        """Return the value masked, with its tuples kept: pytest unpacks pairs."""
        match value:
            case str():
                return self._masker.mask(value)
            case tuple():
                return tuple(map(self._masked_data, value))
            case list():
                return [self._masked_data(inner) for inner in value]
            case dict():
                masked = self._masker.mask_data(value)
                return masked if masked != value else value
        return value

    def _mask_error(self, error: BaseException | None, depth: int = 0) -> None:
        """Mask the arguments of an exception and of its causes."""
        if error is None or depth > _MAX_CHAIN_DEPTH:
            return
        with suppress(Exception):  # an exception of other code may raise from `str` or refuse new `args`
            if self._masker.holds_secret(str(error)):
                error.args = tuple(map(self._masked_data, error.args))
        self._mask_error(error.__cause__, depth + 1)
        self._mask_error(error.__context__, depth + 1)


class MaskedLogs:
    """Masks secrets in every log record that is made while the context manager is open."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker

    def __enter__(self) -> None:
        self._factory = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._masked_record)

    def __exit__(self, *_: object) -> None:
        logging.setLogRecordFactory(self._factory)

    def _masked_record(self, *arguments: Any, **named: Any) -> logging.LogRecord:
        record = self._factory(*arguments, **named)
        holds_secret = self._masker.holds_secret
        try:
            message = record.getMessage()
            trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        except Exception:  # a record that can't be formatted: logging reports that when it is handled
            return record
        if holds_secret(message):
            record.msg, record.args = self._masker.mask(message), None
        if trace and holds_secret(trace):
            record.exc_text, record.exc_info = self._masker.mask(trace).rstrip("\n"), None
        if record.stack_info and holds_secret(record.stack_info):
            record.stack_info = self._masker.mask(record.stack_info)
        return record
