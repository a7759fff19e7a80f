"""What holds for SQL on every server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run_book import run_book
from tests.servers.database_servers import DatabaseServer

SEVERAL = """
create temporary table t (a int);
insert into t values (1), (2);

select * from t order by a;
select count(*) as n from t
"""


@pytest.fixture(params=["sqlite", "postgres", "mysql", "clickhouse"])
def database(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A block type and a URI for it."""
    if request.param == "sqlite":
        return "sqlite", ":memory:"
    server: DatabaseServer = request.getfixturevalue("mariadb" if request.param == "mysql" else request.param)
    return request.param, server.uri


def test_statements_of_a_block_share_one_session(database: tuple[str, str], tmp_path: Path) -> None:
    kind, uri = database

    ran = run_book(tmp_path, {kind: {"uri": uri, "query": SEVERAL}, "assert": "output.results[3].data.rows[0].n == 2"})

    assert ran.result.message is None
    assert [result["type"] for result in ran.output["results"]] == ["Statement", "Statement", "Query", "Query"]  # type: ignore[attr-defined]
    assert ran.output["rows"] == [{"a": 1}, {"a": 2}]
    assert ran.output["columns"] == ["a"]
    assert (ran.output["total_rows"], ran.output["result_count"]) == (3, 4)
