"""Which file an SQLite block opens."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from time import monotonic, sleep

import anyio
import pytest

from pytest_runbook.blocks.sql.sqlite import SqliteSession
from pytest_runbook.blocks.sql.statements import split_statements
from pytest_runbook.errors import Unreachable
from pytest_runbook.resources.database.threads import MAX_THREADS, Threads
from tests.run_book import run_book

PLACES = ["shop.db", "sqlite://shop.db", "sqlite:shop.db", "./shop.db", "sqlite://shop.db?mode=rwc"]


@pytest.mark.parametrize("uri", PLACES)
def test_file_is_relative_to_the_directory(uri: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()

    run_book(tmp_path, {"directory": "data"}, {"sqlite": {"uri": uri, "query": "create table t (a int)"}})

    with closing(sqlite3.connect(tmp_path / "data" / "shop.db")) as database:
        assert database.execute("select * from t").fetchall() == []


def test_file_is_opened_for_reading_alone_in_a_read_only_run_whatever_its_uri_shows(tmp_path: Path) -> None:
    block = {"sqlite": {"uri": "shop.db?mode=rwc", "query": "select 1"}}

    ran = run_book(tmp_path, block, effects="read")

    assert ran.result.kind == "unreachable"
    assert ran.result.hint == "there is no such file, and a read-only connection creates none"
    assert not (tmp_path / "shop.db").exists()


def test_file_that_is_missing_in_one_directory_is_looked_for_in_another(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    sqlite3.connect(tmp_path / "data" / "shop.db").close()
    block = {"sqlite": {"uri": "shop.db?mode=ro", "query": "select 1"}}

    ran = run_book(tmp_path, block, block, {"directory": "data"}, block)

    assert [str(result.outcome) for result in ran.results] == ["failed", "skipped", "passed"]


@pytest.mark.parametrize("form", ["{}", "sqlite://{}", "file:{}"])
def test_file_may_be_absolute_and_hold_any_character(form: str, tmp_path: Path) -> None:
    path = tmp_path / "a b%20é#.db"

    ran = run_book(tmp_path, {"sqlite": {"uri": form.format(path), "query": "create table t (a int)"}})

    assert ran.result.message is None
    assert path.exists()


@pytest.mark.parametrize("uri", [":memory:", "sqlite::memory:", "sqlite://:memory:", "sqlite://"])
def test_memory_is_new_for_each_block(uri: str, tmp_path: Path) -> None:
    block = {"sqlite": {"uri": uri, "query": "create table t (a int); select 1 as one"}}

    ran = run_book(tmp_path, block, block)

    assert [result.message for result in ran.results] == [None, None]
    assert list(tmp_path.iterdir()) == [tmp_path / "book.runbook.json"]


def test_foreign_keys_are_heeded(tmp_path: Path) -> None:
    query = "create table a (id integer primary key); create table b (a references a); insert into b values (7)"

    ran = run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query}})

    assert ran.result.message == "statement 3 of 3: FOREIGN KEY constraint failed"


def test_statement_reports_rows_and_the_last_id(tmp_path: Path) -> None:
    query = "create table t (id integer primary key, a int); insert into t (a) values (5), (6)"

    ran = run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query}})

    data = ran.output["results"][1]["data"]  # type: ignore[index]  # a list of mappings
    assert (data["rowsAffected"], data["lastInsertRowid"]) == (2, 2)


def test_file_that_is_no_database_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("no database " * 100)

    ran = run_book(tmp_path, {"sqlite": {"uri": "shop.db", "query": "select 1"}})

    assert ran.result.kind == "unreachable"
    assert (ran.result.message or "").endswith("can't be opened: file is not a database")


def test_file_that_someone_keeps_locked_is_unreachable_once_connecting_takes_too_long(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    holder.execute("begin exclusive")
    block = {"sqlite": {"uri": "shop.db", "query": "select 1", "connect_timeout": "200ms"}}

    started = monotonic()
    ran = run_book(tmp_path, block, block)
    seconds = monotonic() - started
    holder.close()

    assert [str(result.outcome) for result in ran.results] == ["failed", "skipped"]
    assert ran.results[0].kind == "unreachable"
    assert ran.results[0].message == f"{tmp_path / 'shop.db'} can't be opened: database is locked"
    assert ran.results[0].hint == "another connection writes to it"
    assert seconds < 4, "it waits as long as SQLite itself would"


def test_statement_waits_for_a_lock_as_long_as_if_connecting_had_no_limit(tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "shop.db", isolation_level=None, check_same_thread=False)
    holder.execute("create table t (a int)")
    holder.execute("begin immediate")
    block = {"sqlite": {"uri": "shop.db", "query": "insert into t values (1)", "connect_timeout": "100ms"}}

    with ThreadPoolExecutor() as threads:
        running = threads.submit(run_book, tmp_path, block)
        sleep(0.3)  # three times what connecting may take
        holder.execute("commit")
        assert running.result().result.message is None
    holder.close()


def test_statement_may_take_longer_than_connecting(tmp_path: Path) -> None:
    count = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000) select count(*) from n"

    ran = run_book(tmp_path, {"sqlite": {"uri": "shop.db", "query": count, "connect_timeout": "20ms"}})

    assert (ran.result.message, ran.result.outcome) == (None, "passed")
    assert ran.result.seconds > 0.1


def test_nothing_is_opened_for_a_query_without_a_statement(tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"sqlite": {"uri": "shop.db", "query": "-- nothing"}})

    assert ran.result.message == "Query is empty"
    assert not (tmp_path / "shop.db").exists()


def test_statement_of_a_file_that_is_opened_too_late_is_not_run(tmp_path: Path) -> None:
    threads, go = Threads(), Event()
    (statement,) = split_statements("create table late (a int)", "sqlite")

    async def main() -> None:
        held = [threads.start(lambda: go.wait(10)) for _ in range(MAX_THREADS)]
        session = SqliteSession(f"file:{tmp_path / 'shop.db'}", threads, 0.05)
        with pytest.raises(Unreachable, match="within 50 ms"):
            await session.run(statement, {})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.close)
            await anyio.wait_all_tasks_blocked()
            go.set()
        for call in held:
            await call.result()

    anyio.run(main)
    threads.close()
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        assert database.execute("select name from sqlite_schema").fetchall() == []
