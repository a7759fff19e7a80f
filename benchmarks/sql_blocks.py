"""Many SQL blocks, against bare calls of their drivers."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import anyio
import asyncpg
import httpx2

from pytest_runbook.blocks.sql.clickhouse import SETTINGS
from pytest_runbook.blocks.sql.mysql import address_of
from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.execution.result import Outcome
from tests.servers.database_servers import DatabaseServer, clickhouse_server, mariadb_server, postgres_server

from .measure import Finding, in_process, run_rounds

ROUNDS = 9
MAX_MILLISECONDS = 0.7


@dataclass(frozen=True, slots=True)
class Contender:
    """A database server, and a function that makes so many bare calls of the driver."""

    kind: str
    server: Callable[[], AbstractContextManager[DatabaseServer | None]]
    call: Callable[[str, int], Awaitable[None]]
    blocks: int = 500


async def call_sqlite(uri: str, times: int) -> None:
    for _ in range(times):
        with sqlite3.connect(uri) as connection:
            connection.execute("select 1").fetchall()
        connection.close()


async def call_postgres(uri: str, times: int) -> None:
    connection = await asyncpg.connect(uri)
    for _ in range(times):
        await connection.fetch("select 1")
    await connection.close()


async def call_mysql(uri: str, times: int) -> None:
    connection = await address_of(uri).connect()
    for _ in range(times):
        async with connection.cursor() as cursor:
            await cursor.execute("select 1")
            await cursor.fetchall()
    await connection.disconnect(notify_server=True)


async def call_clickhouse(uri: str, times: int) -> None:
    async with httpx2.AsyncClient() as client:
        for _ in range(times):
            params = {**SETTINGS, "session_id": str(uuid.uuid4()), "query_id": str(uuid.uuid4())}
            response = await client.post(uri, content="select 1", params=params)
            assert response.status_code == 200


CONTENDERS = (
    Contender("sqlite", nullcontext, call_sqlite),
    Contender("postgres", postgres_server, call_postgres),
    Contender("mysql", mariadb_server, call_mysql),
    Contender("clickhouse", clickhouse_server, call_clickhouse, blocks=50),
)


def findings(folder: Path) -> Iterator[Finding]:
    for contender in CONTENDERS:
        with contender.server() as server:
            yield from compare_with_driver(folder, contender, ":memory:" if server is None else server.uri)


def compare_with_driver(folder: Path, contender: Contender, uri: str) -> Iterator[Finding]:
    text = f"  - {contender.kind}: {{uri: '{uri}', query: select 1}}\n    assert: output.value == 1\n"
    for name, count in {"many": contender.blocks, "one": 1}.items():
        (folder / f"{name}.runbook.yaml").write_text("blocks:\n" + text * count)
    series_by_name = run_rounds(
        ROUNDS,
        {
            f"{contender.blocks} {contender.kind} blocks": in_process(lambda: anyio.run(run_engine, folder, "many")),
            "one block": in_process(lambda: anyio.run(run_engine, folder, "one")),
            f"{contender.blocks} bare calls": in_process(lambda: anyio.run(contender.call, uri, contender.blocks)),
            "one bare call": in_process(lambda: anyio.run(contender.call, uri, 1)),
        },
    )
    many, one, calls, call = (series.median * 1000 for series in series_by_name.values())
    block, bare = (many - one) / (contender.blocks - 1), (calls - call) / (contender.blocks - 1)
    claim = f"what a {contender.kind} block with an assertion adds to {bare:.2f} ms: at most {MAX_MILLISECONDS} ms"
    yield Finding(claim, f"{block - bare:.2f} ms", block - bare <= MAX_MILLISECONDS)


async def run_engine(folder: Path, name: str) -> None:
    async with open_runtime() as runtime:
        results = await RunbookRun(runtime.open_document(folder / f"{name}.runbook.yaml"), runtime).run_all()
        assert {result.outcome for result in results} == {Outcome.PASSED}
