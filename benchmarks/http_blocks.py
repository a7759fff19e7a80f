"""Many http blocks, against what can't be saved: an empty test and a bare call of the same client for each."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import httpx2

from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.execution.result import Outcome

from .measure import Series, Verdict, in_process, pytest_process, take_turns

ROUNDS = 5
BLOCKS = 500
MOST_MILLISECONDS = 0.7
ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{"status":"ok"}'


def verdicts(folder: Path) -> Iterator[Verdict]:
    with a_server() as url:
        text = f"  - http: {url}\n    assert: output.body_json.status == 'ok'\n"
        for name, count in {"many": BLOCKS, "one": 1}.items():
            (folder / f"{name}.runbook.yaml").write_text("blocks:\n" + text * count)
            (folder / f"test_{name}.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(count)))
        taken = take_turns(
            ROUNDS,
            {
                f"{BLOCKS} http blocks": pytest_process(folder, "many.runbook.yaml"),
                "one http block": pytest_process(folder, "one.runbook.yaml"),
                f"{BLOCKS} empty tests": pytest_process(folder, "test_many.py", plugins=""),
                "one empty test": pytest_process(folder, "test_one.py", plugins=""),
                f"{BLOCKS} http blocks without pytest": in_process(lambda: anyio.run(run_engine, folder, "many")),
                "one without pytest": in_process(lambda: anyio.run(run_engine, folder, "one")),
                f"{BLOCKS} bare calls": in_process(lambda: anyio.run(call_bare, url)),
            },
        )
    many, one, tests, test, engine, engine_one, bare = taken.values()
    item, block, call = each(many, one), each(engine, engine_one), bare.median / BLOCKS * 1000
    yield Verdict("a bare call of the client", f"{call:.2f} ms")
    claim = f"what a block with an assertion adds to it: at most {MOST_MILLISECONDS} ms"
    yield Verdict(claim, f"{block - call:.2f} ms", block - call <= MOST_MILLISECONDS)
    yield Verdict("what it costs on top to be an item of pytest", f"{item - block:.2f} ms")
    yield Verdict("an empty test", f"{each(tests, test):.2f} ms")


def each(many: Series, one: Series) -> float:
    """Milliseconds for one more."""
    return (many.median - one.median) / (BLOCKS - 1) * 1000


async def run_engine(folder: Path, name: str) -> None:
    async with open_runtime() as runtime:
        results = await RunbookRun(runtime.open_document(folder / f"{name}.runbook.yaml"), runtime).run_all()
        assert {result.outcome for result in results} == {Outcome.PASSED}


async def call_bare(url: str) -> None:
    async with httpx2.AsyncClient() as client:
        for _ in range(BLOCKS):
            response = await client.get(url)
            assert response.json()["status"] == "ok"


@contextmanager
def a_server() -> Iterator[str]:
    """The URL of a server in a process of its own, which answers every request alike."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/health"
    finally:
        process.terminate()
        process.join()


def serve(pipe: Connection) -> None:
    """Answer one client after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        pipe.send(listening.getsockname()[1])
        while True:
            connection, _ = listening.accept()
            with connection, suppress(ConnectionError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while connection.recv(65_536):
                    connection.sendall(ANSWER)
