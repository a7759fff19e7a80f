"""A process and all that came of it: how to find it, and how to end it.

A family is what a child that we started has started in turn. Some of it leaves the group (``setsid``), some its parent
(a double fork), some both, with a new environment. So every family has marks in its environment and a session of its
own, and, where the system can do that, its orphans become our children (see `ProcessKeeper`).
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
from .table import ProcessInfo, all_processes, child_pids, children, descendants, environment_of, ignores, known, now
from .watchdog import Watchdog

RUN_VARIABLE = "RUNBOOK_RUN_ID"
EXECUTION_VARIABLE = "RUNBOOK_EXECUTION_ID"
Signaller = Callable[[signal.Signals, Collection[int]], object]
"""Sends a signal to groups of another user's processes; blocks while it does, for a second or so at most."""
_KILL_TIMEOUT = 1.0  # for what the kernel itself does not let go: a process in a hung system call
_CLOCK_TICK = 0.01
_POLL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
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
class ProcessFamily:
    """A child that we start, leader of its own session and group.

    sessions: its own, and those that what came of it leads or may come to lead.
    since, until: when the child lived, on the clock of `process_table.now`.
    signaller: what it takes to end it where it is another user's, and we may not.
    """

    mark: Mark
    signaller: Signaller | None = None
    sessions: set[int] = field(default_factory=set)
    since: float = field(default_factory=now)
    until: float = math.inf

    @property
    def has_ended(self) -> bool:
        return self.until < math.inf

    def may_have_borne(self, process: ProcessInfo) -> bool:
        """True if the process was born while our child lived."""
        return self.since - _CLOCK_TICK <= process.born <= self.until


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look at the system's processes gave, when, and how long it took, in seconds."""

    processes: Sequence[ProcessInfo] = ()
    at: float = -math.inf
    took: float = 0.0

    @property
    def pause(self) -> float:
        """Until the next one: looking takes a third of the time at most, however many there are."""
        return max(_POLL, 2 * self.took)

    def is_good(self, since: float) -> bool:
        return self.at >= since and time.monotonic() - self.at - self.took < self.pause


class FamilyRegister:
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
        self._families: list[ProcessFamily] = []
        self._by_session: dict[int, list[ProcessFamily]] = {}
        self._by_mark: dict[str, list[ProcessFamily]] = {}
        self._known_children: set[int] = set()
        self._look = _Look()

    def add(self, mark: Mark, signaller: Signaller | None = None) -> ProcessFamily:
        """Take a child into account that is about to be started, in a new session, with the mark in its environment.

        The starter notes its start and its end.
        """
        if self._subreaper is not None:
            self._subreaper.open()
        family = ProcessFamily(mark=mark, signaller=signaller)
        self._families.append(family)
        self._by_mark.setdefault(mark.execution_id, []).append(family)
        if self._watchdog is not None:
            self._watchdog.note_family(family)
        return family

    def note_start(self, family: ProcessFamily, pid: int) -> None:
        """Say which process the child is."""
        self._add_sessions(family, [pid])

    def note_end(self, family: ProcessFamily) -> None:
        """Say that the child itself has ended and its exit status is taken.

        A daemon in the making is an orphan by now: it forks once more, within a session that it leads or will lead.
        """
        family.until = now()
        if self._is_adopting:
            unknown = known(set(child_pids(os.getpid())).difference(self._known_children, self._by_session))
            members = [process for process in unknown if self._is_member(process, [family])]
            self._known_children.update(process.pid for process in members)
            self._add_sessions(family, [number for process in members for number in (process.session, process.pid)])

    def forget(self, families: Collection[ProcessFamily]) -> None:
        """Strike families that nothing is left of."""
        forgotten = set(families)
        self._families = [family for family in self._families if family not in forgotten]
        self._by_session, self._by_mark = {}, {}
        for family in self._families:
            self._by_mark.setdefault(family.mark.execution_id, []).append(family)
            for session in family.sessions:
                self._by_session.setdefault(session, []).append(family)
        if self._watchdog is not None:
            self._watchdog.keep_only(self._families)
        if self._subreaper is not None and not self._families:
            self._subreaper.close()

    def of_run(self, run_id: str) -> list[ProcessFamily]:
        return [family for family in self._families if family.mark.run_id == run_id]

    def __iter__(self) -> Iterator[ProcessFamily]:
        return iter(self._families)

    def living(self, families: Collection[ProcessFamily]) -> list[ProcessInfo]:
        """What lives of these families."""
        return self._members(self._processes(), families) if families else []

    async def living_soon(self, families: Collection[ProcessFamily], since: float) -> list[ProcessInfo]:
        """The same, by a look at the system that others who look now take part in.

        since: when the first of this caller's looks began; an older one knows nothing of what was started meanwhile.
        """
        if not families:
            return []
        await anyio.lowlevel.checkpoint()  # so that all who begin now are there before one of them looks
        if not self._look.is_good(since):
            before = time.monotonic()
            self._look = _Look(self._processes(), before, time.monotonic() - before)
        return self._members(self._look.processes, families)

    def _processes(self) -> list[ProcessInfo]:
        with self._spare.lent() if self._spare is not None else nullcontext():
            return descendants(os.getpid()) if self._is_adopting else all_processes()

    def _members(self, candidates: Sequence[ProcessInfo], families: Collection[ProcessFamily]) -> list[ProcessInfo]:
        families = set(families)
        members = {process.pid for process in candidates if self._is_member(process, families)}
        while more := {process.pid for process in candidates if process.parent in members} - members:
            members |= more
        return [process for process in candidates if process.pid in members and not process.is_zombie]

    def hurry(self, grace: Grace) -> None:
        """Let no ending take longer than this from now on, not even one that is on its way."""
        self._longest = self._longest.within(grace)

    async def end(self, families: Collection[ProcessFamily], grace: Grace) -> list[ProcessInfo]:
        """Hang up or interrupt, terminate, kill; a step is over once all have ended, or those left ignore it.

        Gives what could not be ended.
        """
        seen: set[int] = set()
        since = time.monotonic()
        try:
            for number in _STEPS:
                started, told = anyio.current_time(), set[int]()
                while anyio.current_time() - started < grace.within(self._longest).after(number):
                    living = await self.living_soon(families, since)
                    if not living:
                        return []
                    seen.update(process.pid for process in living)
                    groups = send(number, living, told)
                    if any(family.signaller is not None for family in families):
                        await to_thread.run_sync(signal_as_others, number, families, groups - told)
                    told |= groups
                    if all(ignores(process.pid, number) for process in living):
                        break
                    await anyio.sleep(self._look.pause)
            return self.living(families)
        finally:
            self._reap(seen)

    def reap_orphans(self, families: Collection[ProcessFamily]) -> None:
        """Take the exit statuses of orphans, that nobody else will ask for.

        A child of our own is in our session or leads one. Any other in our care is an orphan, and so is one that leads
        a session of these families.
        """
        ours = os.getsid(0)
        for child in children(os.getpid()) if self._is_adopting else ():
            is_theirs = any(child.session in family.sessions for family in families)
            if child.is_zombie and (is_theirs or child.session not in (ours, child.pid)):
                self._reap([child.pid])

    def _add_sessions(self, family: ProcessFamily, pids: Collection[int]) -> None:
        for pid in set(pids) - family.sessions:
            self._by_session.setdefault(pid, []).append(family)
        family.sessions.update(pids)
        if self._watchdog is not None:
            self._watchdog.note_sessions(pids)

    @property
    def _is_adopting(self) -> bool:
        return self._subreaper is not None and self._subreaper.is_open

    def _reap(self, pids: Iterable[int]) -> None:
        for pid in set(pids).difference(*(family.sessions for family in self._families if not family.has_ended)):
            self._known_children.discard(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _is_member(self, process: ProcessInfo, families: Collection[ProcessFamily]) -> bool:
        """True if it belongs to one of the families by itself, whatever its parent."""
        if process.session == os.getsid(0):
            return False  # nothing that came of a family gets back into our session
        if self._watchdog is not None and process.pid == self._watchdog.pid:
            return False
        if owners := self._by_session.get(process.session):
            return any(family in families for family in owners)
        environment = environment_of(process.pid)
        marked = self._by_mark.get(environment.get(EXECUTION_VARIABLE, ""))
        claims = marked or self._claims_on_stray(process, environment)
        return bool(claims) and all(family in families for family in claims)

    def _claims_on_stray(self, process: ProcessInfo, environment: Mapping[str, str]) -> list[ProcessFamily]:
        """The families that may have lost an orphan without their marks.

        The program around us starts processes, too: while no child of ours runs, or with the environment that we have.
        """
        is_orphan = self._is_adopting and process.parent == os.getpid() and not process.is_zombie
        if not is_orphan or _is_ours(environment):
            return []
        return [family for family in self._families if family.may_have_borne(process)]


def send(number: signal.Signals, processes: Iterable[ProcessInfo], told: Collection[int] = ()) -> set[int]:
    """Send a signal to the groups of these processes that were not told yet, and wake what was stopped.

    A whole group is told in one step, so that nothing in it forks out of reach. Gives the groups.
    """
    groups = {process.group for process in processes} - {os.getpgrp()}
    for group in groups if number == signal.SIGKILL else groups.difference(told):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
            os.killpg(group, signal.SIGCONT)
    return groups


def signal_as_others(number: signal.Signals, families: Collection[ProcessFamily], groups: Collection[int]) -> None:
    """Send it as those who may, where there are some; blocks while it does."""
    for signaller in {family.signaller for family in families if family.signaller is not None} if groups else ():
        signaller(number, groups)


def _is_ours(environment: Mapping[str, str]) -> bool:
    """True if our own marks, if we have any, and most of our environment are in it: nobody changed it on the way."""
    same_mark = environment.get(EXECUTION_VARIABLE) == os.environ.get(EXECUTION_VARIABLE)
    return same_mark and 2 * len(environment.items() & os.environ.items()) > len(os.environ)
