"""A network that swallows what is sent, names that nobody looks up: blocks end at their deadlines, and so do runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic

import anyio
import pytest

from pytest_runbook.resources.process.process_group import Grace
from tests.harness import opened
from tests.plugin.project import Project
from tests.resources.ssh.conftest import Home
from tests.run_book import NAME, text_of
from tests.servers.database_servers import DatabaseServer
from tests.servers.network import Network
from tests.servers.relay import relayed
from tests.servers.sshd import Sshd

DEADLINE = 1.0
LONGEST = 20.0
"""For a run with a deadline of one second, on a machine that is busy; what waits for the network takes minutes."""


class Slow(BaseHTTPRequestHandler):
    """Begins to answer at once, and never ends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10" if self.path == "/slow" else "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def web_server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def blocks(
    net: Network, postgres: DatabaseServer, mariadb: DatabaseServer, server: Sshd, home: Home, web_server: int
) -> Iterator[Mapping[str, tuple[object, object]]]:
    """For each kind of server: a block that works, and one that waits for an answer; all through that network."""
    with ExitStack() as stack:

        def reached(port: int) -> int:
            with net.inside():
                listener = socket.create_server((net.address, 0))
            return stack.enter_context(relayed(listener, port))

        ports = {"pg": reached(postgres.port), "my": reached(mariadb.port), "ssh": reached(server.port)}
        web = f"http://{net.address}:{reached(web_server)}"
        home.config.write_text(
            f"Host web\n  HostName {net.address}\n  Port {ports['ssh']}\n  User root\n"
            f"  IdentityFile {server.identity}\n  HostKeyAlias [127.0.0.1]:{server.port}\n"
        )
        home.knows(server)
        pg_uri = postgres.uri.replace(f"127.0.0.1:{postgres.port}", f"{net.address}:{ports['pg']}")
        my_uri = mariadb.uri.replace(f"127.0.0.1:{mariadb.port}", f"{net.address}:{ports['my']}")
        yield {
            "http": ({"http": f"{web}/"}, {"http": f"{web}/slow"}),
            "postgres": (sql("postgres", pg_uri, "select 1"), sql("postgres", pg_uri, "select pg_sleep(60)")),
            "mysql": (sql("mysql", my_uri, "select 1"), sql("mysql", my_uri, "select sleep(60)")),
            "ssh": ({"host": "web", "script": "true"}, {"host": "web", "script": "sleep 60"}),
        }


def sql(kind: str, uri: str, query: str) -> object:
    return {kind: {"uri": uri, "query": query}}


def test_a_network_that_drops_all_packets_holds_nothing_up(
    tmp_path: Path, net: Network, blocks: Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]]
) -> None:
    """For each kind of server, once in the middle of a block and once between two blocks."""
    kinds: dict[tuple[str, bool], str | None] = {}
    seconds: dict[tuple[str, bool], float] = {}

    async def run(kind: str, in_the_middle: bool, is_ready: anyio.Semaphore, is_silent: anyio.Event) -> None:
        folder = tmp_path / f"{kind}-{in_the_middle}"
        folder.mkdir()
        works, waits = blocks[kind]
        second = {**(waits if in_the_middle else works), "name": "waits", "timeout": f"{DEADLINE}s"}
        async with opened(folder, text_of({**works, "name": "works"}, second), name=NAME) as book:
            book.runtime.resources.tighten_deadline(Grace(interrupt=0.2, terminate=0.2))
            first = await book.run.step(book.block("works"))
            assert first.outcome == "passed", first.message
            is_ready.release()
            if not in_the_middle:
                await is_silent.wait()
            started = monotonic()
            kinds[kind, in_the_middle] = (await book.run.step(book.block("waits"))).kind
            await book.run.finish()
        seconds[kind, in_the_middle] = monotonic() - started

    async def main() -> None:
        is_ready, is_silent = anyio.Semaphore(0), anyio.Event()
        async with anyio.create_task_group() as tasks:
            for in_the_middle in (True, False):
                for kind in blocks:
                    tasks.start_soon(run, kind, in_the_middle, is_ready, is_silent)
            for _ in 2 * [*blocks]:
                await is_ready.acquire()
            await anyio.sleep(DEADLINE / 2)  # the questions are on their way
            net.fall_silent()
            is_silent.set()

    anyio.run(main)

    assert set(kinds.values()) <= {"timeout", "unreachable"}
    assert len(kinds) == 2 * len(blocks)
    assert [(kind, took) for kind, took in seconds.items() if took > LONGEST] == []


NAMES = """
    on_failure: continue
    timeout: {block: 300ms}
    blocks:
      - {name: http, http: "http://one.example/"}
      - {name: postgres, postgres: {uri: "postgres://u@two.example/x", query: select 1}}
      - {name: mysql, mysql: {uri: "mysql://u@three.example/x", query: select 1}}
      - {name: clickhouse, clickhouse: {uri: "http://four.example/x", query: select 1}}
      - {name: prometheus, prometheus: {endpoint: "http://five.example/", query: up}}
      - {name: ssh, host: me@six.example, script: 'true'}
      - {name: script, host: local, script: 'getent hosts seven.example'}
      - {name: after, host: local, timeout: 20s, script: 'true'}
    """
# A name server that can be reached, and never answers: its packets go round on the loopback and belong to nobody.
SILENT_NAMES = """
    ip link set lo up
    ip addr add 10.0.0.1/32 dev lo
    ip route add 192.0.2.0/24 dev lo src 10.0.0.1
    echo 'nameserver 192.0.2.1' > resolv.conf
    echo 'options timeout:30 attempts:1' >> resolv.conf
    mount --bind resolv.conf /etc/resolv.conf
    exec "$@"
    """


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a network of its own: run the tests in a container")
@pytest.mark.usefixtures("nothing_left")
def test_names_that_nobody_looks_up_hold_up_neither_blocks_nor_the_end(project: Project) -> None:
    project.write("a.runbook.yaml", NAMES)
    started = monotonic()

    prefix = ("unshare", "--net", "--mount", "sh", "-ec", SILENT_NAMES, "sh")
    result = project.finish(project.start(".", "-v", prefix=prefix))

    assert monotonic() - started < LONGEST
    result.assert_outcomes(passed=1, failed=7)
    assert result.stdout.str().count("kind     timeout") == 7
