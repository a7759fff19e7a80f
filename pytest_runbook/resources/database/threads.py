"""Worker threads for blocking calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

MAX_THREADS = 40
BLOCKING_WAIT_SECONDS = 0.0005
"""How long the event loop itself waits for a call.

Most calls are over by then, and a turn of the loop costs more.
"""

ResultT = TypeVar("ResultT")


class Threads:
    """Worker threads, started when they are needed. A call costs half as much as in an executor."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._open: set[object] = set()
        self._started = 0

    async def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Call a function in a thread.

        If cancelled, the wait ends at once, and the call goes on until it ends by itself.
        """
        call = self.start(function)
        call.is_over()  # waits a moment, in which most calls end
        return await call.result()

    def start(self, function: Callable[[], ResultT]) -> Call[ResultT]:
        """Call a function in a thread and return the call, for callers that wait for it in their own way."""
        call = Call(function, self._open.discard)
        self._open.add(call)
        if len(self._open) > self._started < MAX_THREADS:
            self._started += 1
            threading.Thread(target=_work, args=(self._calls,), name=f"runbook-{self._started}", daemon=True).start()
        self._calls.put(call)
        return call

    def close(self) -> None:
        """End the threads without waiting for calls that are under way."""
        for _ in range(self._started):
            self._calls.put(None)
        self._calls, self._started = SimpleQueue(), 0


class Call(Generic[ResultT]):
    """A call of a function in a thread."""

    def __init__(self, function: Callable[[], ResultT], on_end: Callable[[object], None]) -> None:
        self._running = threading.Lock()
        self._running.acquire()
        self._function = function
        self._on_end = on_end
        self._notify: Callable[[], object] | None = None
        self._error: BaseException | None = None
        self._result: ResultT

    def make(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # it is raised where the call is waited for
            self._error = error
        self._on_end(self)
        self._running.release()
        if self._notify is not None:
            self._notify()

    def is_over(self) -> bool:
        """Return True if the call has ended; block for `BLOCKING_WAIT_SECONDS` at most to see it end."""
        if self._running.acquire(timeout=BLOCKING_WAIT_SECONDS):
            self._running.release()
            return True
        return False

    async def result(self) -> ResultT:
        """Return the function's result, or raise its error, once the call has ended."""
        if self._running.locked():
            await self._end()
        if self._error is not None:
            raise self._error
        return self._result

    async def _end(self) -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def notify() -> None:
            with suppress(RuntimeError):  # the loop is closed, so nothing waits any more
                loop.call_soon_threadsafe(done.set)

        self._notify = notify
        if self._running.locked():  # else it may have ended before `_notify` was set
            await done.wait()


def _work(calls: SimpleQueue[Call[Any] | None]) -> None:
    while (call := calls.get()) is not None:
        call.make()
        del call
