"""Ctrl-C in the middle of a slow query: pytest ends at once, with its reports, and so does the query at its server."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.plugin.project import Project
from tests.run_book import run_book
from tests.servers.database_servers import DatabaseServer
from tests.servers.http_servers import HttpServer, RawServer, read_head

# The tests ask the servers themselves as well: drivers are imported once, not torn out with a test's project.
for driver in ("postgres", "mysql", "sqlite"):
    import_module(f"pytest_runbook.blocks.sql.{driver}")

LONGEST = 10.0
"""Seconds until pytest has ended. It takes one or two, and three more where a server lets KILL wait for its turn."""
ON_POSTGRES = (
    "select count(*) as n from pg_stat_activity where query like '%pg_sleep(611)%' and pid <> pg_backend_pid()"
)
ON_MARIADB = (
    "select count(*) as n from information_schema.processlist where info like '%sleep(611)%' and id <> connection_id()"
)
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) insert into t select i from n"


@pytest.fixture
def project(pytester: pytest.Pytester) -> Iterator[Project]:
    project = Project(pytester)
    yield project
    project.close()


def until(holds: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    end = time.monotonic() + 20
    while not holds():
        if process is not None and process.poll() is not None:
            pytest.fail(process.communicate()[0])
        assert time.monotonic() < end
        time.sleep(0.1)


def interrupted(project: Project, block: dict[str, object], is_running: Callable[[], bool]) -> None:
    """Run the block by pytest, interrupt that once the block's query runs, and look at how it ends."""
    book = {
        "blocks": [{"name": "Wait", **block}, {"name": "After", "script": "touch after"}],
        "finally": [{"name": "Sweep", "script": "echo swept > swept"}],
    }
    project.write("a.runbook.json", json.dumps(book))

    process = project.start("a.runbook.json", "-v", "--junit-xml=report.xml")
    until(is_running, process)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    result = project.finish(process)

    assert time.monotonic() - started < LONGEST
    result.stdout.fnmatch_lines(
        ["a.runbook.json::Wait FAILED *", "a.runbook.json::Sweep PASSED *", "  error    cancelled by Ctrl-C"]
    )
    assert "INTERNALERROR" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str()
    assert set(project.junit()) == {"Wait", "Sweep"}
    assert project.wait_for("swept") == "swept"
    assert not (project.path / "after").exists()


def count(folder: Path, kind: str, uri: str, query: str) -> object:
    return run_book(folder, {kind: {"uri": uri, "query": query}}).output["value"]


def test_postgres_shows_nothing_of_ours(project: Project, postgres: DatabaseServer, tmp_path: Path) -> None:
    def running() -> object:
        return count(tmp_path, "postgres", postgres.uri, ON_POSTGRES)

    block: dict[str, object] = {"postgres": {"uri": postgres.uri, "query": "select pg_sleep(611)"}}
    interrupted(project, block, lambda: running() == 1)

    assert running() == 0


def test_mariadb_shows_nothing_of_ours(project: Project, mariadb: DatabaseServer, tmp_path: Path) -> None:
    def running() -> object:
        return count(tmp_path, "mysql", mariadb.uri, ON_MARIADB)

    block: dict[str, object] = {"mysql": {"uri": mariadb.uri, "query": "select sleep(611)"}}
    interrupted(project, block, lambda: running() == 1)

    assert running() == 0


def test_clickhouse_is_reported_to_kill_the_query_and_its_connection_is_closed(
    project: Project, clickhouse: DatabaseServer
) -> None:
    slow = "select sleepEachRow(1), 611 from numbers(3)"

    def arrived() -> list[dict[str, str]]:
        log = clickhouse.home / "requests"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def query_id() -> str | None:
        return next((request["id"] for request in arrived() if request.get("query") == slow), None)

    block: dict[str, object] = {"clickhouse": {"uri": clickhouse.uri, "query": slow}}
    interrupted(project, block, lambda: query_id() is not None)

    kill = f"KILL QUERY WHERE query_id = '{query_id()}' ASYNC"
    assert kill in [request.get("query") for request in arrived()]
    until(lambda: {"gone": query_id()} in arrived())


def test_sqlite_is_interrupted_and_its_file_is_free(project: Project) -> None:
    path = project.path / "shop.db"
    with sqlite3.connect(path) as database:
        database.execute("create table t (i integer)")
    database.close()

    def is_locked() -> bool:
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            other.execute("begin immediate")
        except sqlite3.OperationalError:
            return True
        finally:
            other.close()
        return False

    interrupted(project, {"sqlite": {"uri": "shop.db", "query": ENDLESS}}, is_locked)

    assert not is_locked()
    left = sqlite3.connect(path)
    assert left.execute("select count(*) from t").fetchall() == [(0,)]
    left.close()


@pytest.mark.parametrize("path", ["never", "drip"])
def test_connection_of_a_request_is_closed(project: Project, web: HttpServer, path: str) -> None:
    block: dict[str, object] = {"http": {"url": f"{web.url}/{path}", "read_timeout": "600s"}}
    interrupted(project, block, lambda: web.app.asked.acquire(timeout=1))

    assert web.app.gone.acquire(timeout=10)


def test_connection_of_a_prometheus_query_is_closed(project: Project) -> None:
    asked: list[bytes] = []
    gone: list[bytes] = []

    def never_answer(connection: object) -> None:
        asked.append(read_head(connection))  # type: ignore[arg-type]  # a socket
        gone.append(connection.recv(1))  # type: ignore[attr-defined]

    with RawServer(never_answer) as server:
        block: dict[str, object] = {"prometheus": {"endpoint": server.url, "query": "up", "read_timeout": "600s"}}
        interrupted(project, block, lambda: bool(asked))

        until(lambda: gone == [b""])
