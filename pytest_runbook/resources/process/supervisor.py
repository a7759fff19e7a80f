"""The processes of all runs of a runtime: what started them, and what is still running at the end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

import anyio

from .exhaustion import SpareFile
from .process_group import DEFAULT_GRACE, Grace, ProcessGroup, ProcessGroupRegistry, send_signal, signal_as_other_users
from .subreaper import Subreaper
from .table import command_of, now
from .watchdog import Watchdog

_KILL_TIMEOUT = 1.0
_DRAIN_SIZE = 1 << 16
_PAUSE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A process that was still running when its run ended.

    command: on one line, shortened. seconds: how long it had lived. was_ended: False if not even SIGKILL ended it.
    """

    pid: int
    command: str
    seconds: float
    was_ended: bool = True


class ProcessSupervisor:
    """Owns the process groups of all runs, and the pipes that outlive the process that they were made for.

    On Linux, orphans become our children for as long as there is a process group. So none gets away, whatever it does
    to its group, its parent and its environment. On other systems the label in the environment finds them.
    watchdog: ends all of them if this process is killed.
    """

    def __init__(self) -> None:
        self.watchdog = Watchdog()
        self._spare = SpareFile()
        self.process_groups = ProcessGroupRegistry(Subreaper(), self.watchdog, self._spare)
        self._drains = anyio.create_task_group()

    async def __aenter__(self) -> Self:
        self._spare.open()
        await self._drains.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._end(list(self.process_groups), DEFAULT_GRACE)
        self.watchdog.close()
        self._spare.close()
        self._drains.cancel_scope.cancel()
        await self._drains.__aexit__(None, None, None)

    def tighten_deadline(self, grace: Grace) -> None:
        """Limit every ending to this grace from now on, including those that are under way."""
        self.process_groups.tighten_deadline(grace)

    async def end_leftovers(self, run_id: str, grace: Grace = DEFAULT_GRACE) -> list[Leftover]:
        """End what the blocks of a run have left running, all side by side, and forget the run."""
        return await self._end(self.process_groups.of_run(run_id), grace)

    def kill_everything(self) -> None:
        """Kill every living process of all groups, as a last resort.

        It may be called from any thread, and works without a running event loop.
        """
        deadline, process_groups, signalled = time.monotonic() + _KILL_TIMEOUT, list(self.process_groups), set[int]()
        while (living := self.process_groups.living(process_groups)) and time.monotonic() < deadline:
            pgids = send_signal(signal.SIGKILL, living)
            signal_as_other_users(signal.SIGKILL, process_groups, pgids - signalled)
            signalled |= pgids
            time.sleep(_PAUSE)

    def drain(self, pipe: IO[bytes]) -> None:
        """Read a pipe and drop the data until its other end is closed or the supervisor closes; then close the pipe."""
        self._drains.start_soon(_drain, pipe)

    async def _end(self, process_groups: Sequence[ProcessGroup], grace: Grace) -> list[Leftover]:
        with anyio.CancelScope(shield=True):
            living = await self.process_groups.living_from_shared_scan(process_groups, time.monotonic())
            leftovers = {process.pid: (command_of(process.pid), now() - process.create_time) for process in living}
            surviving = {process.pid for process in await self.process_groups.end(process_groups, grace)}
        self.process_groups.reap_orphans(process_groups)
        self.process_groups.forget(process_groups)
        return [
            Leftover(pid=pid, command=command, seconds=seconds, was_ended=pid not in surviving)
            for pid, (command, seconds) in leftovers.items()
        ]


async def _drain(pipe: IO[bytes]) -> None:
    with pipe:
        while True:
            await anyio.wait_readable(pipe)
            if not os.read(pipe.fileno(), _DRAIN_SIZE):
                return
            await anyio.sleep(_PAUSE)  # slows a flood of output down, so that it costs little
