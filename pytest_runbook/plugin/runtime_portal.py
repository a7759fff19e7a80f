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
from ..resources.dns_executor import DnsExecutor
from ..secrets.masker import Masker
from .interruption import SIGNAL_POLL_INTERVAL, Interruption
from .prompts import TerminalPrompter
from .reports.masking import MaskedLogs

ResultT = TypeVar("ResultT")
CancelCallback = Callable[[str], Any]


class RuntimePortal:
    """Opens the runtime and calls into it.

    interruption: what ended the run, if anything did; also asked while nothing is open.
    prompter: asks the person at the terminal what blocks ask; None where there is nobody.
    """

    def __init__(self, settings: Settings, registry: BlockRegistry, storage: ContextStorage, masker: Masker) -> None:
        self.interruption = Interruption()
        self.prompter = TerminalPrompter(self.call) if settings.is_interactive else None
        self._open_runtime = partial(open_runtime, settings, registry=registry, storage=storage, masker=masker)
        self._masker = masker
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
            stack.enter_context(MaskedLogs(self._masker))
            blocking_portal = stack.enter_context(start_blocking_portal("asyncio"))
            self._loop = blocking_portal.call(asyncio.get_running_loop)
            self._loop.set_default_executor(DnsExecutor())
            self._runtime = stack.enter_context(blocking_portal.wrap_async_context_manager(self._open_runtime()))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        processes = self.runtime.resources.processes
        try:
            with self.interruption.handled_by(processes.kill_everything):
                self._stack.__exit__(kind, error, at)
        finally:
            self._loop = self._runtime = None

    def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call a plain function in the event loop's thread. It is not interrupted; what comes next is."""
        with self.interruption.handled_by(_ignore_interrupt):
            future: Future[ResultT] = self._submit(_call_in_loop, function, *arguments)
            return future.result()

    def run(
        self, function: Callable[..., Coroutine[Any, Any, ResultT]], *arguments: object, cancel: CancelCallback
    ) -> ResultT:
        """Wait for a coroutine function in the event loop, also through interruptions.

        cancel: is called in the event loop's thread with the reason when the run is interrupted; the coroutine then
        ends by itself with a result. A second interruption kills every program at once.
        """
        with self.interruption.handled_by(partial(self._interrupt, cancel)):
            if self.interruption.name is not None:
                self._interrupt(cancel)
            future: Future[ResultT] = self._submit(function, *arguments)
            return self._wait_for(future, cancel)

    def _wait_for(self, future: Future[ResultT], cancel: CancelCallback) -> ResultT:
        """What the coroutine gives, also if something else in this thread wants to get out: another plugin's limit."""
        try:
            return self.prompter.wait_for(future) if self.prompter else _wait_for_future(future)
        except pytest.fail.Exception as failure:
            if future.done():
                raise
            self._submit(_call_in_loop, cancel, f"ended from outside: {failure}")
            return _wait_for_future(future)
        except BaseException:
            if not future.done():
                self._submit(_call_in_loop, cancel, "ended from outside")
                _wait_for_future(future)
            raise

    def _interrupt(self, cancel: CancelCallback) -> None:
        if self.interruption.count > 1:
            self._submit(_call_in_loop, self.runtime.shut_down_at_once)
            self.runtime.resources.processes.kill_everything()
        else:
            self._submit(_call_in_loop, self.runtime.shut_down)
        self._submit(_call_in_loop, cancel, f"cancelled by {self.interruption.name}")

    def _submit(self, function: Callable[..., Coroutine[Any, Any, ResultT]], *arguments: object) -> Future[ResultT]:
        """Start a coroutine function in the event loop: one hand-over there, and one back with its result."""
        if self._loop is None:
            raise RuntimeError("the engine is not open")
        call: _LoopFuture[ResultT] = _LoopFuture()
        self._loop.call_soon_threadsafe(call.start, function(*arguments))
        return call


class _LoopFuture(Future[ResultT]):
    """What a coroutine in the event loop's thread gives, for another thread."""

    def start(self, coroutine: Coroutine[Any, Any, ResultT]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._settle(coroutine))  # kept: the loop does not

    async def _settle(self, coroutine: Coroutine[Any, Any, ResultT]) -> None:
        try:
            self.set_result(await coroutine)
        except BaseException as error:
            self.set_exception(error)


async def _call_in_loop(function: Callable[..., ResultT], *arguments: object) -> ResultT:
    return function(*arguments)


def _wait_for_future(future: Future[ResultT]) -> ResultT:
    """The result, waited for so that signals are noticed also where the system gave them to another thread."""
    while True:
        try:
            return future.result(SIGNAL_POLL_INTERVAL)
        except TimeoutError:
            if future.done():
                return future.result()


def _ignore_interrupt() -> None:
    """The interruption is noted; whoever runs something next is told."""
