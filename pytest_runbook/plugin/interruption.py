"""Ctrl-C and SIGTERM while runbooks run: the running block is cancelled, and the session then ends in order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

ECHO_SECONDS = 2.0
SIGNAL_POLL_INTERVAL = 0.1
"""Seconds that the main thread waits at a time.

The system may deliver a signal to another thread; Python's handler runs in the main thread, once that wakes up.
"""


class Terminated(KeyboardInterrupt):
    """Raised by SIGTERM: the run ends as after Ctrl-C."""


class Interruption:
    """Handles and counts the signals that end a run.

    name: ``Ctrl-C`` or ``SIGTERM``, whichever came first; None if none came. count: how many came.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.count = 0
        self._callback: Callable[[], object] | None = None
        self._handlers: dict[int, object] = {}
        self._last_at = 0.0

    def __enter__(self) -> Self:
        """Install handlers where Python's own are in place, and only in the main thread, which alone may do so."""
        if threading.current_thread() is threading.main_thread():
            for number, default_handler in (
                (signal.SIGINT, signal.default_int_handler),
                (signal.SIGTERM, signal.SIG_DFL),
            ):
                if signal.getsignal(number) is default_handler:
                    self._handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned
        self._handlers.clear()

    @contextmanager
    def handled_by(self, callback: Callable[[], object]) -> Iterator[None]:
        """Call back on a signal instead of raising an exception, until the context manager is left."""
        outer, self._callback = self._callback, callback
        try:
            yield
        finally:
            self._callback = outer

    def record(self, interrupt: BaseException) -> None:
        """Count a signal that came as an exception."""
        self.name = self.name or ("SIGTERM" if isinstance(interrupt, Terminated) else "Ctrl-C")
        self.count += 1
        self._last_at = time.monotonic()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM and self.count and time.monotonic() - self._last_at < ECHO_SECONDS:
            return  # the parent process got the same interruption and passes it on: it is not a second one
        interrupt = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        if self._callback is None:
            raise interrupt
        self.record(interrupt)
        self._callback()
