"""Threads for an event loop of ours that nobody waits for.

A name that is looked up can't be called off: the system's resolver takes as long as it likes, ten seconds and more
where no name server answers. The loop's usual threads are few, so that some such names hold all others up; and both the
loop and the interpreter wait for them at their end.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Thread
from typing import ParamSpec, TypeVar

ResultT = TypeVar("ResultT")
Parameters = ParamSpec("Parameters")


class DnsExecutor(ThreadPoolExecutor):
    """A thread for each call; what is still at it at the end is left to itself."""

    def submit(
        self, function: Callable[Parameters, ResultT], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[ResultT]:
        future: Future[ResultT] = Future()
        Thread(target=_settle, args=(future, partial(function, *args, **kwargs)), name="lookup", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """There is nothing to wait for."""


def _settle(future: Future[ResultT], call: Callable[[], ResultT]) -> None:
    """Make the call; nobody is told who has stopped waiting."""
    try:
        result = call()
    except BaseException as error:
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
    else:
        if future.set_running_or_notify_cancel():
            future.set_result(result)
