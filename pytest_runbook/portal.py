"""The engine for programs that are not async: in an event loop of its own thread, called from any other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, overload

from anyio.from_thread import BlockingPortal, start_blocking_portal

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


class EngineThread:
    """A runtime in a thread of its own, as long as the context manager is open.

    >>> with EngineThread() as engine:
    ...     book = engine.open("deploy.runbook.yaml")
    ...     results = book.run()

    Leaving it ends what still runs. on_event: is told what happens, in the engine's thread.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        registry: BlockRegistry | None = None,
        storage: ContextStorage | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self._open_runtime = partial(open_runtime, settings, registry=registry, storage=storage)
        self._on_event = on_event
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as listening, ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            self._portal.call(asyncio.get_running_loop).set_default_executor(DnsExecutor())
            self._runtime = stack.enter_context(self._portal.wrap_async_context_manager(self._open_runtime()))
            if self._on_event is not None:
                listening.enter_context(self._runtime.events.subscribe(self._on_event))
            self._stack.push(listening.pop_all())  # the endings of blocks on leaving are heard as well
            self._stack.push(stack.pop_all())
        return self

    @property
    def runtime(self) -> Runtime:
        """What `call` may call; nothing of it may be used in another thread than the engine's."""
        return self._runtime

    @overload
    def call(self, function: Callable[..., Awaitable[ResultT]], *arguments: object) -> ResultT: ...

    @overload
    def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT: ...

    def call(self, function: Callable[..., object], *arguments: object) -> object:
        """Call a function, async or not, in the engine's thread, and wait for what it gives."""
        return self._portal.call(function, *arguments)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def open(
        self, path: Path | str, inputs: Inputs | None = None, channel: ClientMessageChannel | None = None
    ) -> OpenRunbook:
        """Open a runbook. channel: is sent messages in the engine's thread.

        :raises UnreadableFile: if the file can't be read.
        """
        document = self._portal.call(self._runtime.open_document, path, inputs, channel)
        return OpenRunbook(self._portal, self._runtime, document)


class OpenRunbook:
    """A runbook that is open in an engine's thread. Every method may be called from any thread, also while it runs."""

    def __init__(self, portal: BlockingPortal, runtime: Runtime, document: Document) -> None:
        self._portal = portal
        self._runtime = runtime
        self._document = document
        self._run: RunbookRun | None = None

    @property
    def blocks(self) -> tuple[BlockSpec, ...]:
        """The blocks that do work, in the order of a run."""
        return self._document.items

    def run(self, start: str | None = None) -> tuple[BlockResult, ...]:
        """Run all blocks, or those from a block's id on, and wait for the end.

        :raises KeyError: if nothing of that id runs.
        :raises RuntimeError: if it runs already.
        """
        if self._run is not None:
            raise RuntimeError("it is running already")
        run = self._run = RunbookRun(self._document, self._runtime)
        try:
            return self._portal.call(run.run_all, start)
        finally:
            self._run = None

    def run_block(self, block_id: str) -> BlockResult:
        """Run one block, whatever came before it, and wait for its end.

        :raises KeyError: if there is none of that id.
        """
        return self._portal.call(RunbookRun(self._document, self._runtime).step, block_id)

    def cancel(self, reason: str = "cancelled", *, block_id: str | None = None) -> None:
        """End what runs, or one block; of a whole run, clean-ups still have their turn."""
        self._portal.call(self._cancel, reason, block_id)

    def pause(self) -> None:
        """Start no further block of a run, until `resume`."""
        if self._run is not None:
            self._portal.call(self._run.pause)

    def resume(self) -> None:
        if self._run is not None:
            self._portal.call(self._run.resume)

    def context(self, block_id: str) -> ResolvedContext:
        """What a block sees."""
        return self._portal.call(self._document.resolved_context, block_id)

    def output(self, block_id: str) -> Mapping[str, object] | None:
        """A block's ``output``, None if it left none."""
        return self._portal.call(self._document.output, block_id)

    @property
    def document(self) -> Document:
        """For `EngineThread.call`; nothing of it may be used in another thread than the engine's."""
        return self._document

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a question that a block asked.

        :raises KeyError: if none that runs asked one of this id.
        """
        self._portal.call(self._document.answer, prompt_id, answer)

    def update(self, runbook: Runbook | Path | str) -> None:
        """Take a new version of the file, also while blocks run.

        :raises UnreadableFile: if the file can't be read.
        """
        if not isinstance(runbook, Runbook):
            runbook = read_runbook(Path(runbook), self._runtime.registry)
        self._portal.call(self._document.put_document, runbook)

    def reset(self) -> None:
        """Take away what any block left."""
        self._portal.call(self._document.reset)

    def load_contexts(self) -> int:
        """Take what an earlier run left in the storage; gives to how many blocks."""
        return self._portal.call(self._document.load_contexts)

    def _cancel(self, reason: str, block_id: str | None) -> None:
        if self._run is None or block_id is not None:
            self._document.cancel(block_id, reason)
        else:
            self._run.cancel(reason)
