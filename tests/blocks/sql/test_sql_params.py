"""Parameters: values that the driver binds, never a part of the SQL."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.blocks.sql.conftest import Database
from tests.blocks.sql.values import same
from tests.run_book import run_book
from tests.servers.database_servers import DatabaseServer

PLACEHOLDERS = {"sqlite": ":{}", "postgres": ":{}", "mysql": ":{}", "clickhouse": "{{{}:String}}"}


def test_params_are_values_and_never_sql(database: Database, tmp_path: Path) -> None:
    placeholder = PLACEHOLDERS[database.type]
    query = f"select concat({placeholder.format('a')}, '%s :b ?') as one, {placeholder.format('b')} as two"
    evil = "'; drop table x; -- \\ %s \" é😀"
    block = {
        database.type: {"uri": database.uri, "query": query, "params": {"a": evil, "b": "{{ var.b }}"}},
        "template": True,
    }
    if database.type == "postgres":
        block["postgres"]["query"] = "select concat(:a::text, '%s :b ?') as one, :b::text as two"  # type: ignore[index]
    if database.type == "sqlite":
        block["sqlite"]["query"] = "select :a || '%s :b ?' as one, :b as two"  # type: ignore[index]
    elif database.type == "clickhouse":
        block["template"] = False
        block["clickhouse"]["params"]["b"] = "it's"  # type: ignore[index]

    ran = run_book(tmp_path, {"vars": {"b": "it's"}}, block)

    assert ran.result.message is None
    assert ran.output["rows"] == [{"one": f"{evil}%s :b ?", "two": "it's"}]


LISTS = {
    "sqlite": ("select ? as a, ? as b", {"a": 1, "b": "x"}),
    "postgres": ("select $1::int as a, $2::text as b", {"a": 1, "b": "x"}),
    "mysql": ("select ? as a, ? as b", {"a": 1, "b": "x"}),
}


@pytest.mark.parametrize("kind", LISTS)
def test_params_may_be_a_list(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    uri = ":memory:" if kind == "sqlite" else request.getfixturevalue({"mysql": "mariadb"}.get(kind, kind)).uri
    query, row = LISTS[kind]

    ran = run_book(tmp_path, {kind: {"uri": uri, "query": query, "params": [1, "x"]}})

    assert ran.output["rows"] == [row]


PARAM_FAULTS = [
    ("select :a as a", {"b": 1, "a": 2}, 'params: nothing in the SQL uses "b"'),
    ("select ? as a; select 2 as b", [1], "params is a list, and there are several statements"),
    ("select ':a' as a", {"a": 1}, 'params: nothing in the SQL uses "a"'),
]


@pytest.mark.parametrize(("query", "params", "said"), PARAM_FAULTS)
def test_params_that_fit_nothing_are_errors(query: str, params: object, said: str, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query, "params": params}})

    assert ran.result.message == said


def test_text_becomes_what_postgres_wants(postgres: object, tmp_path: Path) -> None:
    query = "select $1::int as i, $2::numeric as n, $3::bool as b, $4::date as d, $5::timestamptz as t, $6::jsonb as j"
    params = ["7", "1.50", "true", "2024-02-29", "2024-02-29T10:00:00+02:00", {"a": [1]}]

    ran = run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": query, "params": params}})  # type: ignore[attr-defined]

    assert ran.result.message is None
    row = dict(ran.output["rows"][0])  # type: ignore[index]
    assert {name: str(value) for name, value in row.items()} == {
        "i": "7", "n": "1.50", "b": "True", "d": "2024-02-29", "t": "2024-02-29T08:00:00+00:00", "j": "{'a': [1]}",
    }  # fmt: skip


EVIL = "C:\\temp\\new\n\t'\"% %s ? :a $1 {a:b} é😀\\"
POSTGRES = [
    ("text", EVIL, EVIL),
    ("text", None, None),
    ("text", 5, "5"),
    ("text", True, "true"),
    ("bool", "false", False),
    ("int8", 2**63 - 1, 2**63 - 1),
    ("int", "7", 7),
    ("numeric", 1.1, Decimal("1.1")),
    ("numeric", "12345678901234567890.50", Decimal("12345678901234567890.50")),
    ("text[]", [EVIL, None], [EVIL, None]),
    ("numeric[]", ["1.50", 2], [Decimal("1.50"), Decimal("2")]),
    ("jsonb", {"a": [1, EVIL]}, {"a": [1, EVIL]}),
    ("bytea", "é", "w6k="),
    ("uuid", "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000a"),
    ("date", "2024-02-29", "2024-02-29"),
    ("date", "29 Feb 2024", "2024-02-29"),
    ("date", "infinity", "infinity"),
    ("timestamp", "2024-02-29 10:00", "2024-02-29T10:00:00"),
    ("timestamptz", "2024-02-29T10:00:00+02:00", "2024-02-29T08:00:00+00:00"),
    ("timestamptz", "2024-02-29 10:00 Asia/Kolkata", "2024-02-29T04:30:00+00:00"),
    ("time", "10:00", "10:00:00"),
    ("time", "04:05 PM", "16:05:00"),
    ("timetz", "10:00-08", "10:00:00-08:00"),
    ("timetz", "10:00 PST", "10:00:00-08:00"),
    ("interval", "1 hour 30 minutes", "PT1H30M"),
    ("int4range", "[1,3)", "[1,3)"),
    ("int4multirange", "{[1,3)}", ["[1,3)"]),
    ("point", "(1,2)", "(1,2)"),
    ("bit(3)", "101", "101"),
]


@pytest.mark.parametrize(("kind", "given", "value"), POSTGRES, ids=lambda value: str(value)[:20])
def test_postgres_gets_what_it_wants(
    postgres: DatabaseServer, kind: str, given: object, value: object, tmp_path: Path
) -> None:
    block = {"uri": postgres.uri, "query": f"select :given::{kind} as value", "params": {"given": given}}

    ran = run_book(tmp_path, {"postgres": block, "template": False})

    assert ran.result.message is None
    assert same(ran.output["value"], value), ran.output["value"]


def test_moment_without_a_zone_is_in_that_of_the_session(postgres: DatabaseServer, tmp_path: Path) -> None:
    query = "set time zone 'Asia/Kolkata'; select :moment::timestamptz as moment"
    block = {"uri": postgres.uri, "query": query, "params": {"moment": "2024-02-29 10:00"}}

    ran = run_book(tmp_path, {"postgres": block})

    assert ran.output["value"] == "2024-02-29T04:30:00+00:00"


WRONG = [
    ("int", "x", 'parameter 1 is "x", and the server wants int4'),
    ("int", 1.5, 'parameter 1 is "1.5", and the server wants int4'),
    ("date", "nope", 'invalid input syntax for type date: "nope"'),
    ("interval", "nope", 'invalid input syntax for type interval: "nope"'),
]


@pytest.mark.parametrize(("kind", "given", "said"), WRONG)
def test_parameter_that_postgres_can_not_take_is_reported(
    postgres: DatabaseServer, kind: str, given: object, said: str, tmp_path: Path
) -> None:
    block = {"uri": postgres.uri, "query": f"select :given::{kind} as value", "params": {"given": given}}

    assert run_book(tmp_path, {"postgres": block}).result.message == said


CLICKHOUSE = [
    ("String", EVIL, EVIL),
    ("String", "\\N", "\\N"),
    ("Nullable(String)", None, None),
    ("UInt64", 2**64 - 1, 2**64 - 1),
    ("Bool", True, True),
    ("Decimal(10, 2)", "1.50", Decimal("1.50")),
    ("Array(String)", ["x','y", EVIL], ["x','y", EVIL]),
    ("Array(Nullable(Bool))", [True, None], [True, None]),
    ("Array(Array(UInt8))", [[1], []], [[1], []]),
    ("Map(String, String)", {EVIL: EVIL}, {EVIL: EVIL}),
    ("DateTime('UTC')", "2024-02-29 10:00:00", "2024-02-29T10:00:00Z"),
]


@pytest.mark.parametrize(("kind", "given", "value"), CLICKHOUSE, ids=lambda value: str(value)[:20])
def test_clickhouse_gets_what_it_wants(
    clickhouse: DatabaseServer, kind: str, given: object, value: object, tmp_path: Path
) -> None:
    block = {"uri": clickhouse.uri, "query": f"select {{given:{kind}}} as value", "params": {"given": given}}

    ran = run_book(tmp_path, {"clickhouse": block, "template": False})

    assert ran.result.message is None
    assert same(ran.output["value"], value), ran.output["value"]


@pytest.mark.parametrize("given", [EVIL, None, 2**63 - 1, 1.5, "7"], ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("database", ["sqlite", "mysql"], indirect=True)
def test_scalars_arrive_as_they_are(database: Database, given: object, tmp_path: Path) -> None:
    block = {"uri": database.uri, "query": "select :given as value", "params": {"given": given}}

    ran = run_book(tmp_path, {database.type: block, "template": False})

    assert ran.result.message is None
    assert same(ran.output["value"], given), ran.output["value"]


@pytest.mark.parametrize("given", [[1, 2], {"a": 1}], ids=str)
@pytest.mark.parametrize("database", ["sqlite", "mysql"], indirect=True)
def test_lists_and_maps_are_no_parameters_there(database: Database, given: object, tmp_path: Path) -> None:
    block = {"uri": database.uri, "query": "select :given as value", "params": {"given": given}}

    ran = run_book(tmp_path, {database.type: block})

    assert ran.result.kind == "block"
    assert "tojson" in (ran.result.hint or "")


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql"], indirect=True)
def test_parameter_that_is_missing_is_named(database: Database, tmp_path: Path) -> None:
    block = {"uri": database.uri, "query": "select concat(:given, :other)", "params": {"given": "x"}}

    ran = run_book(tmp_path, {database.type: block})

    assert ran.result.kind == "block"
    assert ran.result.hint == 'params holds no "other"'
