"""A result of a million rows in a block, against the driver alone: in processor time and in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import anyio
import asyncpg
import httpx2

from pytest_runbook.blocks.sql.clickhouse import SETTINGS
from pytest_runbook.blocks.sql.mysql import address_of
from tests.servers.database_servers import DatabaseServer, clickhouse_server, mariadb_server, postgres_server

from .measure import Finding, Sample, python_process, ratio, run_rounds
from .sql_blocks import run_engine

ROUNDS = 3
ROWS = 1_000_000
MAX_RATIO = 1.5
PROCESS = "from benchmarks.million_rows import run; run({way!r}, {kind!r}, {uri!r}, {rows}, {folder!r})"
QUERIES: Mapping[str, str] = {
    "sqlite": "with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows}) "
    "select i, 'row ' || i as t from n",
    "postgres": "select i, 'row ' || i as t, 1.50 as price, now() as at from generate_series(1, {rows}) as i",
    "mysql": "select seq as i, concat('row ', seq) as t, 1.50 as price, now() as at from seq_1_to_{rows}",
    "clickhouse": "select number as i, concat('row ', toString(number)) as t, now() as at from numbers({rows})",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A database server, and a function that fetches all rows of a query with the driver alone."""

    server: Callable[[], AbstractContextManager[DatabaseServer | None]]
    fetch: Callable[[str, str], Awaitable[int]]


async def fetch_sqlite(uri: str, query: str) -> int:
    with closing(sqlite3.connect(uri)) as connection:
        return len(connection.execute(query).fetchall())


async def fetch_postgres(uri: str, query: str) -> int:
    connection = await asyncpg.connect(uri)
    rows = await connection.fetch(query)
    await connection.close()
    return len(rows)


async def fetch_mysql(uri: str, query: str) -> int:
    connection = await address_of(uri).connect()
    async with connection.cursor() as cursor:
        await cursor.execute(query)
        rows = await cursor.fetchall()
    await connection.disconnect(notify_server=True)
    return len(rows)


async def fetch_clickhouse(uri: str, query: str) -> int:
    async with httpx2.AsyncClient(timeout=None) as client:  # it takes as long as it takes
        response = await client.post(uri, content=query, params=SETTINGS)
        _, _, *rows = [json.loads(line) for line in response.text.splitlines()]
    return len(rows)


CONTENDERS: Mapping[str, Contender] = {
    "sqlite": Contender(nullcontext, fetch_sqlite),
    "postgres": Contender(postgres_server, fetch_postgres),
    "mysql": Contender(mariadb_server, fetch_mysql),
    "clickhouse": Contender(clickhouse_server, fetch_clickhouse),
}


def findings(folder: Path) -> Iterator[Finding]:
    for kind, contender in CONTENDERS.items():
        with contender.server() as server:
            yield from compare_with_driver(folder, kind, ":memory:" if server is None else server.uri)


def compare_with_driver(folder: Path, kind: str, uri: str) -> Iterator[Finding]:
    """Compare processes of their own, each also with a single row, so that their start can be subtracted."""

    def process(way: str, rows: int) -> Callable[[], Sample]:
        return python_process(PROCESS.format(way=way, kind=kind, uri=uri, rows=rows, folder=str(folder)))

    series_by_name = run_rounds(
        ROUNDS,
        {
            f"a million rows in a {kind} block": process("block", ROWS),
            "one row in a block": process("block", 1),
            "a million rows by the driver": process("driver", ROWS),
            "one row by the driver": process("driver", 1),
        },
    )
    block, block_of_one, driver, driver_of_one = series_by_name.values()
    ours = block.processor_median - block_of_one.processor_median
    drivers = driver.processor_median - driver_of_one.processor_median
    yield ratio(
        f"a million rows in a {kind} block / its driver's own time: at most {MAX_RATIO}", ours, drivers, MAX_RATIO
    )
    claim = f"a million rows in a {kind} block / its driver's own memory: at most {MAX_RATIO}"
    yield ratio(claim, block.peak_megabytes, driver.peak_megabytes, MAX_RATIO)


def run(way: str, kind: str, uri: str, rows: int, folder: str) -> None:
    """Fetch the rows; the work of each process that `PROCESS` starts. way: block or driver."""
    query = QUERIES[kind].format(rows=rows)
    if way == "driver":
        assert anyio.run(CONTENDERS[kind].fetch, uri, query) == rows
        return
    block = {kind: {"uri": uri, "query": query}, "assert": f"output.total_rows == {rows}"}
    (Path(folder) / "rows.runbook.yaml").write_text(json.dumps({"blocks": [block]}))
    anyio.run(run_engine, Path(folder), "rows")
