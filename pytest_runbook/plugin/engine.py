"""The runtime in an event loop of its own thread, and the bridge to it from pytest's."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..blocks.registry import BlockRegistry
from ..context.storage import ContextStorage
from ..document.runtime import Runtime, open_runtime
from ..document.settings import Settings
from ..masking import Redactor

ResultT = TypeVar("ResultT")


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the run ends as after Ctrl-C."""


class Engine:
    """Opens the runtime and calls into it.

    interrupted_by: what ended the run (``Ctrl-C``, ``SIGTERM``), None as long as nothing did.
    """

    def __init__(
        self, settings: Settings, registry: BlockRegistry, storage: ContextStorage, redactor: Redactor
    ) -> None:
        self._open_runtime = lambda: open_runtime(settings, registry=registry, storage=storage, redactor=redactor)
        self._redactor = redactor
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._runtime: Runtime | None = None
        self.interrupted_by: str | None = None

    @property
    def runtime(self) -> Runtime:
        """:raises RuntimeError: if the engine is not open."""
        if self._runtime is None:
            raise RuntimeError("the engine is not open")
        return self._runtime

    @property
    def is_open(self) -> bool:
        return self._runtime is not None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(_TerminationAsInterrupt())
            stack.enter_context(_MaskedLogs(self._redactor))
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            self._runtime = stack.enter_context(self._portal.wrap_async_context_manager(self._open_runtime()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._stack.__exit__(kind, error, at)
        finally:
            self._portal = self._runtime = None

    def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call a plain function in the event loop's thread."""
        return self._start(function, *arguments).result()

    def run(
        self, function: Callable[..., Awaitable[ResultT]], *arguments: object, cancel: Callable[[str], Any]
    ) -> ResultT:
        """Wait for a coroutine function in the event loop, also through interruptions.

        cancel: is called in the event loop's thread with the reason when the run is interrupted; the coroutine then
        ends by itself with a result. A second interruption kills every program at once.
        """
        future: Future[ResultT] = self._start(function, *arguments)
        while True:
            try:
                return future.result()
            except KeyboardInterrupt as interrupt:
                self._interrupt(interrupt, cancel)
            except BaseException:
                if not future.done():  # something in this thread wants to get out: a time limit of another plugin
                    self._start(cancel, "cancelled by a time limit outside of the runbook")
                    self._wait_quietly(future)
                raise

    def _interrupt(self, interrupt: KeyboardInterrupt, cancel: Callable[[str], Any]) -> None:
        if self.interrupted_by is None:
            self.interrupted_by = "SIGTERM" if isinstance(interrupt, Terminated) else "Ctrl-C"
            self._start(self.runtime.shut_down)
        else:
            self._start(self.runtime.shut_down_at_once)
            self.runtime.resources.processes.kill_everything()
        self._start(cancel, f"cancelled by {self.interrupted_by}")

    def _start(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        if self._portal is None:
            raise RuntimeError("the engine is not open")
        return self._portal.start_task_soon(function, *arguments)

    @staticmethod
    def _wait_quietly(future: Future[Any]) -> None:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        done.wait()


class _TerminationAsInterrupt:
    """Makes SIGTERM end a run as Ctrl-C does, unless somebody else handles it."""

    def __enter__(self) -> None:
        self._is_ours = (
            threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        )
        if self._is_ours:
            signal.signal(signal.SIGTERM, _raise_terminated)

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise_terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated


class _MaskedLogs:
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
        try:
            message = record.getMessage()
        except Exception:  # a record that can't be formatted is its author's business
            return record
        if self._redactor.holds_secret(message):
            record.msg, record.args = self._redactor.redact(message), None
        return record
