"""Servers that misbehave: an error with a hint, in time, and the connection to them is closed."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pytest_runbook.resources.database.pool import CLOSE_GRACE
from tests.blocks.sql.conftest import Database
from tests.run_book import run_book
from tests.servers.http_servers import RawServer

PASSWORD = "hidden-w0rd"
DEADLINE = 0.6
LATEST = 4.0
"""Seconds: the block's own limit, and what may come on top of it on a busy machine."""

URIS = {
    "postgres": "postgresql://u:hidden-w0rd@127.0.0.1:{}/d?sslmode=disable",
    "mysql": "mysql://u:hidden-w0rd@127.0.0.1:{}/d",
    "clickhouse": "http://u:hidden-w0rd@127.0.0.1:{}/d",
    "prometheus": "http://u:hidden-w0rd@127.0.0.1:{}",
    "http": "http://u:hidden-w0rd@127.0.0.1:{}/path",
}
BEGINNINGS = {
    "postgres": b"R\x00\x0f\xff\xff",
    "mysql": b"\xff\xff\x0f\x00",
    "clickhouse": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
    "prometheus": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "http": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
}
"""How an answer begins. What follows is one byte over and over."""


def block_of(kind: str, port: int, **props: object) -> dict[str, object]:
    uri = URIS[kind].format(port)
    if kind == "http":
        return {"http": {"url": uri, **props}}
    where = "endpoint" if kind == "prometheus" else "uri"
    return {kind: {where: uri, "query": "select 1", **props}}


class Faulty:
    """What a server does with its connections. gone: released when a client closes one."""

    def __init__(self, kind: str) -> None:
        self.beginning = BEGINNINGS[kind]
        self.listens_first = kind != "mysql"
        self.gone = threading.Semaphore(0)

    def never_answers(self, connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while connection.recv(65_536):
                pass
        self.gone.release()

    def drips(self, connection: socket.socket) -> None:
        try:
            self._begin(connection)
            while True:
                connection.sendall(b"0")
                time.sleep(0.02)
        except OSError:
            self.gone.release()

    def breaks_off(self, connection: socket.socket) -> None:
        self._begin(connection)
        self.gone.release()

    def _begin(self, connection: socket.socket) -> None:
        if self.listens_first:
            connection.recv(65_536)
        connection.sendall(self.beginning)


@pytest.mark.parametrize("way", ["never_answers", "drips"])
@pytest.mark.parametrize("kind", URIS)
def test_server_that_takes_for_ever_is_given_up_within_the_block_s_limit(kind: str, way: str, tmp_path: Path) -> None:
    faulty = Faulty(kind)
    behave: Callable[[socket.socket], None] = getattr(faulty, way)

    with RawServer(behave) as server:
        ran = run_book(tmp_path, {**block_of(kind, server.port), "timeout": f"{DEADLINE}s"})

        assert faulty.gone.acquire(timeout=LATEST)
    assert ran.result.kind == "timeout"
    assert DEADLINE <= ran.result.seconds < LATEST
    assert PASSWORD not in json.dumps(ran.result.to_json(), default=str)


@pytest.mark.parametrize("way", ["never_answers", "drips"])
@pytest.mark.parametrize("kind", ["postgres", "mysql", "clickhouse"])
def test_database_that_takes_for_ever_to_let_us_in_is_unreachable(kind: str, way: str, tmp_path: Path) -> None:
    faulty = Faulty(kind)
    behave: Callable[[socket.socket], None] = getattr(faulty, way)

    with RawServer(behave) as server:
        ran = run_book(tmp_path, block_of(kind, server.port, connect_timeout=f"{DEADLINE}s"))

        assert faulty.gone.acquire(timeout=LATEST)
    assert ran.result.kind == "unreachable"
    assert (ran.result.message or "").endswith("within 600 ms")
    assert "connect_timeout" in (ran.result.hint or "")
    assert DEADLINE <= ran.result.seconds < LATEST


@pytest.mark.parametrize("kind", URIS)
def test_server_that_closes_half_way_is_reported_at_once(kind: str, tmp_path: Path) -> None:
    faulty = Faulty(kind)

    with RawServer(faulty.breaks_off) as server:
        ran = run_book(tmp_path, block_of(kind, server.port))

        assert faulty.gone.acquire(timeout=LATEST)
    assert ran.result.kind in ("unreachable", "block")
    assert ran.result.hint is not None
    assert ran.result.seconds < LATEST
    assert PASSWORD not in json.dumps(ran.result.to_json(), default=str)


def test_clickhouse_that_closes_in_the_middle_of_its_rows_is_reported(tmp_path: Path) -> None:
    answers = iter(
        [
            b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n["1"]\n["UInt8"]\n[1]',
            b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n["1"]\n["UInt8"]\n[1]\n',
        ]
    )

    def answer(connection: socket.socket) -> None:
        for data in answers:
            asked = b""
            while not asked.lower().endswith(b"select 1"):
                chunk = connection.recv(65_536)
                if not chunk:
                    return
                asked += chunk
            connection.sendall(data)

    with RawServer(answer) as server:
        ran = run_book(tmp_path, block_of("clickhouse", server.port))

    assert ran.result.kind == "block"
    assert "broke off after 20 bytes of the body" in (ran.result.message or "")


class Wire:
    """What leads to a real server until it is cut: then nothing comes through any more, and nothing is closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_cut = threading.Event()
        self.gone = threading.Semaphore(0)

    def lead(self, connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            back = threading.Thread(target=self._pass_on, args=(server, connection))
            back.start()
            self._pass_on(connection, server)
            self.gone.release()
            server.shutdown(socket.SHUT_RDWR)
            back.join()

    def _pass_on(self, source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if b"cut here" in data:
                    self._is_cut.set()
                if not self._is_cut.is_set():
                    to.sendall(data)


@pytest.mark.parametrize("database", ["postgres", "mysql", "clickhouse"], indirect=True)
def test_server_that_can_not_be_reached_any_more_is_given_up(database: Database, tmp_path: Path) -> None:
    port = urlsplit(database.uri).port
    assert port is not None
    wire = Wire(port)

    with RawServer(wire.lead) as server:
        uri = database.uri.replace(f":{port}", f":{server.port}")
        before = {database.type: {"uri": uri, "query": "select 1"}}
        block = {database.type: {"uri": uri, "query": "select 'cut here'"}, "timeout": f"{DEADLINE}s"}
        ran = run_book(tmp_path, before, block)

        assert wire.gone.acquire(timeout=LATEST)
    assert [result.kind for result in ran.results] == [None, "timeout"]
    assert ran.result.seconds < DEADLINE + CLOSE_GRACE + LATEST
