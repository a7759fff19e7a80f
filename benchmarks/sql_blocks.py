"""Many SQL blocks against bare calls of their driver, and a million rows against its own time and memory."""

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

from .measure import Verdict, in_process, python_process, ratio, take_turns

ROUNDS = 3
MOST_MILLISECONDS = 0.7
MILLION = (
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) "
    "select i, 'row ' || i as t from n"
)
ENGINE_ALONE = """
import anyio, pathlib
from benchmarks.sql_blocks import run_engine
anyio.run(run_engine, pathlib.Path({folder!r}), "million")
"""
DRIVER_ALONE = "from benchmarks.sql_blocks import fetch_a_million; fetch_a_million()"


@dataclass(frozen=True, slots=True)
class Contender:
    """A database, a server of it, and that many calls of its driver in a bare loop."""

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
    await connection.end(politely=True)


async def call_clickhouse(uri: str, times: int) -> None:
    async with httpx2.AsyncClient() as client:
        for _ in range(times):
            asked = {**SETTINGS, "session_id": str(uuid.uuid4()), "query_id": str(uuid.uuid4())}
            answer = await client.post(uri, content="select 1", params=asked)
            assert answer.status_code == 200


CONTENDERS = (
    Contender("sqlite", nullcontext, call_sqlite),
    Contender("postgres", postgres_server, call_postgres),
    Contender("mysql", mariadb_server, call_mysql),
    Contender("clickhouse", clickhouse_server, call_clickhouse, blocks=50),
)


def verdicts(folder: Path) -> Iterator[Verdict]:
    for contender in CONTENDERS:
        with contender.server() as server:
            yield from on_top(folder, contender, ":memory:" if server is None else server.uri)
    yield from a_million_rows(folder)


def on_top(folder: Path, contender: Contender, uri: str) -> Iterator[Verdict]:
    text = f"  - {contender.kind}: {{uri: '{uri}', query: select 1}}\n    assert: output.value == 1\n"
    for name, count in {"many": contender.blocks, "one": 1}.items():
        (folder / f"{name}.runbook.yaml").write_text("blocks:\n" + text * count)
    taken = take_turns(
        ROUNDS,
        {
            f"{contender.blocks} {contender.kind} blocks": in_process(lambda: anyio.run(run_engine, folder, "many")),
            "one block": in_process(lambda: anyio.run(run_engine, folder, "one")),
            f"{contender.blocks} bare calls": in_process(lambda: anyio.run(contender.call, uri, contender.blocks)),
            "one bare call": in_process(lambda: anyio.run(contender.call, uri, 1)),
        },
    )
    many, one, calls, call = (series.median * 1000 for series in taken.values())
    block, bare = (many - one) / (contender.blocks - 1), (calls - call) / (contender.blocks - 1)
    claim = f"what a {contender.kind} block with an assertion adds to {bare:.2f} ms: at most {MOST_MILLISECONDS} ms"
    yield Verdict(claim, f"{block - bare:.2f} ms", block - bare <= MOST_MILLISECONDS)


def a_million_rows(folder: Path) -> Iterator[Verdict]:
    block = f'  - sqlite: {{uri: ":memory:", query: "{MILLION}"}}\n    assert: output.total_rows == 1000000\n'
    (folder / "million.runbook.yaml").write_text("blocks:\n" + block)
    taken = take_turns(
        ROUNDS,
        {
            "a million rows in a block": in_process(lambda: anyio.run(run_engine, folder, "million")),
            "a million rows by the driver": in_process(fetch_a_million),
            "a million rows in a block, alone": python_process(ENGINE_ALONE.format(folder=str(folder))),
            "a million rows by the driver, alone": python_process(DRIVER_ALONE),
        },
    )
    ours, drivers, alone, driver_alone = taken.values()
    yield ratio("a million rows / the driver's own time: at most 1.5", ours.median, drivers.median, at_most=1.5)
    claim = "a million rows / the driver's own memory: at most 1.5"
    yield ratio(claim, alone.peak_megabytes, driver_alone.peak_megabytes, at_most=1.5)


def fetch_a_million() -> None:
    rows = sqlite3.connect(":memory:").execute(MILLION).fetchall()
    assert len(rows) == 1_000_000


async def run_engine(folder: Path, name: str) -> None:
    async with open_runtime() as runtime:
        results = await RunbookRun(runtime.open_document(folder / f"{name}.runbook.yaml"), runtime).run_all()
        assert {result.outcome for result in results} == {Outcome.PASSED}
