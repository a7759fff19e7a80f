"""Services that the open documents of a run share: settings, block types, storage, masker, resources and events."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any

import anyio.abc

from ..blocks.registry import BlockRegistry
from ..context.storage import ContextStorage
from ..execution.block_runner import RUN_ENDED
from ..execution.handle import ExecutionHandle
from ..execution.time_limit import TimeLimit
from ..messages.events import Event, EventBus, EventKind
from ..model.runbook import BlockSpec, Runbook
from ..resources.process.process_group import Grace
from ..resources.resources import Resources
from ..secrets.masker import Masker
from ..text import show_limit
from .settings import Settings

NO_GRACE = Grace(interrupt=0.0, terminate=0.0)
GRACE_SHARE = 0.07
"""The share of the shutdown time that a program gets after an interrupt, and again after a termination."""
RESERVED_SHARE = 5 * GRACE_SHARE
"""The share of the shutdown time that clean-ups must leave: both graces for the last of them and for programs in the
background, and a margin.
"""


class Services:
    """Everything that the documents of a run share, and the task group in which blocks run.

    events: events of the run, for monitoring. masker: the only place that knows the secrets.
    ptys: open terminals by their executions' ids: to type into, resize and kill.
    warnings: problems that did not fail a block, one line each, for the end of the run.
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
        self.warnings: dict[str, None] = {}  # a dict: in order, each text once
        resources.report_to(self._emit, self.warn)
        self._tasks = tasks
        self._executions: set[ExecutionHandle] = set()
        self._is_over = False
        self._shutdown_at: float | None = None

    def start(self, function: Callable[..., Coroutine[Any, Any, object]], *arguments: object) -> None:
        """Start a task in the runtime's task group."""
        self._tasks.start_soon(function, *arguments)

    def register_execution(self, handle: ExecutionHandle) -> None:
        """Register an execution until `unregister_execution`: it is ended before anything is closed."""
        self._executions.add(handle)
        if self._is_over:
            handle.cancel(RUN_ENDED)

    def unregister_execution(self, handle: ExecutionHandle) -> None:
        self._executions.discard(handle)

    async def end_executions(self) -> None:
        """End all running blocks, in whatever task they run, and every block that is started from now on."""
        self._is_over = True
        executions = tuple(self._executions)
        for handle in executions:
            handle.cancel(RUN_ENDED)
        for handle in executions:
            await handle.wait()

    def block_limit(self, runbook: Runbook, spec: BlockSpec) -> TimeLimit:
        """Return the deadline of a block: its own, else the runbook's for blocks, else the run's."""
        return _limit_of(spec.rules.timeout or runbook.timeouts.block or self.settings.block_timeout)

    def shut_down(self) -> None:
        """Begin to shut down: everything ends within the settings' `shutdown_timeout` from now on, clean-ups
        included.
        """
        if self._shutdown_at is None:
            self._shutdown_at = time.monotonic() + self.settings.shutdown_timeout
            grace = GRACE_SHARE * self.settings.shutdown_timeout
            self.resources.tighten_deadline(Grace(interrupt=grace, terminate=grace))

    def shut_down_at_once(self) -> None:
        """Shut down without any grace for programs to end."""
        self._shutdown_at = time.monotonic()
        self.resources.tighten_deadline(NO_GRACE)

    def shutdown_limit(self) -> TimeLimit | None:
        """Return the time that clean-ups still have while shutting down; None if the run is not shutting down."""
        if self._shutdown_at is None:
            return None
        remaining = self._shutdown_at - time.monotonic() - RESERVED_SHARE * self.settings.shutdown_timeout
        return TimeLimit(max(remaining, 0.0), f"shutting down within {show_limit(self.settings.shutdown_timeout)}")

    def warn(self, text: str) -> None:
        """Record a warning for the end of the run. A repeated text is recorded once."""
        self.warnings[self.masker.mask(text)] = None

    def _emit(self, kind: EventKind, data: Mapping[str, object]) -> None:
        self.events.emit(Event(kind, {key: self.masker.mask_data(value) for key, value in data.items()}))


@lru_cache(maxsize=64)
def _limit_of(seconds: float) -> TimeLimit:
    return TimeLimit(seconds, f"limit {show_limit(seconds)}")
