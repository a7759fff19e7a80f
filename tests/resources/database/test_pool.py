"""Sessions are handed out clean or not at all; whatever happens to one, it is kept or closed."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import pytest

from pytest_runbook.resources.database.pool import DatabasePool, DatabaseSession


@dataclass
class Server:
    """What it is asked to do by its sessions; `hangs` names what it never finishes, `refuses` what it can't."""

    hangs: str = ""
    refuses: str = ""
    opened: int = 0
    closed: list[int] = field(default_factory=list)
    asked: anyio.Event = field(default_factory=anyio.Event)

    async def do(self, what: str) -> None:
        if what == self.hangs:
            self.asked.set()
            await anyio.sleep_forever()
        if what == self.refuses:
            raise ConnectionError(what)

    async def open(self) -> Session:
        self.opened += 1
        return Session(self, self.opened)


class Session(DatabaseSession):
    def __init__(self, server: Server, number: int) -> None:
        super().__init__()
        self.server = server
        self.number = number

    async def is_alive(self) -> bool:
        await self.server.do("check")
        return self.server.refuses != "alive"

    async def reset(self) -> None:
        await self.server.do("reset")

    async def close(self) -> None:
        self.server.closed.append(self.number)
        await self.server.do("close")


async def used_once(sessions: DatabasePool, server: Server) -> Session:
    session = await sessions.acquire("here", server.open)
    await sessions.release(session)
    return session


def test_session_that_was_given_back_is_passed_out_again() -> None:
    async def run() -> None:
        sessions, server = DatabasePool(), Server()
        first = await used_once(sessions, server)

        assert await sessions.acquire("here", server.open) is first
        assert await sessions.acquire("here", server.open) is not first
        assert await sessions.acquire("elsewhere", server.open) is not first

    anyio.run(run)


@pytest.mark.parametrize("refuses", ["reset", "alive"])
def test_session_that_can_not_be_used_again_is_replaced(refuses: str) -> None:
    async def run() -> None:
        sessions, server = DatabasePool(), Server(refuses=refuses)
        await used_once(sessions, server)

        session = await sessions.acquire("here", server.open)

        assert (session.number, server.closed) == (2, [1])

    anyio.run(run)


def test_broken_session_is_closed() -> None:
    async def run() -> None:
        sessions, server = DatabasePool(), Server()
        session = await sessions.acquire("here", server.open)
        session.is_broken = True

        await sessions.release(session)

        assert server.closed == [1]

    anyio.run(run)


@pytest.mark.parametrize("hangs", ["check", "reset"])
def test_session_is_closed_when_its_user_is_cancelled_at_the_door(hangs: str) -> None:
    async def run() -> None:
        sessions, server = DatabasePool(), Server()
        session = await sessions.acquire("here", server.open)
        if hangs == "check":
            await sessions.release(session)
        server.hangs = hangs

        async with anyio.create_task_group() as tasks:
            if hangs == "check":
                tasks.start_soon(sessions.acquire, "here", server.open)
            else:
                tasks.start_soon(sessions.release, session)
            await server.asked.wait()
            tasks.cancel_scope.cancel()

        assert server.closed == [1]

    anyio.run(run)


@pytest.mark.parametrize("refuses", ["", "close"])
def test_all_are_closed_at_the_end_whatever_they_show(refuses: str) -> None:
    async def run() -> None:
        sessions, server = DatabasePool(), Server(refuses=refuses)
        both = [await sessions.acquire("here", server.open) for _ in range(2)]
        for session in both:
            await sessions.release(session)

        await sessions.aclose()

        assert sorted(server.closed) == [1, 2]

    anyio.run(run)
