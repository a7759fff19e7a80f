"""Ways to a host, direct or over others; and what is said where there is none."""

from __future__ import annotations

import gc
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from tests.harness import Opened, inside, opened
from tests.resources.ssh.conftest import Home
from tests.run_book import NAME, run_book, text_of
from tests.servers.sshd import Sshd, free_port, sshd

ECHO = {"script": "echo in"}


def test_one_connection_serves_all_blocks_and_is_closed_at_the_end(tmp_path: Path, web: Home) -> None:
    async def work(book: Opened) -> list[str]:
        await book.run.run_all()
        assert set(book.outcomes.values()) == {"passed"}
        return [str(kind) for kind in book.kinds if kind.startswith("ssh")]

    text = "blocks: [{host: web}, {name: A, script: echo}, {name: B, script: echo, host: root@web}]"

    assert inside(tmp_path, text, work) == ["sshConnected"]


def test_a_jump_leads_to_a_host_and_is_shared(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.write_config(
        f"Host one two three\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {server.identity}\n"
        "Host two\n ProxyJump one\nHost three\n ProxyJump one,two\n"
    )
    home.knows(server)

    async def work(book: Opened) -> list[str]:
        await book.run.run_all()
        assert book.outcomes == {"A": "passed", "B": "passed"}
        return [str(event.data["host"]) for event in book.events if event.kind == "sshConnected"]

    text = "blocks: [{name: A, script: echo, host: three}, {name: B, script: echo, host: two}]"

    assert inside(tmp_path, text, work) == ["one", "two", "three", "two"]


def test_the_key_of_a_jump_host_is_checked_too(tmp_path: Path, home: Home, server: Sshd) -> None:
    with sshd(tmp_path / "bastion") as bastion:
        home.has_alias(server, extra="ProxyJump bastion")
        home.has_alias(bastion, "bastion")
        home.knows(server)
        message = run_book(tmp_path, {"host": "web"}, ECHO).result.message or ""

    assert message.startswith("the way to web leads over bastion: the host key of 127.0.0.1:")


def test_what_the_jump_host_can_not_reach_is_reported(tmp_path: Path, web: Home) -> None:
    port = free_port()
    web.write_config(web.config.read_text() + f"Host far\n HostName 127.0.0.1\n Port {port}\n ProxyJump web\n")
    message = run_book(tmp_path, {"host": "far"}, ECHO).result.message or ""

    assert message.startswith(f"the jump host can't reach 127.0.0.1:{port}:")


def test_a_proxy_command_leads_to_a_host(tmp_path: Path, home: Home, server: Sshd) -> None:
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    home.has_alias(server, extra=f"ProxyCommand python3 {relay} %h %p")
    home.knows(server)

    assert run_book(tmp_path, {"host": "web"}, ECHO).output["stdout"] == "in\n"


def test_what_a_proxy_command_shows_is_reported(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="ProxyCommand sh -c 'echo the VPN is down >&2; exit 1'")
    home.knows(server)
    message = run_book(tmp_path, {"host": "web"}, ECHO).result.message or ""

    assert message.endswith("closed the connection before the login (ProxyCommand: the VPN is down)")


SILENT = "ProxyCommand sh -c 'exec <&- >&-; sleep 60'"
HUNG = "ProxyCommand sh -c 'trap \"\" HUP TERM; cat >/dev/null; sleep 60'"


@pytest.mark.parametrize("setting", [SILENT, HUNG], ids=["that closed its pipes", "that hangs"])
def test_no_proxy_command_outlives_its_connection(tmp_path: Path, home: Home, server: Sshd, setting: str) -> None:
    home.has_alias(server, extra=f"{setting}\n ConnectTimeout 1")
    home.knows(server)

    async def main() -> list[subprocess.Popen[bytes]]:
        async with opened(tmp_path, text_of({"host": "web"}, ECHO), name=NAME) as book:
            assert (await book.run.step(book.document.items[0].id)).outcome == "failed"
            return [process for process in proxies() if process.returncode is None]

    assert anyio.run(main) == []


def proxies() -> list[subprocess.Popen[bytes]]:
    """The programs of ProxyCommands that this process has started and still knows."""
    known = [found for found in gc.get_objects() if isinstance(found, subprocess.Popen)]
    return [process for process in known if "exec 3>&2" in repr(process.args)]


RELAY = """\
import socket, sys, threading
there = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def send():
    while data := sys.stdin.buffer.raw.read(65536): there.sendall(data)
    there.close()
threading.Thread(target=send, daemon=True).start()
while data := there.recv(65536):
    sys.stdout.buffer.write(data); sys.stdout.flush()
"""


@contextmanager
def talking(answer: bytes | None) -> Iterator[int]:
    """A port that says something to whoever connects, or nothing at all, or (None) hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                if answer is None:
                    connection.close()
                elif answer:
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "no login to 127.0.0.1:{port} within 1 s"),
        (None, "127.0.0.1:{port} closed the connection before the login"),
        (b"SSH-1.5-ancient\r\n", "127.0.0.1:{port} does not answer as an SSH server: "),
    ],
)
def test_what_is_no_ssh_server_is_reported(tmp_path: Path, home: Home, answer: bytes | None, message: str) -> None:
    home.write_config("ConnectTimeout 1\n")
    with talking(answer) as port:
        result = run_book(tmp_path, {"host": f"127.0.0.1:{port}"}, ECHO).result

    assert result.kind == "unreachable"
    assert (result.message or "").startswith(message.format(port=port))
    assert result.hint


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("127.0.0.1:1", "127.0.0.1:1 refuses connections"),
        ("no-such-host.invalid", 'no address is known for "no-such-host.invalid": '),
        ("[2001:db8::1]", "there is no route to [2001:db8::1]:22"),
        ("host:invalid", '"host:invalid" is no host: "invalid" is no port: 1 to 65535'),
    ],
)
def test_what_can_not_be_reached_is_reported_in_its_own_words(tmp_path: Path, host: str, message: str) -> None:
    result = run_book(tmp_path, {"host": host}, ECHO).result

    assert (result.message or "").startswith(message)


@pytest.mark.usefixtures("home")
def test_an_unreachable_host_is_one_error_in_all_runbooks_of_a_run(tmp_path: Path) -> None:
    text = "blocks:\n- host: 127.0.0.1:1\n- {name: A, script: echo, on_failure: continue}\n- {name: B, script: echo}\n"

    async def main() -> None:
        async with opened(tmp_path, text) as book:
            (tmp_path / "other").mkdir()
            other_path = tmp_path / "other/b.runbook.yaml"
            other_path.write_text(text)
            other = Opened(
                runtime=book.runtime, document=book.runtime.open_document(other_path), channel=book.channel, events=[]
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(book.run.run_all)
                tasks.start_soon(other.run.run_all)
            outcomes = [*book.outcomes.values(), *other.outcomes.values()]
            assert sorted(outcomes) == ["failed", "skipped", "skipped", "skipped"]
            assert sum(event.kind == "sshConnectionFailed" for event in book.events) == 1
            skipped = [result for result in (*book.results.values(), *other.results.values()) if result.kind is None]
            assert all("could not reach it: 127.0.0.1:1 refuses connections" in (r.message or "") for r in skipped)

    anyio.run(main)


def test_a_slow_host_does_not_hold_up_another(tmp_path: Path, web: Home) -> None:
    with talking(b"") as port:
        web.write_config(web.config.read_text() + f"Host slow\n HostName 127.0.0.1\n Port {port}\n ConnectTimeout 3\n")

        async def work(book: Opened) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(book.run.step, book.block("Slow"))
                await anyio.wait_all_tasks_blocked()
                with anyio.fail_after(2):
                    result = await book.run.step(book.block("Fast"))
                assert result.outcome == "passed"
                book.document.cancel()

        text = "blocks: [{name: Slow, script: echo, host: slow}, {name: Fast, script: echo, host: web}]"
        inside(tmp_path, text, work)


def test_settings_without_effect_are_reported_once(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="LocalForward 8080 localhost:80")
    home.knows(server)

    async def work(book: Opened) -> list[str]:
        await book.run.run_all()
        return list(book.runtime.warnings)

    notes = inside(tmp_path, "blocks: [{host: web}, {script: echo}, {script: echo}]", work)

    assert notes == [f"ssh: {home.config}:6: LocalForward has no effect here"]
