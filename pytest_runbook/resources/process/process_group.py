"""A process and all that came of it: how to find it, and how to end it.

A family is what a child that we started has started in turn. Some of it leaves the group (``setsid``), some its parent
(a double fork), some both, with a new environment. So every family has marks in its environment and a session of its
own, and, where the system can do that, its orphans become our children (see `ProcessSupervisor`).
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import anyio
import anyio.lowlevel
from anyio import to_thread

from .exhaustion import SpareFile
from .subreaper import Subreaper
from .table import (
    ProcessInfo,
    all_processes,
    child_pids,
    children,
    descendants,
    environment_of,
    ignores_signal,
    now,
    read_processes,
)
from .watchdog import Watchdog

RUN_VARIABLE = "RUNBOOK_RUN_ID"
EXECUTION_VARIABLE = "RUNBOOK_EXECUTION_ID"
Signaller = Callable[[signal.Signals, Collection[int]], object]
"""Sends a signal to groups of another user's processes; blocks while it does, for a second or so at most."""
_KILL_TIMEOUT = 1.0  # for what the kernel itself does not let go: a process in a hung system call
_CLOCK_TICK = 0.01
_POLL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLabel:
    """Whose a process is, in the environment of all that comes of it."""

    run_id: str
    execution_id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def environment(self) -> dict[str, str]:
        return {RUN_VARIABLE: self.run_id, EXECUTION_VARIABLE: self.execution_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """How long a family may take to end itself, in seconds: after each of these signals. Then it is killed.

    0 leaves a step out. hangup: what a shell understands, as if its terminal went away.
    """

    hangup: float = 0.0
    interrupt: float = 2.0
    terminate: float = 2.0

    def after(self, number: signal.Signals) -> float:
        """The time that a signal has to work."""
        seconds = {signal.SIGHUP: self.hangup, signal.SIGINT: self.interrupt, signal.SIGTERM: self.terminate}
        return seconds.get(number, _KILL_TIMEOUT)

    def within(self, other: Grace) -> Grace:
        """The shorter of both, step by step."""
        interrupt = min(self.interrupt, other.interrupt)
        hangup = min(self.hangup, other.interrupt)
        return Grace(hangup=hangup, interrupt=interrupt, terminate=min(self.terminate, other.terminate))


DEFAULT_GRACE = Grace()
_STEPS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass(slots=True, kw_only=True, eq=False)
class ProcessGroup:
    """A child that we start, leader of its own session and group.

    sessions: its own, and those that what came of it leads or may come to lead.
    since, until: when the child lived, on the clock of `process_table.now`.
    signaller: what it takes to end it where it is another user's, and we may not.
    """

    label: ProcessLabel
    signaller: Signaller | None = None
    sessions: set[int] = field(default_factory=set)
    since: float = field(default_factory=now)
    until: float = math.inf

    @property
    def has_ended(self) -> bool:
        return self.until < math.inf

    def may_have_spawned(self, process: ProcessInfo) -> bool:
        """True if the process was born while our child lived."""
        return self.since - _CLOCK_TICK <= process.create_time <= self.until


@dataclass(frozen=True, slots=True)
class _Scan:
    """What a look at the system's processes gave, when, and how long it took, in seconds."""

    processes: Sequence[ProcessInfo] = ()
    at: float = -math.inf
    duration: float = 0.0

    @property
    def pause(self) -> float:
        """Until the next one: looking takes a third of the time at most, however many there are."""
        return max(_POLL, 2 * self.duration)

    def is_fresh(self, since: float) -> bool:
        return self.at >= since and time.monotonic() - self.at - self.duration < self.pause


class ProcessGroupRegistry:
    """The families that we know, and who belongs to them.

    subreaper: kept open while there is a family, so that its orphans become our children; None: only marks find them.
    watchdog: ends them all if this process can't any more. spare: what to look for processes with if no file is left.
    """

    def __init__(
        self,
        subreaper: Subreaper | None = None,
        watchdog: Watchdog | None = None,
        spare: SpareFile | None = None,
    ) -> None:
        self._subreaper = subreaper
        self._watchdog = watchdog
        self._spare = spare
        self._longest = Grace(interrupt=math.inf, terminate=math.inf)
        self._process_groups: list[ProcessGroup] = []
        self._by_session: dict[int, list[ProcessGroup]] = {}
        self._by_label: dict[str, list[ProcessGroup]] = {}
        self._known_children: set[int] = set()
        self._scan = _Scan()

    def add(self, label: ProcessLabel, signaller: Signaller | None = None) -> ProcessGroup:
        """Take a child into account that is about to be started, in a new session, with the mark in its environment.

        The starter notes its start and its end.
        """
        if self._subreaper is not None:
            self._subreaper.open()
        process_group = ProcessGroup(label=label, signaller=signaller)
        self._process_groups.append(process_group)
        self._by_label.setdefault(label.execution_id, []).append(process_group)
        if self._watchdog is not None:
            self._watchdog.record_label(label.execution_id)
        return process_group

    def record_start(self, process_group: ProcessGroup, pid: int) -> None:
        """Say which process the child is."""
        self._add_sessions(process_group, [pid])

    def record_end(self, process_group: ProcessGroup) -> None:
        """Say that the child itself has ended and its exit status is taken.

        A daemon in the making is an orphan by now: it forks once more, within a session that it leads or will lead.
        """
        process_group.until = now()
        if self._is_adopting:
            unknown = read_processes(set(child_pids(os.getpid())).difference(self._known_children, self._by_session))
            members = [process for process in unknown if self._is_member(process, [process_group])]
            self._known_children.update(process.pid for process in members)
            self._add_sessions(
                process_group, [number for process in members for number in (process.session, process.pid)]
            )

    def forget(self, process_groups: Collection[ProcessGroup]) -> None:
        """Strike families that nothing is left of."""
        forgotten = set(process_groups)
        self._process_groups = [
            process_group for process_group in self._process_groups if process_group not in forgotten
        ]
        self._by_session, self._by_label = {}, {}
        for family in self._process_groups:
            self._by_label.setdefault(family.label.execution_id, []).append(family)
            for session in family.sessions:
                self._by_session.setdefault(session, []).append(family)
        if self._watchdog is not None:
            self._watchdog.retain(
                (process_group.label.execution_id for process_group in self._process_groups), self._by_session
            )
        if self._subreaper is not None and not self._process_groups:
            self._subreaper.close()

    def of_run(self, run_id: str) -> list[ProcessGroup]:
        return [process_group for process_group in self._process_groups if process_group.label.run_id == run_id]

    def __iter__(self) -> Iterator[ProcessGroup]:
        return iter(self._process_groups)

    def living(self, process_groups: Collection[ProcessGroup]) -> list[ProcessInfo]:
        """What lives of these families."""
        return self._members(self._processes(), process_groups) if process_groups else []

    async def living_from_shared_scan(
        self, process_groups: Collection[ProcessGroup], since: float
    ) -> list[ProcessInfo]:
        """The same, by a look at the system that others who look now take part in.

        since: when the first of this caller's looks began; an older one knows nothing of what was started meanwhile.
        """
        if not process_groups:
            return []
        await anyio.lowlevel.checkpoint()  # so that all who begin now are there before one of them looks
        if not self._scan.is_fresh(since):
            before = time.monotonic()
            self._scan = _Scan(self._processes(), before, time.monotonic() - before)
        return self._members(self._scan.processes, process_groups)

    def _processes(self) -> list[ProcessInfo]:
        with self._spare.released() if self._spare is not None else nullcontext():
            return descendants(os.getpid()) if self._is_adopting else all_processes()

    def _members(
        self, candidates: Sequence[ProcessInfo], process_groups: Collection[ProcessGroup]
    ) -> list[ProcessInfo]:
        process_groups = set(process_groups)
        members = {process.pid for process in candidates if self._is_member(process, process_groups)}
        while more := {process.pid for process in candidates if process.parent in members} - members:
            members |= more
        return [process for process in candidates if process.pid in members and not process.is_zombie]

    def tighten_deadline(self, grace: Grace) -> None:
        """Let no ending take longer than this from now on, not even one that is on its way."""
        self._longest = self._longest.within(grace)

    async def end(self, process_groups: Collection[ProcessGroup], grace: Grace) -> list[ProcessInfo]:
        """Hang up or interrupt, terminate, kill; a step is over once all have ended, or those left ignore it.

        Gives what could not be ended.
        """
        seen: set[int] = set()
        since = time.monotonic()
        try:
            for number in _STEPS:
                started, signalled = anyio.current_time(), set[int]()
                while anyio.current_time() - started < grace.within(self._longest).after(number):
                    living = await self.living_from_shared_scan(process_groups, since)
                    if not living:
                        return []
                    seen.update(process.pid for process in living)
                    pgids = send_signal(number, living, signalled)
                    if any(process_group.signaller is not None for process_group in process_groups):
                        await to_thread.run_sync(signal_as_other_users, number, process_groups, pgids - signalled)
                    signalled |= pgids
                    if all(ignores_signal(process.pid, number) for process in living):
                        break
                    await anyio.sleep(self._scan.pause)
            return self.living(process_groups)
        finally:
            self._reap(seen)

    def reap_orphans(self, process_groups: Collection[ProcessGroup]) -> None:
        """Take the exit statuses of orphans, that nobody else will ask for.

        A child of our own is in our session or leads one. Any other in our care is an orphan, and so is one that leads
        a session of these families.
        """
        own_session = os.getsid(0)
        for child in children(os.getpid()) if self._is_adopting else ():
            is_in_groups = any(child.session in process_group.sessions for process_group in process_groups)
            if child.is_zombie and (is_in_groups or child.session not in (own_session, child.pid)):
                self._reap([child.pid])

    def _add_sessions(self, process_group: ProcessGroup, pids: Collection[int]) -> None:
        for pid in set(pids) - process_group.sessions:
            self._by_session.setdefault(pid, []).append(process_group)
        process_group.sessions.update(pids)
        if self._watchdog is not None:
            self._watchdog.record_sessions(pids)

    @property
    def _is_adopting(self) -> bool:
        return self._subreaper is not None and self._subreaper.is_open

    def _reap(self, pids: Iterable[int]) -> None:
        for pid in set(pids).difference(
            *(process_group.sessions for process_group in self._process_groups if not process_group.has_ended)
        ):
            self._known_children.discard(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _is_member(self, process: ProcessInfo, process_groups: Collection[ProcessGroup]) -> bool:
        """True if it belongs to one of the families by itself, whatever its parent."""
        if process.session == os.getsid(0):
            return False  # nothing that came of a family gets back into our session
        if self._watchdog is not None and process.pid == self._watchdog.pid:
            return False
        if owners := self._by_session.get(process.session):
            return any(process_group in process_groups for process_group in owners)
        environment = environment_of(process.pid)
        labelled = self._by_label.get(environment.get(EXECUTION_VARIABLE, ""))
        candidates = labelled or self._groups_of_orphan(process, environment)
        return bool(candidates) and all(family in process_groups for family in candidates)

    def _groups_of_orphan(self, process: ProcessInfo, environment: Mapping[str, str]) -> list[ProcessGroup]:
        """The families that may have lost an orphan without their marks.

        The program around us starts processes, too: while no child of ours runs, or with the environment that we have.
        """
        is_orphan = self._is_adopting and process.parent == os.getpid() and not process.is_zombie
        if not is_orphan or _inherits_our_environment(environment):
            return []
        return [process_group for process_group in self._process_groups if process_group.may_have_spawned(process)]


def send_signal(number: signal.Signals, processes: Iterable[ProcessInfo], signalled: Collection[int] = ()) -> set[int]:
    """Send a signal to the groups of these processes that were not told yet, and wake what was stopped.

    A whole group is told in one step, so that nothing in it forks out of reach. Gives the groups.
    """
    pgids = {process.pgid for process in processes} - {os.getpgrp()}
    for pgid in pgids if number == signal.SIGKILL else pgids.difference(signalled):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pgid, number)
            os.killpg(pgid, signal.SIGCONT)
    return pgids


def signal_as_other_users(
    number: signal.Signals, process_groups: Collection[ProcessGroup], pgids: Collection[int]
) -> None:
    """Send it as those who may, where there are some; blocks while it does."""
    for signaller in (
        {process_group.signaller for process_group in process_groups if process_group.signaller is not None}
        if pgids
        else ()
    ):
        signaller(number, pgids)


def _inherits_our_environment(environment: Mapping[str, str]) -> bool:
    """True if our own marks, if we have any, and most of our environment are in it: nobody changed it on the way."""
    has_same_label = environment.get(EXECUTION_VARIABLE) == os.environ.get(EXECUTION_VARIABLE)
    return has_same_label and 2 * len(environment.items() & os.environ.items()) > len(os.environ)
