"""The runtime in an event loop of its own thread, and the bridge to it from pytest's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest
from anyio.from_thread import start_blocking_portal

from ..blocks.registry import BlockRegistry
from ..context.storage import ContextStorage
from ..document.runtime import Runtime, open_runtime
from ..document.settings import Settings
from ..resources.dns_executor import UnawaitedThreads
from ..secrets.masker import Redactor
from .interruption import LOOK_INTERVAL, Interruption
from .prompts import Asking
from .reports.masking import MaskedLogs

ResultT = TypeVar("ResultT")
Cancel = Callable[[str], Any]


class Engine:
    """Opens the runtime and calls into it.

    interruption: what ended the run, if anything did; also asked while nothing is open.
    asking: asks the person at the terminal what blocks ask; None where there is nobody.
    """

    def __init__(
        self, settings: Settings, registry: BlockRegistry, storage: ContextStorage, redactor: Redactor
    ) -> None:
        self.interruption = Interruption()
        self.asking = Asking(self.call) if settings.asks_people else None
        self._open_runtime = partial(open_runtime, settings, registry=registry, storage=storage, redactor=redactor)
        self._redactor = redactor
        self._stack = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runtime: Runtime | None = None

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
            stack.enter_context(self.interruption)
            stack.enter_context(MaskedLogs(self._redactor))
            portal = stack.enter_context(start_blocking_portal("asyncio"))
            self._loop = portal.call(asyncio.get_running_loop)
            self._loop.set_default_executor(UnawaitedThreads())
            self._runtime = stack.enter_context(portal.wrap_async_context_manager(self._open_runtime()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        processes = self.runtime.resources.processes
        try:
            with self.interruption.caught(processes.kill_everything):
                self._stack.__exit__(kind, error, at)
        finally:
            self._loop = self._runtime = None

    def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call a plain function in the event loop's thread. It is not interrupted; what comes next is."""
        with self.interruption.caught(_not_now):
            future: Future[ResultT] = self._start(_called, function, *arguments)
            return future.result()

    def run(self, function: Callable[..., Coroutine[Any, Any, ResultT]], *arguments: object, cancel: Cancel) -> ResultT:
        """Wait for a coroutine function in the event loop, also through interruptions.

        cancel: is called in the event loop's thread with the reason when the run is interrupted; the coroutine then
        ends by itself with a result. A second interruption kills every program at once.
        """
        with self.interruption.caught(partial(self._interrupt, cancel)):
            if self.interruption.name is not None:
                self._interrupt(cancel)
            future: Future[ResultT] = self._start(function, *arguments)
            return self._result(future, cancel)

    def _result(self, future: Future[ResultT], cancel: Cancel) -> ResultT:
        """What the coroutine gives, also if something else in this thread wants to get out: another plugin's limit."""
        try:
            return self.asking.result(future) if self.asking else _patiently(future)
        except pytest.fail.Exception as failure:
            if future.done():
                raise
            self._start(_called, cancel, f"ended from outside: {failure}")
            return _patiently(future)
        except BaseException:
            if not future.done():
                self._start(_called, cancel, "ended from outside")
                _patiently(future)
            raise

    def _interrupt(self, cancel: Cancel) -> None:
        if self.interruption.count > 1:
            self._start(_called, self.runtime.shut_down_at_once)
            self.runtime.resources.processes.kill_everything()
        else:
            self._start(_called, self.runtime.shut_down)
        self._start(_called, cancel, f"cancelled by {self.interruption.name}")

    def _start(self, function: Callable[..., Coroutine[Any, Any, ResultT]], *arguments: object) -> Future[ResultT]:
        """Start a coroutine function in the event loop: one hand-over there, and one back with its result."""
        if self._loop is None:
            raise RuntimeError("the engine is not open")
        call: _Call[ResultT] = _Call()
        self._loop.call_soon_threadsafe(call.begin, function(*arguments))
        return call


class _Call(Future[ResultT]):
    """What a coroutine in the event loop's thread gives, for another thread."""

    def begin(self, coroutine: Coroutine[Any, Any, ResultT]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._settle(coroutine))  # kept: the loop does not

    async def _settle(self, coroutine: Coroutine[Any, Any, ResultT]) -> None:
        try:
            self.set_result(await coroutine)
        except BaseException as error:
            self.set_exception(error)


async def _called(function: Callable[..., ResultT], *arguments: object) -> ResultT:
    return function(*arguments)


def _patiently(future: Future[ResultT]) -> ResultT:
    """The result, waited for so that signals are noticed also where the system gave them to another thread."""
    while True:
        try:
            return future.result(LOOK_INTERVAL)
        except TimeoutError:
            if future.done():
                return future.result()


def _not_now() -> None:
    """The interruption is noted; whoever runs something next is told."""
