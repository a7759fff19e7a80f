"""The bridge between threads and the event loop: runs the engine in a thread of its own, for callers in any other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from functools import partial
from inspect import isawaitable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from anyio.from_thread import start_blocking_portal

from .blocks.registry import BlockRegistry
from .context.resolver import ResolvedContext
from .context.storage import ContextStorage
from .document.document import Document
from .document.inputs import Inputs
from .document.run import RunbookRun
from .document.runtime import Runtime, open_runtime, read_runbook
from .document.settings import Settings
from .execution.result import BlockResult
from .messages.channel import ClientMessageChannel
from .messages.client_messages import PromptAnswer
from .messages.events import Event
from .model.runbook import BlockSpec, Runbook
from .resources.dns_executor import DnsExecutor

ResultT = TypeVar("ResultT")
CoroutineFunction = Callable[..., Coroutine[Any, Any, ResultT]]


class RuntimePortal:
    """An open runtime in an event loop with a thread of its own, and calls into that thread.

    open_runtime: called in the event loop's thread.
    around: opened before the thread starts, and closed after it has ended, the last one first.
    """

    def __init__(
        self,
        open_runtime: Callable[[], AbstractAsyncContextManager[Runtime]],
        around: Sequence[AbstractContextManager[object]] = (),
    ) -> None:
        self._open_runtime = open_runtime
        self._around = around
        self._stack = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id = 0
        self._runtime: Runtime | None = None
        self._tasks: set[asyncio.Task[None]] = set()

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
            for context in self._around:
                stack.enter_context(context)
            blocking_portal = stack.enter_context(start_blocking_portal("asyncio"))
            self._loop = blocking_portal.call(asyncio.get_running_loop)
            self._thread_id = blocking_portal.call(threading.get_ident)
            self._loop.set_default_executor(DnsExecutor())
            stack.push(lambda kind, error, at: blocking_portal.call(self._finish_tasks, error is not None))
            runtime = blocking_portal.wrap_async_context_manager(self._open_runtime())
            self._runtime = runtime.__enter__()
            # Without the caller's exception: the runtime's task group would put a KeyboardInterrupt into a group.
            stack.callback(runtime.__exit__, None, None, None)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._stack.__exit__(kind, error, at)
        finally:
            self._loop = self._runtime = None

    def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call a plain function in the event loop's thread, and wait for its result."""
        return self.submit_call(function, *arguments).result()

    def submit_call(self, function: Callable[..., ResultT], *arguments: object) -> Future[ResultT]:
        """Call a plain function in the event loop's thread, without waiting for it."""
        return self.submit(_call, function, *arguments)

    def submit(self, function: CoroutineFunction[ResultT], *arguments: object) -> Future[ResultT]:
        """Start a coroutine function in the event loop's thread, and return at once.

        :raises RuntimeError: if the engine is not open, or this is the thread of its event loop.
        """
        # Not by the portal of anyio, whose call waits until the task is started: that costs each block a second
        # switch of threads, and a signal handler, which submits the shutdown, must not wait for a busy event loop.
        loop = self._loop
        if loop is None:
            raise RuntimeError("the engine is not open")
        if threading.get_ident() == self._thread_id:
            raise RuntimeError("the thread of the engine's event loop can't wait for itself")
        future: Future[ResultT] = Future()
        loop.call_soon_threadsafe(self._start, future, function(*arguments))
        return future

    def _start(self, future: Future[ResultT], coroutine: Coroutine[Any, Any, ResultT]) -> None:
        task = asyncio.get_running_loop().create_task(_settle(future, coroutine))
        self._tasks.add(task)  # the event loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _finish_tasks(self, is_cancelled: bool) -> None:
        """Let the calls end that other threads still wait for. The runtime is closed, which ended what they ran.

        is_cancelled: cancel them: an exception closes the portal.
        """
        while self._tasks:
            if is_cancelled:
                for task in self._tasks:
                    task.cancel()
            await asyncio.wait(self._tasks)
        self._loop = None  # takes no more calls: nothing would wait for them


async def _call(function: Callable[..., ResultT], *arguments: object) -> ResultT:
    return function(*arguments)


async def _call_any(function: Callable[..., object], *arguments: object) -> object:
    result = function(*arguments)
    return await result if isawaitable(result) else result


async def _settle(future: Future[ResultT], coroutine: Coroutine[Any, Any, ResultT]) -> None:
    """Set the future to what a coroutine returns or raises."""
    try:
        future.set_result(await coroutine)
    except asyncio.CancelledError:
        future.cancel()
    except BaseException as error:
        future.set_exception(error)


class EngineThread:
    """The engine for programs that are not async: a runtime in a thread of its own, as a context manager.

    >>> with EngineThread() as engine:
    ...     runbook = engine.open("deploy.runbook.yaml")
    ...     results = runbook.run()

    Leaving it ends what still runs. on_event: called with each event, in the engine's thread.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        registry: BlockRegistry | None = None,
        storage: ContextStorage | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self._portal = RuntimePortal(partial(open_runtime, settings, registry=registry, storage=storage))
        self._on_event = on_event
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            subscription = stack.enter_context(ExitStack())  # closed last: leaving ends blocks, which are events, too
            stack.enter_context(self._portal)
            if self._on_event is not None:
                subscription.enter_context(self.runtime.events.subscribe(self._on_event))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    @property
    def runtime(self) -> Runtime:
        """The runtime, for `call`. It may be used in the engine's thread only.

        :raises RuntimeError: if the engine is not open.
        """
        return self._portal.runtime

    @overload
    def call(self, function: Callable[..., Awaitable[ResultT]], *arguments: object) -> ResultT: ...

    @overload
    def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT: ...

    def call(self, function: Callable[..., object], *arguments: object) -> object:
        """Call a function, async or not, in the engine's thread, and wait for its result.

        :raises RuntimeError: if the engine is not open, or this is its own thread.
        """
        return self._portal.submit(_call_any, function, *arguments).result()

    def open(
        self, path: Path | str, inputs: Inputs | None = None, channel: ClientMessageChannel | None = None
    ) -> OpenRunbook:
        """Open a runbook. channel: gets its messages in the engine's thread.

        :raises UnreadableFile: if the file can't be read.
        """
        document = self._portal.call(self.runtime.open_document, path, inputs, channel)
        return OpenRunbook(self._portal, document)


class OpenRunbook:
    """A runbook that is open in an engine's thread. Every method may be called from any thread, also while it runs."""

    def __init__(self, portal: RuntimePortal, document: Document) -> None:
        self._portal = portal
        self._document = document
        self._run: RunbookRun | None = None

    @property
    def blocks(self) -> tuple[BlockSpec, ...]:
        """The blocks that do work, in the order of a run."""
        return self._document.items

    def run(self, start: str | None = None) -> tuple[BlockResult, ...]:
        """Run all blocks, or those from a block's id on, and wait for the end.

        :raises KeyError: if no block that does work has this id.
        :raises RuntimeError: if it runs already.
        """
        if self._run is not None:
            raise RuntimeError("it is running already")
        run = self._run = RunbookRun(self._document, self._portal.runtime)
        try:
            return self._portal.submit(run.run_all, start).result()
        finally:
            self._run = None

    def run_block(self, block_id: str) -> BlockResult:
        """Run one block, whatever happened before it, and wait for its end.

        :raises KeyError: if no block has this id.
        """
        return self._portal.submit(RunbookRun(self._document, self._portal.runtime).step, block_id).result()

    def cancel(self, reason: str = "cancelled", *, block_id: str | None = None) -> None:
        """Cancel what runs, or one block. After a whole run is cancelled, its clean-ups still run."""
        self._portal.call(self._cancel, reason, block_id)

    def pause(self) -> None:
        """Start no further block of a run, until `resume`."""
        if self._run is not None:
            self._portal.call(self._run.pause)

    def resume(self) -> None:
        if self._run is not None:
            self._portal.call(self._run.resume)

    def context(self, block_id: str) -> ResolvedContext:
        """Return the context above a block."""
        return self._portal.call(self._document.resolved_context, block_id)

    def output(self, block_id: str) -> Mapping[str, object] | None:
        """Return a block's ``output``; None if it left none."""
        return self._portal.call(self._document.output, block_id)

    @property
    def document(self) -> Document:
        """The document, for `EngineThread.call`. It may be used in the engine's thread only."""
        return self._document

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a prompt of a running block.

        :raises KeyError: if no running block waits for the answer to this prompt.
        """
        self._portal.call(self._document.answer, prompt_id, answer)

    def update(self, runbook: Runbook | Path | str) -> None:
        """Replace the document by a new version of its file, also while blocks run.

        :raises UnreadableFile: if the file can't be read.
        """
        if not isinstance(runbook, Runbook):
            runbook = read_runbook(Path(runbook), self._portal.runtime.registry)
        self._portal.call(self._document.put_document, runbook)

    def reset(self) -> None:
        """Remove what blocks left, outputs included, also from the storage."""
        self._portal.call(self._document.reset)

    def load_contexts(self) -> int:
        """Load what an earlier run stored of blocks that are the same since; return the number of these blocks."""
        return self._portal.call(self._document.load_contexts)

    def _cancel(self, reason: str, block_id: str | None) -> None:
        if self._run is None or block_id is not None:
            self._document.cancel(block_id, reason)
        else:
            self._run.cancel(reason)
