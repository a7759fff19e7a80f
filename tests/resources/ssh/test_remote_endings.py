"""Scripts elsewhere that are cancelled, run out of time, or lose their connection: nothing of them is left there."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from uuid import uuid4

import anyio
import psutil
import pytest

from tests.harness import Opened, inside
from tests.resources.ssh.conftest import Home
from tests.resources.ssh.processes import folders, running, until
from tests.run_book import run_book
from tests.servers.sshd import Sshd

FAMILIES = {
    "a child": "sleep {n}",
    "a child in the background": "sleep {n} & wait",
    "a session of its own": "setsid sleep {n} & wait",
    "a double fork": "(setsid sleep {n} >/dev/null 2>&1 &) ; sleep {n}",
    "nohup": "nohup sleep {n} >/dev/null 2>&1 & sleep {n}",
    "signals ignored": "trap '' INT TERM; sleep {n}; sleep {n}",
    "another group": "set -m; sleep {n} & sleep {n}",
    "no environment": "env -i sleep {n}; true",
}


def number() -> str:
    """A duration that no other process sleeps for."""
    return str(10_000 + uuid4().int % 1_000_000_000)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("web")
def test_a_timeout_ends_the_whole_family(tmp_path: Path, server: Sshd, family: str) -> None:
    n = number()
    code = FAMILIES[family].format(n=n)
    processes = 1 if family == "signals ignored" else code.count(n)

    async def work(book: Opened) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.step, book.block("S"))
            await until(lambda: len(running(n)) == processes)
            book.run.cancel("enough")
        assert book.results["S"].kind == "cancelled"
        assert running(n) == []  # the run has not ended yet, and looked for what was left behind
        await book.run.finish()
        assert len(folders(server.home)) == 1

    inside(tmp_path, f"blocks:\n- host: web\n- name: S\n  template: false\n  script: |\n    {code}\n", work)

    assert folders(server.home) == []


@pytest.mark.usefixtures("web")
def test_a_deadline_is_reported_as_one(tmp_path: Path) -> None:
    n = number()
    slow = {"script": f"echo begun; sleep {n}", "timeout": "2s"}
    ran = run_book(tmp_path, {"host": "web"}, {"script": "echo connected"}, slow)

    assert re.fullmatch(r"timed out after 2\.\d s \(limit 2 s\)", ran.result.message or "")
    assert [section.text for section in ran.result.sections] == ["begun\n"]
    assert running(n) == []


def test_a_script_is_not_started_that_was_cancelled_before(tmp_path: Path, web: Home, server: Sshd) -> None:
    """The login shell takes its time; what it would have run must not run after all."""
    rc, ran_there = server.home / ".bashrc", tmp_path / "ran-there"

    async def work(book: Opened) -> None:
        await book.run.step(book.block("first"))
        rc.write_text("sleep 1.5\n")
        await book.run.step(book.block("second"))
        rc.unlink()
        await anyio.sleep(1.5)  # as long as the login shell needs

    second = f"- {{name: second, timeout: 300ms, script: touch {ran_there}}}\n"
    inside(tmp_path, f"blocks:\n- host: web\n- {{name: first, script: echo}}\n{second}", work)

    assert not ran_there.exists()


def test_a_lost_connection_is_an_error_and_ends_the_script_there(tmp_path: Path, web: Home, server: Sshd) -> None:
    n = number()

    async def work(book: Opened) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: bool(running(n)))
            for process in _connections(server):
                process.kill()
        await until(lambda: running(n) == [])
        lost, after = book.results["S"], book.results["Next"]
        assert (lost.message or "").startswith("the connection to web was lost")
        assert after.outcome == "passed"
        assert [str(kind) for kind in book.kinds if kind.startswith("ssh")] == [
            "sshConnected",
            "sshDisconnected",
            "sshConnected",
        ]

    blocks = f"- {{name: S, script: sleep {n}, on_failure: continue}}\n- {{name: Next, script: echo}}\n"
    inside(tmp_path, f"blocks:\n- host: web\n{blocks}", work)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("family", ["a child in the background", "a session of its own", "a double fork", "nohup"])
def test_what_a_lost_connection_leaves_is_ended_by_the_host_itself(tmp_path: Path, server: Sshd, family: str) -> None:
    n = number()
    code = FAMILIES[family].format(n=n)

    async def work(book: Opened) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: len(running(n)) == code.count(n))
            for process in _connections(server):
                process.kill()
        await until(lambda: running(n) == [])
        await until(lambda: folders(server.home) == [])

    inside(tmp_path, f"blocks:\n- host: web\n- name: S\n  template: false\n  script: |\n    {code}\n", work)


def test_a_host_that_shows_nothing_any_more_is_noticed(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="ServerAliveInterval 1\n  ServerAliveCountMax 1")
    home.knows(server)
    n = number()

    async def work(book: Opened) -> str:
        stopped: list[psutil.Process] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: bool(running(n)))
            stopped += _connections(server)
            for process in stopped:
                process.suspend()
        for process in stopped:
            process.kill()
        await until(lambda: running(n) == [])
        return book.results["S"].message or ""

    message = inside(tmp_path, f"blocks: [{{host: web}}, {{name: S, script: sleep {n}}}]", work)

    assert message.startswith("the connection to web was lost: ")


def _connections(server: Sshd) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


@pytest.mark.usefixtures("web")
def test_a_connection_that_died_between_blocks_is_opened_again(tmp_path: Path, server: Sshd) -> None:
    async def work(book: Opened) -> None:
        await book.run.step(book.block("first"))
        for name in names:  # how far the news has come differs from time to time
            for process in _connections(server):
                os.kill(process.pid, signal.SIGKILL)
            result = await book.run.step(book.block(name))
            assert result.outcome == "passed", result.message
        await book.run.finish()

    names = [f"S{number}" for number in range(8)]
    blocks = "".join(f"- {{name: {name}, script: echo}}\n" for name in ("first", *names))
    inside(tmp_path, f"blocks:\n- host: web\n{blocks}", work)


@pytest.mark.usefixtures("web")
def test_cancelled_while_connecting_nothing_stays_open(tmp_path: Path, server: Sshd) -> None:
    async def work(book: Opened) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(book.run.run_all)
            await until(lambda: bool(_connections(server)))
            book.run.cancel("enough")
        await until(lambda: not _connections(server))
        assert book.results["S"].kind == "cancelled"

    inside(tmp_path, "blocks:\n- host: web\n- {name: S, script: sleep 5}\n", work)


@pytest.mark.usefixtures("web")
def test_more_scripts_than_sessions_wait_for_their_turn(tmp_path: Path) -> None:
    async def work(book: Opened) -> None:
        async with anyio.create_task_group() as tasks:
            for spec in book.document.items:
                tasks.start_soon(book.run.step, spec.id)
        assert [result.message for result in book.results.values() if result.outcome != "passed"] == []
        assert sum(kind.value == "sshConnected" for kind in book.kinds) == 1

    blocks = "".join(f"- {{name: S{index}, script: sleep 0.2}}\n" for index in range(15))
    inside(tmp_path, f"blocks:\n- host: web\n{blocks}", work)
