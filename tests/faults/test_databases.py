"""A database is killed and started again in the middle: the block that asked says so, later blocks find the new one."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests.harness import opened
from tests.run_book import NAME, text_of
from tests.servers.children import stop, unprivileged
from tests.servers.database_servers import DatabaseServer, mariadb_server, postgres_server

SLEEP = {"postgres": "select pg_sleep(60)", "mysql": "select sleep(60)"}
SERVERS = {"postgres": postgres_server, "mysql": mariadb_server}
# What takes PostgreSQL down without a goodbye to anybody, and its processes with it.
DEATHS = {"postgres": signal.SIGQUIT, "mysql": signal.SIGKILL}
SOON = 20.0


class Restarted:
    """A server that can be killed and started again."""

    def __init__(self, server: DatabaseServer, death: signal.Signals) -> None:
        self.server = server
        self._death = death
        self.process: subprocess.Popen[bytes] = server.process

    def kill(self) -> None:
        self.process.send_signal(self._death)
        self.process.wait()

    def start(self) -> None:
        log = (self.server.home / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self.server.process.args,
                cwd=self.server.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **unprivileged(),
            )


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest) -> Iterator[tuple[str, Restarted]]:
    with SERVERS[request.param]() as server:
        restarted = Restarted(server, DEATHS[request.param])
        try:
            yield request.param, restarted
        finally:
            if restarted.process is not server.process:
                stop(restarted.process)


def test_a_database_that_is_restarted_fails_the_block_that_asked_and_serves_the_next(
    tmp_path: Path, database: tuple[str, Restarted]
) -> None:
    kind, server = database

    def sql(name: str, query: str, **keys: object) -> dict[str, object]:
        return {"name": name, kind: {"uri": server.server.uri, "query": query}, **keys}

    text = text_of(
        sql("First", "select 1 as one"),
        sql("Long", SLEEP[kind], timeout="60s"),
        *(sql(name, "select 1 as one", retry={"every": "100ms", "within": "20s"}) for name in ("Again", "Between")),
    )

    async def main() -> None:
        async with opened(tmp_path, text, name=NAME) as book:
            assert (await book.run.step(book.block("First"))).outcome == "passed"
            handle = book.document.start_execution(book.block("Long"))
            await anyio.sleep(0.3)
            await anyio.to_thread.run_sync(server.kill)
            started = time.monotonic()
            lost = await handle.wait()
            assert time.monotonic() - started < SOON
            assert lost.kind in ("block", "unreachable")
            assert lost.hint is not None
            server.start()
            again = await book.run.step(book.block("Again"))
            assert again.outcome == "passed", again.message
            server.kill()
            server.start()
            between = await book.run.step(book.block("Between"))
            assert between.outcome == "passed", between.message
            await book.run.finish()

    anyio.run(main)
