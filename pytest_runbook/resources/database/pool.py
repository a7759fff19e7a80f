"""Pool of database sessions, which stay open between blocks."""

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
"""For so long after a reset, the socket's state is enough to take the server for alive."""


class DatabaseSession(ABC):
    """One session with a database server, used by one block at a time.

    target: the pool's key: what the session is connected to, and how. Blocks with the same target share sessions.
    is_broken: True once something was left unfinished on it; it is closed, not used again.
    is_closed: True once nothing of it is open any more.
    cleaned_at: when the session was last reset, in monotonic seconds.
    """

    def __init__(self) -> None:
        self.target = ""
        self.is_broken = False
        self.is_closed = False
        self.cleaned_at = 0.0

    @property
    def is_known_alive(self) -> bool:
        """True if the server is known to be alive without a round trip."""
        return False

    def reset_nowait(self) -> bool:
        """Do what `reset` does if that needs no waiting; return True if the session is clean now."""
        return False

    @abstractmethod
    async def is_alive(self) -> bool:
        """Return True if the server still answers."""

    @abstractmethod
    async def reset(self) -> None:
        """Undo what the block did to the session: an open transaction, settings, locks, temporary tables."""

    @abstractmethod
    async def close(self) -> None:
        """Close the session; nothing of it goes on at the server."""


Session = TypeVar("Session", bound=DatabaseSession)
OpenSession = Callable[[], Awaitable[Session]]


class DatabasePool:
    """The sessions of a run by target: opened when first needed, and reset between blocks.

    Blocks that run one after the other share a session; those that run side by side have one each.
    """

    def __init__(self) -> None:
        self._idle: dict[str, list[DatabaseSession]] = defaultdict(list)

    async def aclose(self) -> None:
        """Close all idle sessions."""
        sessions = [session for idle in self._idle.values() for session in idle]
        self._idle.clear()
        for session in sessions:
            await _close(session)

    def acquire_fresh(self, target: str) -> DatabaseSession | None:
        """Return an idle session that needs no check of its server; None if there is none."""
        idle = self._idle[target]
        return idle.pop() if idle and _is_fresh(idle[-1]) else None

    async def acquire(self, target: str, open_session: OpenSession[Session]) -> Session:
        """Return a clean session. One that the server has closed meanwhile is replaced by a new one."""
        idle = self._idle[target]
        while idle:
            session = idle.pop()
            if await _is_usable(session):
                return session  # type: ignore[return-value]  # all sessions of a target are of one kind
        session = await open_session()
        session.target = target
        return session

    def release_nowait(self, session: DatabaseSession) -> bool:
        """Take a session back if that needs no waiting; if it returns False, call `release`."""
        if session.is_closed:
            return True
        if session.is_broken or not session.reset_nowait():
            return False
        self._store_idle(session)
        return True

    async def release(self, session: DatabaseSession) -> None:
        """Reset a session and take it back for the next block; close it if that fails or is cancelled."""
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
    """Return True if the session can be used; close it if not."""
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
    """Return True if a socket is open and the server has sent nothing without being asked.

    Data that comes unasked is a message or an end of file: the server closes the session, or has closed it.
    """
    if server is None:
        return False
    poll = select.poll()  # select() takes no descriptors above 1023
    poll.register(server, select.POLLIN)
    return not poll.poll(0)


async def _reset(session: DatabaseSession) -> bool:
    try:
        await session.reset()
    except Exception:  # whatever the driver raises: the session is not clean
        return False
    return True


async def _close(session: DatabaseSession) -> None:
    """Close a session in bounded time, whatever it raises."""
    with anyio.move_on_after(CLOSE_GRACE, shield=True):
        with suppress(Exception):  # the session is not used again, so its errors do not matter
            await session.close()
