"""What holds for SQL on every server."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.document.settings import Settings
from pytest_runbook.execution.result import BlockResult
from pytest_runbook.messages.client_messages import BlockOutput
from pytest_runbook.model.runbook import Effects
from pytest_runbook.testing import RecordingChannel
from tests.blocks.sql.conftest import Database
from tests.harness import written
from tests.run_book import NAME, run_book, text_of
from tests.servers.database_servers import DatabaseServer

SEVERAL = """
create temporary table t (a int);
insert into t values (1), (2);

select * from t order by a;
select count(*) as n from t
"""


def test_statements_of_a_block_share_one_session(database: Database, tmp_path: Path) -> None:
    ran = run_book(tmp_path, database.block(SEVERAL, **{"assert": "output.results[3].data.rows[0].n == 2"}))

    assert ran.result.message is None
    assert [result["type"] for result in ran.output["results"]] == ["Statement", "Statement", "Query", "Query"]  # type: ignore[attr-defined]  # a list
    assert ran.output["rows"] == [{"a": 1}, {"a": 2}]
    assert ran.output["columns"] == ["a"]
    assert (ran.output["total_rows"], ran.output["result_count"]) == (3, 4)


def test_output_has_the_keys_of_the_format(database: Database, tmp_path: Path) -> None:
    query = run_book(tmp_path, database.block("select 1 as one")).output
    statement = run_book(tmp_path, database.block("create temporary table t (a int)")).output

    both = ["results", "first", "total_rows", "total_rows_affected", "total_duration", "result_count"]
    assert list(query) == [*both, "rows", "columns"]
    assert list(statement) == [*both, "rows_affected"]
    assert list(query["first"]["data"]) == ["columns", "rows", "rowsRead", "bytesRead", "duration", "time"]  # type: ignore[index]
    assert list(statement["first"]["data"]) == ["rowsAffected", "lastInsertRowid", "duration", "time"]  # type: ignore[index]


def test_columns_of_an_empty_result_are_known(database: Database, tmp_path: Path) -> None:
    ran = run_book(tmp_path, database.block("select 1 as a, 2 as b from (select 1 as c) as t where c = 2"))

    assert ran.output["columns"] == ["a", "b"]
    assert ran.output["rows"] == []


NAMES: dict[str, tuple[str, dict[str, object]]] = {
    "sqlite": (
        'select 1 as id, 2 as id, 3 as id_2, 4 as "", 5 as ""',
        {"id": 1, "id_3": 2, "id_2": 3, "column_4": 4, "column_5": 5},
    ),
    "postgres": ("select 1 as id, 2 as id, 3, 4", {"id": 1, "id_2": 2, "?column?": 3, "?column?_2": 4}),
    "mysql": ("select 1 as id, 2 as ID, 3 as id, 4 as ''", {"id": 1, "ID": 2, "id_2": 3, "column_4": 4}),
    "clickhouse": ("select number as id, number as id, 'x' from numbers(1)", {"id": 0, "id_2": 0, "'x'": "x"}),
}


def test_columns_of_one_name_and_of_none_are_distinguished(database: Database, tmp_path: Path) -> None:
    query, row = NAMES[database.type]

    ran = run_book(tmp_path, database.block(query))

    assert ran.output["rows"] == [row]
    assert ran.output["columns"] == list(row)


@pytest.mark.parametrize("is_listened_to", [True, False])
def test_value_that_can_not_be_read_fails_who_reads_it(
    postgres: DatabaseServer, is_listened_to: bool, tmp_path: Path
) -> None:
    too_many_digits = "select ('[' || repeat('9', 5000) || ']')::jsonb as digits"
    block = {"postgres": {"uri": postgres.uri, "query": too_many_digits}, "assert": "output.total_rows == 1"}

    written(tmp_path, text_of(block), NAME)

    async def run() -> BlockResult:
        async with open_runtime(Settings(root=tmp_path)) as runtime:
            channel = RecordingChannel() if is_listened_to else None
            document = runtime.open_document(tmp_path / NAME, channel=channel)
            (result,) = await RunbookRun(document, runtime).run_all()
            return result

    result = anyio.run(run)

    assert (result.kind, str(result.outcome)) == (("block", "failed") if is_listened_to else (None, "passed"))
    assert (result.message or "").startswith("a value of column digits can't be read: ") is is_listened_to


def test_value_is_the_one_cell(database: Database, tmp_path: Path) -> None:
    ran = run_book(
        tmp_path, database.block("select 6 * 7 as answer", capture="answer"), {"script": "echo {{ var.answer }}"}
    )

    assert ran.output["stdout"] == "42\n"


VALUE_FAULTS = {
    "select 1 as a, 2 as b": "output.value: the query gave 1 row of 2 columns, not one cell",
    "select 1 as a union all select 2": "output.value: the query gave 2 rows of 1 column, not one cell",
    "select 1 as a; select 2 as a": "output.value: 2 statements gave rows, not one; use output.results",
    "create table v (a int)": "output.value: no statements gave rows, not one; use output.results",
}


@pytest.mark.parametrize("query", VALUE_FAULTS)
def test_value_of_anything_else_is_an_error(query: str, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query}, "assert": "output.value == 1"})

    assert ran.result.assertions[0].message == VALUE_FAULTS[query]


def test_failing_statement_is_reported_by_number_and_line(database: Database, tmp_path: Path) -> None:
    book = tmp_path / "shop.runbook.yaml"
    book.write_text(
        f"blocks:\n  - {database.type}:\n      uri: {database.uri}\n      query: |\n"
        "        select 1 as one;\n\n        -- the second\n        select * from nothing_here;\n"
        "        select 2 as two\n"
    )

    async def run() -> tuple[str | None, str | None]:
        async with open_runtime(Settings(root=tmp_path)) as runtime:
            (result,) = await RunbookRun(runtime.open_document(book), runtime).run_all()
            return result.message, result.error_location

    message, place = anyio.run(run)

    assert message is not None
    assert message.startswith("statement 2 of 3: ")
    assert "nothing_here" in message
    assert place is not None
    assert place.endswith("shop.runbook.yaml:8")


@pytest.mark.parametrize("database", ["postgres", "mysql", "clickhouse"], indirect=True)
def test_fault_within_a_statement_is_reported_with_its_line(database: Database, tmp_path: Path) -> None:
    query = "select 1 as one;\n-- the second\nselect 1 as a,\n\n  2 as b frm nowhere"
    (tmp_path / "report.sql").write_text(query)

    ran = run_book(tmp_path, {database.type: {"uri": database.uri, "query_file": "report.sql"}})

    assert (ran.result.message or "").startswith("statement 2 of 2: ")
    assert (ran.result.error_location or "").endswith("report.sql:5"), ran.result.message


def test_messages_are_those_of_the_format(database: Database, tmp_path: Path) -> None:
    book = tmp_path / "book.runbook.json"
    run_book(tmp_path, database.block("select 1 as one"))

    async def run() -> list[object]:
        async with open_runtime(Settings(root=tmp_path)) as runtime:
            channel = RecordingChannel()
            await RunbookRun(runtime.open_document(book, channel=channel), runtime).run_all()
            outputs = [message for message in channel.messages if isinstance(message, BlockOutput)]
            return [output.stdout or output.data for output in outputs if output.lifecycle is None]

    said = anyio.run(run)

    assert (
        "".join(text for text in said if isinstance(text, str))
        == "Connecting...Connected successfullyExecuting query..."
    )
    count, result = (data for data in said if isinstance(data, dict))
    assert count == {"type": "queryCount", "count": 1}
    assert result["type"] == "Query"
    assert (result["data"]["columns"], result["data"]["rows"]) == (["one"], [{"one": 1}])


@pytest.mark.parametrize("query", ["", " \n", "-- nothing", ";;", "/* a; b */ ;"])
def test_query_without_a_statement_is_an_error(query: str, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query or "{{ '' }}"}})

    assert ran.result.message in ("Query is empty", "`query` is empty")


BODIES = {
    "sqlite": """
        create table counted (a int);
        create trigger more after insert on counted when new.a > 1 begin
          update counted set a = case when a > 5 then 5 else a end;
          insert into counted values (1);
        end;
        insert into counted values (9); select sum(a) as n from counted""",
    "postgres": """
        create or replace function more(a int) returns int language plpgsql as $body$
        begin if a > 5 then a := 5; end if; return a + 1; end; $body$;
        do 'begin perform 1; perform 2; end';
        select more(9) as n""",
    "mysql": """
        create or replace procedure more(a int) begin
          declare n int default 0;
          if a > 5 then set a = 5; end if;
          while n <= a do set n = n + 1; end while;
          case n when 6 then select n; else select 0 as n; end case;
        end;
        call more(9)""",
}


@pytest.mark.parametrize("database", BODIES, indirect=True)
def test_semicolons_of_bodies_end_no_statement(database: Database, tmp_path: Path) -> None:
    ran = run_book(tmp_path, database.block(BODIES[database.type]))

    assert ran.result.message is None
    assert ran.output["value"] == 6


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql"], indirect=True)
def test_transaction_goes_over_statements(database: Database, tmp_path: Path) -> None:
    query = (
        "drop table if exists tx; create table tx (a int); begin; insert into tx values (1); rollback;"
        "select count(*) as n from tx"
    )

    ran = run_book(tmp_path, database.block(query))

    assert ran.output["rows"] == [{"n": 0}]


def test_nothing_of_a_session_reaches_the_next_block(database: Database, tmp_path: Path) -> None:
    ran = run_book(
        tmp_path,
        database.block("create temporary table mine (a int)"),
        database.block("select * from mine"),
    )

    assert ran.results[0].message is None
    assert ran.result.kind == "block"
    assert "mine" in (ran.result.message or "")


def test_connection_is_called_by_name(database: Database, tmp_path: Path) -> None:
    connections = {"pay": {database.type: "{{ var.where }}"}}

    ran = run_book(
        tmp_path,
        {database.type: {"connection": "pay", "query": "select 1 as one"}},
        connections=connections,
        vars={"where": database.uri},
    )

    assert ran.output["value"] == 1


def test_sql_comes_from_a_file(database: Database, tmp_path: Path) -> None:
    (tmp_path / "report.sql").write_text("-- a report\nselect '{{ 1 }}' as one;\n")

    ran = run_book(tmp_path, {database.type: {"uri": database.uri, "query_file": "report.sql"}})

    assert ran.output["value"] == "{{ 1 }}"


def test_fault_in_a_file_is_reported_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "report.sql").write_text("select 1 as one;\n\nselect * from nothing_here\n")

    ran = run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query_file": "report.sql"}})

    assert (ran.result.error_location or "").endswith("report.sql:3")


READ_ONLY_ROWS = {
    "insert into t values (1)": "INSERT may change something",
    "create table u (a int)": "CREATE may change something",
    "drop table t": "DROP TABLE deletes its content",
}


@pytest.mark.parametrize(("query", "why"), READ_ONLY_ROWS.items())
def test_what_may_write_is_skipped_in_a_read_only_run(database: Database, query: str, why: str, tmp_path: Path) -> None:
    ran = run_book(tmp_path, database.block(query), settings=Settings(root=tmp_path, effects=Effects.READ))

    assert (ran.result.outcome, ran.result.kind) == ("skipped", "refused")
    assert ran.result.message == f"--runbook-effects read: statement 1: {why}"


def test_reading_is_allowed_in_a_read_only_run(database: Database, tmp_path: Path) -> None:
    run_book(tmp_path, database.block("select 1 as one"))  # an SQLite file has to be there

    ran = run_book(tmp_path, database.block("select 1 as one"), effects="read")

    assert ran.result.message is None
    assert ran.output["value"] == 1


SAYS_READ_ONLY = {
    "postgres": ("show transaction_read_only", "", "on"),
    "mysql": ("select @@tx_read_only as value", "", 1),
    "clickhouse": ("select getSetting('readonly') as value", "?readonly=0", 2),
}


@pytest.mark.parametrize("database", SAYS_READ_ONLY, indirect=True)
def test_session_of_a_read_only_run_is_read_only_whatever_its_uri_shows(database: Database, tmp_path: Path) -> None:
    query, parameters, value = SAYS_READ_ONLY[database.type]
    block = {database.type: {"uri": f"{database.uri}{parameters}", "query": query}}

    ran = run_book(tmp_path, block, block, settings=Settings(root=tmp_path, effects=Effects.READ))

    assert [output and output["value"] for output in ran.outputs] == [value, value]


HIDDEN_WRITES = {
    "postgres": (
        "create or replace function hidden() returns int language sql as 'create table w(a int); select 1'",
        "select hidden()",
    ),
    "mysql": (
        "create or replace function shop.hidden() returns int begin insert into w values (1); return 1; end",
        "select hidden()",
    ),
}


@pytest.mark.parametrize("kind", HIDDEN_WRITES)
def test_server_refuses_what_parsing_misses(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    uri = request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind)).uri
    create, call = HIDDEN_WRITES[kind]
    run_book(
        tmp_path,
        {kind: {"uri": uri, "query": "create table if not exists w (a int)" if kind == "mysql" else "select 1"}},
    )

    ran = run_book(
        tmp_path,
        {kind: {"uri": uri, "query": create}, "name": "Create"},
        {kind: {"uri": uri, "query": call}, "effects": "read"},
    )

    assert ran.results[0].message is None
    assert ran.result.kind == "block"
    assert "read" in (ran.result.message or "").lower()
    assert "read-only" in (ran.result.hint or "")


def test_script_is_refused_unless_its_author_shows_that_it_reads(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, effects=Effects.READ)

    ran = run_book(tmp_path, {"script": "echo 1"}, {"script": "echo 2", "effects": "read"}, settings=settings)

    assert [str(result.outcome) for result in ran.results] == ["skipped", "passed"]
    assert ran.results[0].message == (
        "--runbook-effects read: what a script block changes can't be known; if it only reads, set effects: read"
    )
