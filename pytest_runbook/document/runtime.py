"""What is open for a whole run: resources, stores, the bus; and the task group in which blocks run."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from ..blocks.registry import BlockRegistry
from ..context.storage import ContextStorage, MemoryStorage
from ..errors import UnreadableFile
from ..execution.block_runner import RUN_ENDED, TimeLimit
from ..execution.handle import ExecutionHandle
from ..messages.channel import ClientMessageChannel, GuardedChannel, NullChannel
from ..messages.events import Event, EventBus, EventKind
from ..model.loaders.atuin import UnknownBlocks
from ..model.loading import load_runbook
from ..model.runbook import BlockSpec, Runbook
from ..resources.process.process_group import Grace
from ..resources.resources import Resources
from ..secrets.masker import Masker
from ..text import show_limit
from .document import Document
from .inputs import Inputs
from .settings import Settings
from .sub_runbooks import SubRunbooks
from .template_check import runbook_problems

NO_GRACE = Grace(interrupt=0.0, terminate=0.0)
GRACE_SHARE = 0.07
"""Of the time for shutting down: what a program gets after an interrupt, and again after a termination."""
RESERVED_SHARE = 5 * GRACE_SHARE
"""What clean-ups must leave: both for the last of them and for what is left in the background, and some air."""


class Runtime:
    """Owns documents and everything they share.

    events: what happened, for those who watch. masker: the one place that knows the secrets.
    ptys: terminals that are open, to be typed into, resized and killed by their executions' ids.
    warnings: what went wrong without harming a block, one line each, for the end of the run.
    """

    def __init__(
        self,
        settings: Settings,
        registry: BlockRegistry,
        storage: ContextStorage,
        masker: Masker,
        resources: Resources,
        tasks: anyio.abc.TaskGroup,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.storage = storage
        self.masker = masker
        masker.add_environment(os.environ)
        self.resources = resources
        self.ptys = resources.ptys
        self.events = EventBus(self.warn)
        self.warnings: dict[str, None] = {}
        resources.report_to(self._emit, self.warn)
        self._tasks = tasks
        self._executions: set[ExecutionHandle] = set()
        self._is_over = False
        self._shutdown_at: float | None = None

    def open_document(
        self, runbook: Runbook | Path | str, inputs: Inputs | None = None, channel: ClientMessageChannel | None = None
    ) -> Document:
        """Open a runbook, given as read or by its path.

        :raises UnreadableFile: if the file can't be read, or its templates and expressions make no sense.
        """
        if not isinstance(runbook, Runbook):
            runbook = read_runbook(Path(runbook), self.registry)
        guarded_channel = (
            NullChannel() if channel is None or isinstance(channel, NullChannel) else GuardedChannel(channel, self.warn)
        )
        inputs = inputs or Inputs()
        children = SubRunbooks(self, inputs, self._read_child, (runbook,))
        return Document(runbook, self, str(uuid.uuid4()), inputs, guarded_channel, children)

    def _read_child(self, path: Path, display_path: str) -> Runbook:
        return read_runbook(path, self.registry, display_path=display_path, unknown_blocks=self.settings.unknown_blocks)

    def start(self, function: Callable[..., Coroutine[Any, Any, object]], *arguments: object) -> None:
        """Run something in the runtime's task group."""
        self._tasks.start_soon(function, *arguments)

    def register_execution(self, handle: ExecutionHandle) -> None:
        """Know of an execution until `forget`: it is ended before anything is closed."""
        self._executions.add(handle)
        if self._is_over:
            handle.cancel(RUN_ENDED)

    def unregister_execution(self, handle: ExecutionHandle) -> None:
        self._executions.discard(handle)

    async def end_executions(self) -> None:
        """End all blocks that run, in whosever tasks they do, and each one that is started from now on."""
        self._is_over = True
        executions = tuple(self._executions)
        for handle in executions:
            handle.cancel(RUN_ENDED)
        for handle in executions:
            await handle.wait()

    def block_limit(self, runbook: Runbook, spec: BlockSpec) -> TimeLimit:
        """The deadline of a block: its own, its runbook's for blocks, or that of the run."""
        return _limit_of(spec.rules.timeout or runbook.timeouts.block or self.settings.block_timeout)

    def shut_down(self) -> None:
        """Everything has to end within the settings' `shutdown` from now on, clean-ups included."""
        if self._shutdown_at is None:
            self._shutdown_at = time.monotonic() + self.settings.shutdown_timeout
            grace = GRACE_SHARE * self.settings.shutdown_timeout
            self.resources.tighten_deadline(Grace(interrupt=grace, terminate=grace))

    def shut_down_at_once(self) -> None:
        """Nothing gets time to end any more."""
        self._shutdown_at = time.monotonic()
        self.resources.tighten_deadline(NO_GRACE)

    def shutdown_limit(self) -> TimeLimit | None:
        """What is left of the time for shutting down; None as long as nobody wants to."""
        if self._shutdown_at is None:
            return None
        remaining = self._shutdown_at - time.monotonic() - RESERVED_SHARE * self.settings.shutdown_timeout
        return TimeLimit(max(remaining, 0.0), f"shutting down within {show_limit(self.settings.shutdown_timeout)}")

    def warn(self, text: str) -> None:
        """Keep something for the end of the run; the same text once."""
        self.warnings[self.masker.mask(text)] = None

    def _emit(self, kind: EventKind, data: Mapping[str, object]) -> None:
        self.events.emit(Event(kind, {key: self.masker.mask_data(value) for key, value in data.items()}))


@lru_cache(maxsize=64)
def _limit_of(seconds: float) -> TimeLimit:
    return TimeLimit(seconds, f"limit {show_limit(seconds)}")


def read_runbook(
    path: Path, registry: BlockRegistry, *, display_path: str | None = None, unknown_blocks: UnknownBlocks = "error"
) -> Runbook:
    """The runbook of a file, its templates and expressions looked through.

    :raises UnreadableFile: with every fault that was found.
    """
    runbook = load_runbook(path, display_path=display_path, catalog=registry.catalog, unknown_blocks=unknown_blocks)
    problems = runbook_problems(runbook, registry.catalog)
    if problems:
        raise UnreadableFile(problems)
    return runbook


@asynccontextmanager
async def open_runtime(
    settings: Settings | None = None,
    *,
    registry: BlockRegistry | None = None,
    storage: ContextStorage | None = None,
    masker: Masker | None = None,
) -> AsyncIterator[Runtime]:
    """Open what runs runbooks; on leaving, what still runs is cancelled and everything is closed.

    Must be left in the task that entered it.
    """
    settings = settings or Settings()
    raised: Exception | None = None
    resources = Resources(
        interpreters=settings.interpreters, login_shell=settings.login_shell, allow_list=settings.allow_list
    )
    async with resources, anyio.create_task_group() as tasks:
        runtime = Runtime(
            settings, registry or BlockRegistry(), storage or MemoryStorage(), masker or Masker(), resources, tasks
        )
        try:
            yield runtime
        except Exception as error:  # goes on as it is, not in the task group's ExceptionGroup
            raised = error
        finally:
            runtime.shut_down()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await runtime.end_executions()
    if raised is not None:
        raise raised
