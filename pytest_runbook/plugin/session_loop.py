"""Runs the items of a session in order, handles interruptions, and runs pending clean-ups when the session ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import Cancelled, InternalError, RunbookError
from ..execution.result import BlockResult
from ..execution.time_limit import TimeLimit
from ..text import show_limit
from .collection import BlockItem
from .interruption import Terminated

if TYPE_CHECKING:
    from .interruptible_portal import InterruptiblePortal
    from .reports.summary import Summary

TERMINATED_STATUS = 143
MAX_BLOCK_INTERRUPTS = 2
"""Interruptions that end blocks only; the next one also interrupts fixtures."""


class SessionLoop:
    """The plugin object that runs the items of a session.

    close: closes everything that is open; called when the session finishes.
    """

    def __init__(self, portal: InterruptiblePortal, summary: Summary, close: Callable[[], None]) -> None:
        self._portal = portal
        self._summary = summary
        self._close = close
        self._current: pytest.Item | None = None
        self._item_started_at = 0.0
        self._worker_pids: set[int] = set()

    def step(self, item: BlockItem) -> BlockResult:
        """Run one block, unless the flow of its runbook skips it. After an interruption the session stops here."""
        run = item.node.run
        assert run is not None
        if item.previous is not None and not item.previous.was_reached and not item.spec.rules.is_cleanup:
            error = _ran_elsewhere_error(item.previous)
            run.fail(item.previous.spec.id, error)
            self._summary.record_message(str(error))
        step = partial(run.step, item.spec.id, upper_limit=self._limit_of(item), fixtures=item.fixture_values())
        result = self._portal.run(step, cancel=run.cancel)
        self._summary.record_warnings(result, item.node.cell_name)
        self._stop_if_interrupted(item.session)
        return result

    def record_worker(self, pid: int, parent: int) -> None:
        """Remember a worker that this process started, so that an interruption can be passed on to it.

        pid, parent: process ids of the worker and of the process that started it.
        """
        if parent == os.getpid():
            self._worker_pids.add(pid)

    # Around items

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._current, self._item_started_at = item, time.monotonic()
        result = yield
        self._current = None
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True
        if isinstance(item, BlockItem):
            item.was_reached = True
        try:
            return (yield from self._interruptible(item, "set up"))
        except pytest.skip.Exception:
            _mark_not_run(item)
            raise
        except Exception as error:
            self._record_setup_failure(item, error)
            raise

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        __tracebackhide__ = True
        return (yield from self._interruptible(item, "torn down"))

    # Around all of them

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Run and report the clean-ups of started runbooks, even if the loop ends with an exception."""
        try:
            return (yield)
        except pytest.Session.Interrupted:  # a KeyboardInterrupt, too, but raised for `shouldstop`: recorded already
            raise
        except KeyboardInterrupt as interrupt:
            self._portal.interruption.record(interrupt)
            raise
        finally:
            with self._portal.interruption.handled_by(self._raise_if_repeated):
                self._clean_up(session)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        is_worker = hasattr(session.config, "workerinput")
        if self._portal.interruption.name == "SIGTERM" and not is_worker:
            session.exitstatus = TERMINATED_STATUS
        try:
            return (yield)
        finally:
            self._close()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Pass the interruption on to the workers, so that they clean up before they are killed."""
        # It may have come outside the loop of items, where nothing has recorded it: the exit status depends on it.
        if isinstance(excinfo.value, Terminated):
            self._portal.interruption.record(excinfo.value)
        for pid in self._worker_pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _interruptible(self, item: pytest.Item, activity: str) -> Generator[None, Any, Any]:
        """Turn an interruption of a block's fixtures into a failure of the block, so that it is reported."""
        __tracebackhide__ = True
        try:
            return (yield)
        except KeyboardInterrupt as interrupt:
            if not isinstance(item, BlockItem):
                raise
            interruption = self._portal.interruption
            interruption.record(interrupt)
            self._stop_if_interrupted(item.session)
            message = f"cancelled by {interruption.name} while its fixtures were {activity}"
            raise Cancelled(message, location=item.spec.location, block=item.spec.label) from None

    def _record_setup_failure(self, item: pytest.Item, error: Exception) -> None:
        """Count a block as failed for the blocks below, because its set-up failed."""
        if isinstance(item, BlockItem) and item.node.run is not None:
            failure = error if isinstance(error, RunbookError) else InternalError(f"its set-up failed: {error}")
            item.node.run.fail(item.spec.id, failure)

    def _clean_up(self, session: pytest.Session) -> None:
        pending = list(_pending_cleanups(session.items))
        if pending and self._current is not None:
            self._tear_down(self._current)
        for item, following in zip_longest(pending, pending[1:]):
            if hasattr(session.config, "workerinput"):
                self.step(item)  # without the protocol: the controller takes no more reports of this worker
            else:
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

    def _tear_down(self, item: pytest.Item) -> None:
        """Tear down the item whose protocol was interrupted: pytest requires it before it sets up another one."""
        self._current = None
        with suppress(Exception):  # fixtures that were interrupted half way may fail in any way
            item.ihook.pytest_runtest_teardown(item=item, nextitem=None)

    def _stop_if_interrupted(self, session: pytest.Session) -> None:
        name = self._portal.interruption.name
        if name is not None:
            session.shouldstop = f"interrupted by {name}"

    def _raise_if_repeated(self) -> None:
        if self._portal.interruption.count > MAX_BLOCK_INTERRUPTS:
            raise KeyboardInterrupt

    def _limit_of(self, item: BlockItem) -> TimeLimit | None:
        """Return the limit that a timeout marker or pytest-timeout sets for an item; None if there is none."""
        seconds = _timeout_of(item)
        if seconds is None:
            return None
        # A little less than the plugin's limit, so that ours is met first and the block reports the timeout itself.
        remaining = seconds - (time.monotonic() - self._item_started_at) - min(1.0, seconds / 4)
        return TimeLimit(remaining, f"pytest's timeout {show_limit(seconds)}")


def _pending_cleanups(items: Iterable[pytest.Item]) -> Iterable[BlockItem]:
    for item in items:
        if isinstance(item, BlockItem) and item.is_pending_cleanup:
            yield item


def _mark_not_run(item: pytest.Item) -> None:
    """Count a block as not run for the blocks below, because a marker, a fixture or the policy skipped it."""
    if isinstance(item, BlockItem):
        item.node.not_run[item.spec.id] = "was skipped" if item.refusal is None else "was refused"
        if item.node.run is not None:
            item.node.run.mark_not_run(item.node.not_run)


def _ran_elsewhere_error(item: BlockItem) -> RunbookError:
    hint = "a worker ended in the middle of this runbook, or its blocks were spread over workers: use --dist loadfile"
    return InternalError(
        "it was not run in this process", location=item.spec.location, block=item.spec.label, hint=hint
    )


def _timeout_of(item: pytest.Item) -> float | None:
    """Return the seconds of a timeout marker, else those of pytest-timeout's option, variable or ini setting."""
    marker = item.get_closest_marker("timeout")
    value: object = None
    if marker is not None:
        value = marker.args[0] if marker.args else marker.kwargs.get("timeout")
    if value is None and item.config.pluginmanager.hasplugin("timeout"):
        value = _plugin_timeout(item.config)
    try:
        seconds = float(str(value)) if value is not None else 0.0
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _plugin_timeout(config: pytest.Config) -> object:
    option = config.getoption("timeout", None)
    return option if option is not None else os.environ.get("PYTEST_TIMEOUT") or config.getini("timeout") or None
