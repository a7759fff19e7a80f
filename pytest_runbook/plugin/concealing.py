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

from ..errors import Place
from ..masking import Redactor
from .failure import FailurePicture

_KEPT = frozenset({"nodeid", "location", "keywords", "longrepr", "when", "outcome", "result"})
"""What reports are known by, and what is masked in a way of its own."""
_HOLDS_TEXT = (str, list, tuple, dict)
_PLAIN = frozenset({str, int, float, bool, type(None)})
_MOST_REMEMBERED = 10_000
_LONGEST_REMEMBERED = 200
_DEEPEST = 10


class Concealing:
    """The plugin object that masks them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        # What is without a secret: properties stand in each of an item's reports, and all blocks share some.
        self._clean: set[object] = set()
        self._forms = redactor.forms

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
        if self._forms != self._redactor.forms or len(self._clean) > _MOST_REMEMBERED:
            self._forms = self._redactor.forms
            self._clean.clear()
        told = vars(report)
        for name in told.keys() - _KEPT:
            value = told[name]
            if value and isinstance(value, _HOLDS_TEXT) and (masked := self._data(value)) is not value:
                setattr(report, name, masked)
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
        """The same data, masked; what is clean is looked at once."""
        if not isinstance(value, _HOLDS_TEXT) or self._is_clean(value):
            return value
        masked = self._masked(value)
        if masked == value and (_is_small(value) or (isinstance(value, tuple) and all(map(_is_small, value)))):
            self._clean.add(value)
        return masked

    def _is_clean(self, value: object) -> bool:
        """True for what was looked at before and came out as it was, and for a list of nothing but that."""
        try:
            return self._clean.issuperset(value) if isinstance(value, list) else value in self._clean
        except Exception:  # what can't be hashed is looked at again
            return False

    def _masked(self, value: object) -> object:
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


def _is_small(value: object) -> bool:
    """True for a small value that equals nothing but its like."""
    return type(value) in _PLAIN and not (isinstance(value, str) and len(value) > _LONGEST_REMEMBERED)


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
