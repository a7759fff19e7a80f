"""Helpers for tests: of runbooks, of block types, and of programs that embed the engine.

The types of the fixture `runbook` are imported when they are first used: they need pytest, and the rest does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import anyio

from .blocks.registry import BlockPlugin, BlockRegistry
from .context.resolver import ResolvedContext
from .document.inputs import Inputs
from .document.runtime import open_runtime
from .document.settings import Settings
from .execution.result import BlockResult
from .messages.client_messages import BlockOutput, ClientMessage, Lifecycle
from .messages.events import Event

if TYPE_CHECKING:
    from .plugin.python_tests import CalledBlock as CalledBlock
    from .plugin.python_tests import CalledRunbook as CalledRunbook
    from .plugin.python_tests import RunbookCaller as RunbookCaller

MessageT = TypeVar("MessageT")
FIXTURE_NAMES = ("CalledBlock", "CalledRunbook", "RunbookCaller")


class RecordingChannel:
    """A channel that records all messages in order."""

    def __init__(self) -> None:
        self.messages: list[ClientMessage] = []

    def send(self, message: ClientMessage) -> None:
        self.messages.append(message)

    def of(self, kind: type[MessageT]) -> list[MessageT]:
        """Return the messages of one kind."""
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def stdout(self) -> str:
        """All of the standard output that was sent."""
        return "".join(message.stdout for message in self.of(BlockOutput) if message.stdout is not None)

    @property
    def lifecycles(self) -> list[Lifecycle]:
        """The lifecycle messages of all executions."""
        return [message.lifecycle for message in self.of(BlockOutput) if message.lifecycle is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRun:
    """The result of `run_block`.

    output: the block's ``output``; None if it has none. context_below: what a block below it would see.
    """

    result: BlockResult
    output: Mapping[str, object] | None
    context_below: ResolvedContext
    channel: RecordingChannel
    events: tuple[Event, ...]


def run_block(
    plugin: BlockPlugin,
    value: object,
    *,
    keys: Mapping[str, object] | None = None,
    inputs: Inputs | None = None,
    settings: Settings | None = None,
) -> BlockRun:
    """Run one block of a block type, written as in a plain runbook, in a runtime of its own.

    value: the value of the type's key: of its main prop, or a mapping of props.
    keys: the keys beside the type: ``{"assert": "output.length == 3", "timeout": "5s"}``.
    :raises UnreadableFile: if the runbook is invalid.
    :raises ContextError: if the block's declaration can't be evaluated.
    """
    block = {plugin.block_type.plain_names[0]: value, **(keys or {})}
    with TemporaryDirectory(prefix="runbook-") as folder:
        path = Path(folder, "block.runbook.json")
        path.write_text(json.dumps({"blocks": [block]}), encoding="utf-8")
        return anyio.run(_run_block, plugin, path, inputs, settings)


async def _run_block(plugin: BlockPlugin, path: Path, inputs: Inputs | None, settings: Settings | None) -> BlockRun:
    channel, events = RecordingChannel(), list[Event]()
    async with open_runtime(settings, registry=BlockRegistry([plugin])) as runtime:
        document = runtime.open_document(path, inputs, channel)
        (spec,) = document.runbook.blocks
        with runtime.events.subscribe(events.append):
            result = await document.start_execution(spec.id).wait()
        return BlockRun(
            result=result,
            output=document.output(spec.id),
            context_below=document.final_context(),
            channel=channel,
            events=tuple(events),
        )


def __getattr__(name: str) -> object:
    if name not in FIXTURE_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .plugin import python_tests

    return getattr(python_tests, name)
