"""Ctrl-C and SIGTERM while runbooks run: a block is told to end, and nothing is torn apart half way."""

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
"""Seconds that the main thread waits at a time: Python notices in it alone that another thread got a signal."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: the run ends as after Ctrl-C."""


class Interruption:
    """Whether somebody wants the run to end.

    name: ``Ctrl-C`` or ``SIGTERM``, whichever came first; None as long as nobody does. count: how often it was said.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.count = 0
        self._callback: Callable[[], object] | None = None
        self._handlers: dict[int, object] = {}
        self._last_at = 0.0

    def __enter__(self) -> Self:
        """Handle the signals, unless somebody else does, or this is a thread that can't."""
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
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal gave
        self._handlers.clear()

    @contextmanager
    def handled_by(self, callback: Callable[[], object]) -> Iterator[None]:
        """In the meantime a signal calls this, and raises nothing."""
        outer, self._callback = self._callback, callback
        try:
            yield
        finally:
            self._callback = outer

    def record(self, interrupt: BaseException) -> None:
        """Count one that came as an exception."""
        self.name = self.name or ("SIGTERM" if isinstance(interrupt, Terminated) else "Ctrl-C")
        self.count += 1
        self._last_at = time.monotonic()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM and self.count and time.monotonic() - self._last_at < ECHO_SECONDS:
            return  # whoever started us was interrupted, too, and only passes it on
        interrupt = Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
        if self._callback is None:
            raise interrupt
        self.record(interrupt)
        self._callback()
