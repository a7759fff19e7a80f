"""The event loop's default executor for DNS lookups, with threads that nothing waits for at the end.

A lookup can't be cancelled: the system's resolver may take ten seconds and more where no name server answers. The
loop's usual executor has few threads, so that some such lookups hold all others up. Both the loop and the interpreter
would wait for its threads at their end.
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
    """An executor with a daemon thread for each call. Calls that still run at the end are abandoned."""

    def submit(
        self, function: Callable[Parameters, ResultT], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[ResultT]:
        future: Future[ResultT] = Future()
        Thread(target=_settle, args=(future, partial(function, *args, **kwargs)), name="lookup", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: there is nothing to wait for."""


def _settle(future: Future[ResultT], call: Callable[[], ResultT]) -> None:
    """Make the call and settle the future, unless it has been cancelled."""
    try:
        result = call()
    except BaseException as error:
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
    else:
        if future.set_running_or_notify_cancel():
            future.set_result(result)
