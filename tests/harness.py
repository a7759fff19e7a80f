"""What the tests of the engine share: a runbook as text, opened and run for real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio

from pytest_runbook.blocks.registry import BlockPlugin, BlockRegistry
from pytest_runbook.context.storage import ContextStorage
from pytest_runbook.document.document import Document
from pytest_runbook.document.inputs import Inputs
from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import Runtime, open_runtime
from pytest_runbook.document.settings import Settings
from pytest_runbook.execution.result import BlockResult
from pytest_runbook.messages.client_messages import BlockOutput
from pytest_runbook.messages.events import Event, EventKind
from pytest_runbook.testing import RecordingChannel

ValueT = TypeVar("ValueT")
ABOUT_BLOCKS = ("block", "runbook", "serial")


@dataclass(kw_only=True)
class Opened:
    """A document that is open, with all that was said of it."""

    runtime: Runtime
    document: Document
    channel: RecordingChannel
    events: list[Event]
    run: RunbookRun = field(init=False)

    def __post_init__(self) -> None:
        self.run = RunbookRun(self.document, self.runtime)

    def block(self, name: str) -> str:
        """The id of the block of that name."""
        return next(spec.id for spec in self.document.runbook.blocks if spec.name == name)

    @property
    def results(self) -> dict[str, BlockResult]:
        """By name."""
        return {result.name: result for result in self.run.results.values()}

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: str(result.outcome) for name, result in self.results.items()}

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]

    async def waits_for(self, text: str) -> None:
        """Wait until a block has said it."""
        await until(lambda: text in self.said)

    @property
    def said(self) -> str:
        """All text that was passed on."""
        texts = (message.stdout or message.stderr or "" for message in self.channel.of(BlockOutput))
        return "".join(texts)


async def until(holds: Callable[[], object]) -> None:
    """Wait for something that wakes nobody: a message in a recording channel, a file."""
    with anyio.fail_after(20):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.005)


@asynccontextmanager
async def opened(
    folder: Path,
    text: str,
    *,
    inputs: Inputs | None = None,
    settings: Settings | None = None,
    storage: ContextStorage | None = None,
    plugins: tuple[BlockPlugin, ...] = (),
    name: str = "a.runbook.yaml",
) -> AsyncIterator[Opened]:
    """A runbook, open in a runtime of its own."""
    path = written(folder, text, name)
    channel, events = RecordingChannel(), list[Event]()
    settings = settings or Settings(root=folder, invocation=folder)
    async with open_runtime(settings, registry=BlockRegistry(plugins), storage=storage) as runtime:
        with runtime.events.subscribe(events.append):
            document = runtime.open_document(path, inputs, channel)
            yield Opened(runtime=runtime, document=document, channel=channel, events=events)


def ran(folder: Path, text: str, **options: object) -> Opened:
    """A runbook after its run. options: those of `opened`."""

    async def work(book: Opened) -> Opened:
        await book.run.run_all()
        return book

    return inside(folder, text, work, **options)


def inside(folder: Path, text: str, work: Callable[[Opened], Awaitable[ValueT]], **options: object) -> ValueT:
    """Work on an open runbook, in an event loop of its own."""

    async def main() -> ValueT:
        async with opened(folder, text, **options) as book:  # type: ignore[arg-type]  # passed on as they are
            return await work(book)

    return anyio.run(main)


def seen(folder: Path, text: str, block: str, **options: object) -> Mapping[str, object]:
    """The variables that a block sees."""

    async def work(book: Opened) -> Mapping[str, object]:
        return book.document.resolved_context(book.block(block)).variables

    return inside(folder, text, work, **options)


def written(folder: Path, text: str, name: str = "a.runbook.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
