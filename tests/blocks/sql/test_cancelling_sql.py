"""A deadline, a cancellation or a lost client ends the query at the server as well."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.document.settings import Settings
from tests.blocks.sql.conftest import Database
from tests.run_book import open_book, run_book
from tests.servers.database_servers import DatabaseServer

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
RUNNING_ON_POSTGRES = (
    "select count(*) as n from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()"
)
RUNNING_ON_MARIADB = (
    "select count(*) as n from information_schema.processlist where info like '%sleep(%' and id <> connection_id()"
)


def count(folder: Path, kind: str, uri: str, query: str) -> object:
    """The one number that a query gives."""
    return run_book(folder, {kind: {"uri": uri, "query": query}}).output["value"]


def running_on(server: DatabaseServer, folder: Path) -> object:
    """How many of our slow queries a PostgreSQL server is at."""
    return count(folder, "postgres", server.uri, RUNNING_ON_POSTGRES)


def arrived(server: DatabaseServer) -> list[dict[str, str]]:
    """What reached the ClickHouse server, in order."""
    return [json.loads(line) for line in (server.home / "requests").read_text().splitlines()]


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_timeout_ends_the_query_in_postgres(postgres: DatabaseServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": "select pg_sleep(60)"}, "timeout": "300ms"})

    assert ran.result.kind == "timeout"
    assert ran.result.seconds < 5
    assert running_on(postgres, tmp_path) == 0


def test_timeout_ends_the_query_in_mariadb(mariadb: DatabaseServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"mysql": {"uri": mariadb.uri, "query": "select sleep(60)"}, "timeout": "300ms"})

    assert ran.result.kind == "timeout"
    assert ran.result.seconds < 5
    assert count(tmp_path, "mysql", mariadb.uri, RUNNING_ON_MARIADB) == 0


def test_timeout_kills_the_query_in_clickhouse(clickhouse: DatabaseServer, tmp_path: Path) -> None:
    slow = "select sleepEachRow(1) from numbers(3)"

    connected = {"clickhouse": {"uri": clickhouse.uri, "query": "select 1"}}
    ran = run_book(tmp_path, connected, {"clickhouse": {"uri": clickhouse.uri, "query": slow}, "timeout": "1s"})

    assert ran.result.kind == "timeout"
    query_id = next(request["id"] for request in arrived(clickhouse) if request.get("query") == slow)
    assert f"KILL QUERY WHERE query_id = '{query_id}' ASYNC" in [
        request.get("query") for request in arrived(clickhouse)
    ]
    wait_until(lambda: {"gone": query_id} in arrived(clickhouse))


def test_timeout_interrupts_sqlite(tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"sqlite": {"uri": "shop.db", "query": ENDLESS}, "timeout": "300ms"})

    assert ran.result.kind == "timeout"
    assert ran.result.seconds < 3
    assert not is_locked(tmp_path / "shop.db")


def running_in(database: Database, folder: Path) -> bool:
    """True while the database is at our slow query."""
    if database.type == "sqlite":
        return is_locked(folder / "shop.db")
    query = {"postgres": RUNNING_ON_POSTGRES, "mysql": RUNNING_ON_MARIADB}[database.type]
    return count(folder, database.type, database.uri, query) == 1


def is_locked(path: Path) -> bool:
    """True if somebody writes to an SQLite file."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("begin immediate")
        except sqlite3.OperationalError:
            return True
    return False


SLOW = {
    "sqlite": f"create table t as {ENDLESS}",
    "postgres": "select pg_sleep(60)",
    "mysql": "select sleep(60)",
}


@pytest.mark.parametrize("database", SLOW, indirect=True)
def test_cancelled_query_ends_at_the_server(database: Database, tmp_path: Path) -> None:
    async def run() -> str:
        async with open_runtime(Settings(root=tmp_path)) as runtime:
            document = open_book(runtime, tmp_path, database.block(SLOW[database.type]))
            handle = document.start_execution(document.items[0].id)
            await anyio.to_thread.run_sync(wait_until, lambda: running_in(database, tmp_path))
            handle.cancel("enough")
            await handle.wait()
            return str(handle.status)

    status = anyio.run(run)

    assert status == "cancelled: enough"
    assert not running_in(database, tmp_path)


def test_next_block_finds_a_fresh_session_after_a_timeout(postgres: DatabaseServer, tmp_path: Path) -> None:
    slow = {"postgres": {"uri": postgres.uri, "query": "select pg_sleep(60)"}, "timeout": "300ms"}

    ran = run_book(tmp_path, slow, {"postgres": {"uri": postgres.uri, "query": "select 1 as one"}})

    assert ran.output["value"] == 1
