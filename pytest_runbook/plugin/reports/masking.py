"""Keeps secrets out of what pytest and other plugins make of a session: reports, exceptions, warnings, log records.

What comes is masked before anybody else sees it, where it is made and again where it is handed on: a plugin may have
added something in between, and another one may look at the exception and not at the report.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest

from ...errors import Place
from ...secrets.masker import Redactor
from .failure import FailurePicture

_KEPT = frozenset({"nodeid", "location", "keywords", "longrepr", "when", "outcome", "result"})
"""What reports are known by, and what is masked in a way of its own."""
_DEEPEST = 10


class Concealing:
    """The plugin object that masks them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_fixture_setup(self) -> Generator[None, Any, Any]:
        __tracebackhide__ = True
        try:
            return (yield)
        except Exception as error:
            self._conceal_error(error)
            raise

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        if call.excinfo is not None:
            self._conceal_error(call.excinfo.value)
        sections: list[tuple[str, str, str]] = getattr(item, "_report_sections", [])
        if sections:
            sections[:] = [(when, key, self._redactor.redact(text)) for when, key, text in sections]
        report = yield
        self._conceal(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._conceal(report)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, Any]:
        report = yield
        self._conceal(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._conceal(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: Any) -> None:
        if self._redactor.holds_secret(text := str(warning_message.message)):
            category = warning_message.category
            try:
                warning_message.message = category(self._redactor.redact(text))
            except Exception:  # one that is not made of a text
                warning_message.message = UserWarning(self._redactor.redact(text))

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        if self._redactor.holds_secret(text := str(excrepr)):
            picture = FailurePicture(self._redactor.redact(text), "", None)
            excrepr.reprtraceback, excrepr.chain = picture, [(picture, None, None)]

    def _conceal(self, report: Any) -> None:
        """Everything in a report that is text, whoever put it there."""
        told = vars(report)
        for name in told.keys() - _KEPT:
            if (value := told[name]) and isinstance(value, str | list | tuple | dict):
                told[name] = self._data(value)
        if report.longrepr is not None:
            report.longrepr = self._longrepr(report)

    def _longrepr(self, report: Any) -> Any:
        longrepr, redact = report.longrepr, self._redactor.redact
        match longrepr:
            case str():
                return redact(longrepr)
            case (path, line, reason):
                return path, line, redact(str(reason))
        if not self._redactor.holds_secret(text := report.longreprtext):
            return longrepr
        crash = getattr(longrepr, "reprcrash", None)
        place = None if crash is None else Place(crash.path, crash.lineno)
        return FailurePicture(redact(text), redact(getattr(crash, "message", "")), place)

    def _data(self, value: object) -> Any:
        """Masked, its tuples kept: pytest takes pairs apart."""
        match value:
            case str():
                return self._redactor.redact(value)
            case tuple():
                return tuple(map(self._data, value))
            case list():
                return [self._data(inner) for inner in value]
            case dict():
                masked = self._redactor.redact_data(value)
                return masked if masked != value else value
        return value

    def _conceal_error(self, error: BaseException | None, depth: int = 0) -> None:
        """The text of an exception and of what it came from: not every plugin reads the report."""
        if error is None or depth > _DEEPEST:
            return
        with suppress(Exception):  # exceptions of others may be anything
            if self._redactor.holds_secret(str(error)):
                error.args = tuple(map(self._data, error.args))
        self._conceal_error(error.__cause__, depth + 1)
        self._conceal_error(error.__context__, depth + 1)


class MaskedLogs:
    """Masks secrets in every log record that is made while it is open."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __enter__(self) -> None:
        self._factory = logging.getLogRecordFactory()
        logging.setLogRecordFactory(self._record)

    def __exit__(self, *_: object) -> None:
        logging.setLogRecordFactory(self._factory)

    def _record(self, *arguments: Any, **named: Any) -> logging.LogRecord:
        record = self._factory(*arguments, **named)
        holds = self._redactor.holds_secret
        try:
            message = record.getMessage()
            trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        except Exception:  # a record that can't be formatted is its author's business
            return record
        if holds(message):
            record.msg, record.args = self._redactor.redact(message), None
        if trace and holds(trace):
            record.exc_text, record.exc_info = self._redactor.redact(trace).rstrip("\n"), None
        if record.stack_info and holds(record.stack_info):
            record.stack_info = self._redactor.redact(record.stack_info)
        return record
