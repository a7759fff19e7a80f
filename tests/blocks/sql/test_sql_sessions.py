"""Sessions are kept over blocks, come clean, and are replaced when their server went away."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.document.settings import Settings
from tests.blocks.sql.conftest import Database
from tests.run_book import Block, open_book, run_book
from tests.servers.database_servers import DatabaseServer

POSTGRES_ID = "select pg_backend_pid() as id"
MARIADB_ID = "select connection_id() as id"


def test_200_blocks_of_postgres_share_one_connection(postgres: DatabaseServer, tmp_path: Path) -> None:
    blocks: list[Block] = [{"postgres": {"uri": postgres.uri, "query": POSTGRES_ID}}] * 200

    ran = run_book(tmp_path, *blocks)

    assert len({output["value"] for output in ran.outputs if output is not None}) == 1


def test_blocks_of_mysql_share_one_connection(mariadb: DatabaseServer, tmp_path: Path) -> None:
    blocks: list[Block] = [{"mysql": {"uri": mariadb.uri, "query": MARIADB_ID}}] * 5

    ran = run_book(tmp_path, *blocks)

    assert len({output["value"] for output in ran.outputs if output is not None}) == 1


def test_sessions_are_closed_at_the_end_of_the_run(postgres: DatabaseServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": POSTGRES_ID}})

    alive = f"select count(*) as n from pg_stat_activity where pid = {ran.output['value']}"
    assert run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": alive}}).output["value"] == 0


def test_read_only_blocks_have_sessions_of_their_own(postgres: DatabaseServer, tmp_path: Path) -> None:
    query = "show default_transaction_read_only"

    ran = run_book(
        tmp_path,
        {"postgres": {"uri": postgres.uri, "query": query}, "effects": "read"},
        {"postgres": {"uri": postgres.uri, "query": query}},
    )

    assert [output and output["value"] for output in ran.outputs] == ["on", "off"]


LEFT_BEHIND: dict[str, list[tuple[str, str, object]]] = {
    "postgres": [
        ("begin; create table left_open (a int)", "select count(*) as n from pg_class where relname = 'left_open'", 0),
        ("set work_mem = '77MB'", "select current_setting('work_mem') <> '77MB' as n", True),
        ("select pg_advisory_lock(7)", "select count(*) as n from pg_locks where locktype = 'advisory'", 0),
        ("prepare q as select 1", "select count(*) as n from pg_prepared_statements where name = 'q'", 0),
        ("listen news", "select count(*) as n from pg_listening_channels()", 0),
        ("begin; select 1 / 0", "select 1 as n", 1),
        ("set session authorization pg_monitor", "select session_user = 'postgres' as n", True),
        ("declare c cursor with hold for select 1", "select count(*) as n from pg_cursors where name = 'c'", 0),
    ],
    "mysql": [
        ("set @mine = 5", "select @mine is null as n", 1),
        ("set sql_mode = ''", "select @@sql_mode like '%PIPES_AS_CONCAT%' as n", 1),
        ("set time_zone = '+05:00'", "select @@time_zone = '+00:00' as n", 1),
        ("set autocommit = 0", "select @@autocommit as n", 1),
        ("use information_schema", "select database() = 'shop' as n", 1),
        ("/*! use information_schema */", "select database() = 'shop' as n", 1),
        ("set session max_statement_time = 1", "select @@max_statement_time as n", 0.0),
        ("start transaction", "select @@in_transaction as n", 0),
        ("select get_lock('mine', 0)", "select is_free_lock('mine') as n", 1),
    ],
    "clickhouse": [
        ("set max_threads = 1", "select getSetting('max_threads') <> 1 as n", 1),
        ("use system", "select currentDatabase() = 'default' as n", 1),
    ],
}
ROWS = [(kind, *row) for kind, rows in LEFT_BEHIND.items() for row in rows]


@pytest.mark.parametrize(("kind", "leave", "look", "found"), ROWS)
def test_session_is_passed_out_clean(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, leave: str, look: str, found: object
) -> None:
    uri = request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind)).uri

    ran = run_book(tmp_path, {kind: {"uri": uri, "query": leave}}, {kind: {"uri": uri, "query": look}})

    assert ran.output["value"] == found


def test_session_without_a_database_comes_without_one(mariadb: DatabaseServer, tmp_path: Path) -> None:
    uri = mariadb.uri.replace("/shop", "/")
    where = {"mysql": {"uri": uri, "query": "select database() as name"}}

    ran = run_book(tmp_path, where, {"mysql": {"uri": uri, "query": "use shop"}}, where)

    assert [ran.outputs[at]["value"] for at in (0, 2)] == [None, None]  # type: ignore[index]  # they are there


@pytest.mark.parametrize("database", ["postgres", "mysql"], indirect=True)
def test_session_that_the_server_ended_is_replaced(database: Database, tmp_path: Path) -> None:
    own = POSTGRES_ID if database.type == "postgres" else MARIADB_ID
    kill = {"postgres": "select pg_terminate_backend({})", "mysql": "kill {}"}[database.type]
    alive = {
        "postgres": "select count(*) as n from pg_stat_activity where pid = {}",
        "mysql": "select count(*) as n from information_schema.processlist where id = {}",
    }[database.type]
    until_gone = {"assert": "output.value == 0", "retry": {"every": "50ms", "within": "10s"}}

    async def run() -> list[str | None]:
        async with open_runtime(Settings(root=tmp_path)) as runtime:
            document = open_book(runtime, tmp_path, database.block(own), database.block("select 1 as one"))
            flow = RunbookRun(document, runtime)
            first, second = document.items
            await flow.step(first.id)
            output = document.output(first.id)
            assert output is not None
            killing = database.block(kill.format(output["value"]))
            gone = database.block(alive.format(output["value"]), **until_gone)
            await anyio.to_thread.run_sync(run_book, tmp_path, killing, gone)
            await flow.step(second.id)
            return [result.message for result in flow.results.values()]

    assert anyio.run(run) == [None, None]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        yield port


@pytest.mark.parametrize(("kind", "scheme"), [("postgres", "postgres"), ("mysql", "mysql"), ("clickhouse", "http")])
def test_server_that_is_down_is_one_error_and_skips_with_a_pointer(kind: str, scheme: str, tmp_path: Path) -> None:
    with closed_port() as port:
        uri = f"{scheme}://u:hidden-w0rd@127.0.0.1:{port}/d"
        block = {kind: {"uri": uri, "query": "select 1"}}

        ran = run_book(
            tmp_path,
            {**block, "name": "First"},
            {"name": "Second", kind: {"connection": "shop", "query": "select 2"}},
            {"sqlite": {"uri": ":memory:", "query": "select 1"}},
            connections={"shop": {kind: uri}},
        )

    first, second, other = ran.results
    assert (str(first.outcome), first.kind) == ("failed", "unreachable")
    server = f"127.0.0.1:{port}" if kind == "clickhouse" else f"{scheme}://u@127.0.0.1:{port}/d"
    assert first.message == f"no connection to {server}: refused"
    assert (str(second.outcome), second.kind) == ("skipped", "unreachable")
    assert 'block 1 "First"' in (second.message or "")
    assert second.seconds < 0.5
    assert str(other.outcome) == "passed"
    assert "hidden-w0rd" not in json.dumps([result.to_json() for result in ran.results], default=str)


def test_clickhouse_session_is_ours_whatever_the_uri_shows(clickhouse: DatabaseServer, tmp_path: Path) -> None:
    query = "create temporary table t (a UInt8); insert into t values (7); select a from t"
    uri = f"{clickhouse.uri}?session_id=theirs&query_id=theirs"

    ran = run_book(tmp_path, *[{"clickhouse": {"uri": uri, "query": query}, "assert": "output.value == 7"}] * 2)

    assert [result.message for result in ran.results] == [None, None]
