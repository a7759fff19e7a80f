"""Many http blocks, and many prometheus blocks, against bare calls of the same client."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import httpx2

from .many_blocks import compare
from .measure import Finding

HEALTH = b'{"status":"ok"}'
SAMPLE = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1700000000,"42"]}]}}'


def http_findings(folder: Path) -> Iterator[Finding]:
    with http_server(HEALTH) as url:
        block = f"  - http: {url}\n    assert: output.body_json.status == 'ok'\n"
        yield from compare(folder, "http", block, partial(call, url))


def prometheus_findings(folder: Path) -> Iterator[Finding]:
    with http_server(SAMPLE) as url:
        block = f"  - prometheus: {{query: up, period: instant, endpoint: '{url}'}}\n    assert: output.value == 42\n"
        yield from compare(folder, "prometheus", block, partial(call, f"{url}/api/v1/query?query=up"))


async def call(url: str, times: int) -> None:
    async with httpx2.AsyncClient() as client:
        for _ in range(times):
            response = await client.get(url)
            assert response.json()["status"]


@contextmanager
def http_server(body: bytes) -> Iterator[str]:
    """Start a server in a process of its own that answers every request with the same body; yield its URL."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs, body), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def serve(pipe: Connection, body: bytes) -> None:
    """Send the port through the pipe, then serve one client after the other."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pipe.send(listening.getsockname()[1])
        while True:
            connection, _ = listening.accept()
            with connection, suppress(ConnectionError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while connection.recv(65_536):
                    connection.sendall(head.encode() + body)
