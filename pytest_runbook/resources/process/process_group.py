"""Process groups: the processes that come from one started program, and how to find and end them.

A process group here is wider than a POSIX one: it holds a child process and everything that it has started in turn.
Some of that leaves the POSIX group and session (``setsid``), some loses its parent (a double fork), some does both
with a new environment. So each group is found in three ways: by a label in its environment, by a session of its own,
and, where the system can do that, by its orphans, which become our children (see `ProcessSupervisor`).
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
"""Sends a signal to POSIX groups that belong to another user. It blocks, for about a second at most."""
_KILL_TIMEOUT = 1.0  # a killed process in a hung system call does not end
_CLOCK_TICK = 0.01  # create_time is rounded down to it
_POLL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLabel:
    """Environment variables that mark a process and all its descendants with their run and execution."""

    run_id: str
    execution_id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def environment(self) -> dict[str, str]:
        return {RUN_VARIABLE: self.run_id, EXECUTION_VARIABLE: self.execution_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """How long a process group may take to end after each signal, in seconds, before it is killed.

    0 leaves the signal out. hangup: what a shell gets when its terminal is closed.
    """

    hangup: float = 0.0
    interrupt: float = 2.0
    terminate: float = 2.0

    def after(self, number: signal.Signals) -> float:
        """Return the time that a signal has to work."""
        seconds = {signal.SIGHUP: self.hangup, signal.SIGINT: self.interrupt, signal.SIGTERM: self.terminate}
        return seconds.get(number, _KILL_TIMEOUT)

    def within(self, other: Grace) -> Grace:
        """Return the shorter of both, signal by signal."""
        interrupt = min(self.interrupt, other.interrupt)
        hangup = min(self.hangup, other.interrupt)  # other.hangup is 0 by default, which would leave it out
        return Grace(hangup=hangup, interrupt=interrupt, terminate=min(self.terminate, other.terminate))


DEFAULT_GRACE = Grace()
ESCALATION = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
"""The signals by which processes are ended, in this order."""


@dataclass(slots=True, kw_only=True, eq=False)
class ProcessGroup:
    """A child process that leads its own session and POSIX group, and everything that comes from it.

    sessions: session ids, which are pids: the child's own, and those that its descendants lead or may come to lead.
    since, until: when the child lived, on the clock of `table.now`.
    signaller: ends processes of another user, which this process may not signal.
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
        """Return True if the process was created while the child lived."""
        return self.since - _CLOCK_TICK <= process.create_time <= self.until


@dataclass(frozen=True, slots=True)
class _Scan:
    """The system's processes at one moment.

    at: when the scan began, on the monotonic clock. duration: how long it took, in seconds.
    """

    processes: Sequence[ProcessInfo] = ()
    at: float = -math.inf
    duration: float = 0.0

    @property
    def pause(self) -> float:
        """Seconds until the next scan: scans take at most a third of the time, however many processes there are."""
        return max(_POLL, 2 * self.duration)

    def is_fresh(self, since: float) -> bool:
        return self.at >= since and time.monotonic() - self.at - self.duration < self.pause


class ProcessGroupRegistry:
    """The known process groups, and which processes belong to them.

    subreaper: kept open while there is a group, so that its orphans become our children. None: only labels find them.
    watchdog: ends all groups if this process is killed.
    spare: a file descriptor for the search when no other is left.
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
        self._max_grace = Grace(interrupt=math.inf, terminate=math.inf)
        self._process_groups: list[ProcessGroup] = []
        self._by_session: dict[int, list[ProcessGroup]] = {}
        self._by_label: dict[str, list[ProcessGroup]] = {}
        self._known_children: set[int] = set()
        self._scan = _Scan()

    def add(self, label: ProcessLabel, signaller: Signaller | None = None) -> ProcessGroup:
        """Add a group for a child that is about to be started.

        The caller starts it in a new session with the label in its environment, and records its start and its end.
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
        """Record the child's pid."""
        self._add_sessions(process_group, [pid])

    def record_end(self, process_group: ProcessGroup) -> None:
        """Record that the child has ended and that its exit status has been taken.

        A program that is becoming a daemon is an orphan at this moment. It forks once more, in a session that it leads
        or will lead, so its session and its pid are recorded now.
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
        """Remove groups that have no process left."""
        forgotten = set(process_groups)
        self._process_groups = [
            process_group for process_group in self._process_groups if process_group not in forgotten
        ]
        self._by_session, self._by_label = {}, {}
        for process_group in self._process_groups:
            self._by_label.setdefault(process_group.label.execution_id, []).append(process_group)
            for session in process_group.sessions:
                self._by_session.setdefault(session, []).append(process_group)
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
        """Return the living processes of these groups."""
        return self._members(self._processes(), process_groups) if process_groups else []

    async def living_from_shared_scan(
        self, process_groups: Collection[ProcessGroup], since: float
    ) -> list[ProcessInfo]:
        """Return the living processes of these groups, from a scan that concurrent callers share.

        since: when this caller's first scan began, on the monotonic clock. An older scan is not used: it misses what
        was started in between.
        """
        if not process_groups:
            return []
        await anyio.lowlevel.checkpoint()  # lets all callers that begin now wait for the same scan
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
        """Limit every ending to this grace from now on, including those that are under way."""
        self._max_grace = self._max_grace.within(grace)

    async def end(self, process_groups: Collection[ProcessGroup], grace: Grace) -> list[ProcessInfo]:
        """Hang up or interrupt, terminate, then kill; return what could not be ended.

        A step is over when everything has ended, when what is left ignores the signal, or when its time is over.
        """
        seen: set[int] = set()
        since = time.monotonic()
        try:
            for number in ESCALATION:
                started, signalled = anyio.current_time(), set[int]()
                while anyio.current_time() - started < grace.within(self._max_grace).after(number):
                    living = await self.living_from_shared_scan(process_groups, since)
                    if not living:
                        return []
                    seen.update(process.pid for process in living)
                    pgids = send_signal(number, living, signalled)
                    if any(process_group.signaller is not None for process_group in process_groups):
                        await to_thread.run_sync(signal_as_other_users, number, process_groups, pgids - signalled)
                    signalled |= pgids
                    if all(ignores_signal(process.pid, number) for process in living):
                        break  # waiting would change nothing
                    await anyio.sleep(self._scan.pause)
            return self.living(process_groups)
        finally:
            self._reap(seen)

    def reap_orphans(self, process_groups: Collection[ProcessGroup]) -> None:
        """Take the exit statuses of orphans, which no other code asks for.

        A child that the program around us started is in our session or leads one. Every other child is an orphan that
        we adopted, and so is a child that is in a session of these groups.
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
        # The status of a child that has not been recorded as ended belongs to the code that started it.
        for pid in set(pids).difference(
            *(process_group.sessions for process_group in self._process_groups if not process_group.has_ended)
        ):
            self._known_children.discard(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _is_member(self, process: ProcessInfo, process_groups: Collection[ProcessGroup]) -> bool:
        """Return True if the process itself belongs to one of the groups, whatever its parent."""
        if process.session == os.getsid(0):
            return False  # a process can leave our session, but never come back into it
        if self._watchdog is not None and process.pid == self._watchdog.pid:
            return False
        if owners := self._by_session.get(process.session):
            return any(process_group in process_groups for process_group in owners)
        environment = environment_of(process.pid)
        labelled = self._by_label.get(environment.get(EXECUTION_VARIABLE, ""))
        candidates = labelled or self._groups_of_orphan(process, environment)
        return bool(candidates) and all(process_group in process_groups for process_group in candidates)

    def _groups_of_orphan(self, process: ProcessInfo, environment: Mapping[str, str]) -> list[ProcessGroup]:
        """Return the groups that an orphan without a label may come from.

        The program around us starts processes as well. A process is not taken for an orphan of a group if it was
        created while no child of ours ran, or if it has the environment of this process.
        """
        is_orphan = self._is_adopting and process.parent == os.getpid() and not process.is_zombie
        if not is_orphan or _inherits_our_environment(environment):
            return []
        return [process_group for process_group in self._process_groups if process_group.may_have_spawned(process)]


def send_signal(number: signal.Signals, processes: Iterable[ProcessInfo], signalled: Collection[int] = ()) -> set[int]:
    """Send a signal to the POSIX groups of these processes, continue what was stopped, and return the groups' ids.

    A whole group gets it in one step, so that nothing in it can fork out of reach. A group in `signalled` gets it again
    only if it is SIGKILL. Our own group never gets it.
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
    """Send a signal through the signallers of these groups, if there are any. Blocks meanwhile."""
    for signaller in (
        {process_group.signaller for process_group in process_groups if process_group.signaller is not None}
        if pgids
        else ()
    ):
        signaller(number, pgids)


def _inherits_our_environment(environment: Mapping[str, str]) -> bool:
    """Return True if the environment holds our own label, if we have one, and most of our variables."""
    has_same_label = environment.get(EXECUTION_VARIABLE) == os.environ.get(EXECUTION_VARIABLE)
    return has_same_label and 2 * len(environment.items() & os.environ.items()) > len(os.environ)
