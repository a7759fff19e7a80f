"""Threads for calls that can't be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

MOST_THREADS = 40
LOOK_SECONDS = 0.0005
"""How long the event loop itself waits for a call: most are over by then, and a round through the loop costs more."""

ResultT = TypeVar("ResultT")


class Threads:
    """Worker threads, started as they are needed."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(MOST_THREADS, "runbook")

    async def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Call a function in a thread. Cancelled, the wait ends at once; the call goes on until it ends by itself."""
        future = self._executor.submit(function)
        with suppress(TimeoutError):
            future.exception(LOOK_SECONDS)
        if not future.done():
            await asyncio.wrap_future(future)
        return future.result()

    def close(self) -> None:
        """Let go of the threads; a call that is under way is not waited for."""
        self._executor.shutdown(wait=False)
