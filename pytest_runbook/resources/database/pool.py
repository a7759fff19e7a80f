"""Sessions with databases that stay open between blocks."""

from __future__ import annotations

import select
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from socket import socket
from typing import TypeVar

import anyio

CHECK_TIMEOUT = 2.0
CLOSE_GRACE = 5.0
FRESH_SECONDS = 1.0
"""So long after it was cleaned, a session is not asked whether its server is still there if its socket says so."""


class DatabaseSession(ABC):
    """One session with a database server, used by one block at a time.

    target: what it is connected to, and how, as who keeps it knows it; whoever asks for the same may get it.
    is_broken: True once something was left unfinished on it: it is closed, not handed out again.
    is_closed: True once nothing of it is open any more.
    cleaned_at: when the server last said that it is clean, in monotonic seconds.
    """

    def __init__(self) -> None:
        self.target = ""
        self.is_broken = False
        self.is_closed = False
        self.cleaned_at = 0.0

    @property
    def is_known_alive(self) -> bool:
        """True if the server is known to be there, without asking it."""
        return False

    def reset_nowait(self) -> bool:
        """Do what `reset` does, if that takes no waiting. True if it is clean now."""
        return False

    @abstractmethod
    async def is_alive(self) -> bool:
        """True if the server still answers."""

    @abstractmethod
    async def reset(self) -> None:
        """Undo what its user did to the session itself: an open transaction, settings, locks, temporary tables."""

    @abstractmethod
    async def close(self) -> None:
        """End it; nothing of it goes on at the server."""


Session = TypeVar("Session", bound=DatabaseSession)
OpenSession = Callable[[], Awaitable[Session]]


class DatabasePool:
    """The sessions of a run, by what they are connected to: opened when first needed, handed out clean, one at a time.

    Blocks that follow each other share one; those that run side by side get one each.
    """

    def __init__(self) -> None:
        self._idle: dict[str, list[DatabaseSession]] = defaultdict(list)

    async def aclose(self) -> None:
        """End all sessions that nobody uses."""
        sessions = [session for idle in self._idle.values() for session in idle]
        self._idle.clear()
        for session in sessions:
            await _close(session)

    def acquire_fresh(self, target: str) -> DatabaseSession | None:
        """A clean session whose server need not be asked whether it is still there; None if there is none."""
        idle = self._idle[target]
        return idle.pop() if idle and _is_fresh(idle[-1]) else None

    async def acquire(self, target: str, open_session: OpenSession[Session]) -> Session:
        """A session with nothing of anybody's in it. One whose server went away in between is replaced."""
        idle = self._idle[target]
        while idle:
            session = idle.pop()
            if await _is_usable(session):
                return session  # type: ignore[return-value]  # what is kept for a target is of its kind
        session = await open_session()
        session.target = target
        return session

    def release_nowait(self, session: DatabaseSession) -> bool:
        """Take a session back, if that takes no waiting; False: `release` does it."""
        if session.is_closed:
            return True
        if session.is_broken or not session.reset_nowait():
            return False
        self._store_idle(session)
        return True

    async def release(self, session: DatabaseSession) -> None:
        """Take a session back for the next block, or end it if it can't be cleaned, or not before this is cancelled."""
        is_clean = False
        try:
            if not session.is_broken:
                is_clean = await _reset(session)
        finally:
            if is_clean:
                self._store_idle(session)
            else:
                await _close(session)

    def _store_idle(self, session: DatabaseSession) -> None:
        session.cleaned_at = time.monotonic()
        self._idle[session.target].append(session)


def _is_fresh(session: DatabaseSession) -> bool:
    return time.monotonic() - session.cleaned_at < FRESH_SECONDS and session.is_known_alive


async def _is_usable(session: DatabaseSession) -> bool:
    """True if the session can be handed out; one that can't is closed."""
    if _is_fresh(session):
        return True
    is_usable = False
    try:
        with anyio.move_on_after(CHECK_TIMEOUT):
            is_usable = await session.is_alive()
    finally:
        if not is_usable:
            await _close(session)
    return is_usable


def is_socket_idle(server: socket | None) -> bool:
    """True if a socket is open and the server has said nothing unasked: not that it goes, nor that it is gone."""
    if server is None:
        return False
    poll = select.poll()  # where select() takes no numbers above 1023
    poll.register(server, select.POLLIN)
    return not poll.poll(0)


async def _reset(session: DatabaseSession) -> bool:
    try:
        await session.reset()
    except Exception:  # whatever the driver says: it is not clean
        return False
    return True


async def _close(session: DatabaseSession) -> None:
    """Close it, whatever happens, in bounded time."""
    with anyio.move_on_after(CLOSE_GRACE, shield=True):
        with suppress(Exception):  # it is gone, which is what was wanted
            await session.close()
