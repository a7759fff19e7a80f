"""Every type of value that PostgreSQL has, as it arrives."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import pytest

from tests.blocks.sql.values import HUGE, Values, rows_of, same, values_of
from tests.servers.database_servers import DatabaseServer

VALUES: list[tuple[str, object]] = [
    ("true", True),
    ("null", None),
    ("(-32768)::int2", -32768),
    ("2147483647", 2147483647),
    ("(-9223372036854775808)::int8", -(2**63)),
    ("9223372036854775807", 2**63 - 1),
    ("4294967295::oid", 4294967295),
    ("1.5::float4", 1.5),
    ("1e300::float8", 1e300),
    ("'infinity'::float8", math.inf),
    ("12345678901234567890123456789012345678.01", Decimal("12345678901234567890123456789012345678.01")),
    ("1.50::numeric(10,2)", Decimal("1.50")),
    ("'infinity'::numeric", Decimal("Infinity")),
    ("'é😀'", "é😀"),
    ("''", ""),
    (f"repeat('x', {len(HUGE)})", HUGE),
    ("'ab'::char(4)", "ab  "),
    ("'pg_class'::name", "pg_class"),
    ("'c'::\"char\"", "c"),
    ("'\\x00ff'::bytea", "AP8="),
    ("date '2024-02-29'", "2024-02-29"),
    ("date '1969-12-31'", "1969-12-31"),
    ("date '9999-12-31'", "9999-12-31"),
    ("date '10000-01-01'", "+10000-01-01"),
    ("date '0044-03-15 BC'", "-0043-03-15"),
    ("date 'infinity'", "infinity"),
    ("date '-infinity'", "-infinity"),
    ("timestamp '2024-02-29 10:00:00'", "2024-02-29T10:00:00"),
    ("timestamp '1969-12-31 23:59:59.999999'", "1969-12-31T23:59:59.999999"),
    ("timestamp '9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
    ("timestamp 'infinity'", "infinity"),
    ("timestamptz '2024-02-29 10:00:00.5+05:30'", "2024-02-29T04:30:00.500000+00:00"),
    ("timestamptz '-infinity'", "-infinity"),
    ("time '24:00:00'", "24:00:00"),
    ("time '10:00:00.25'", "10:00:00.250000"),
    ("timetz '10:00:00+05:30'", "10:00:00+05:30"),
    ("timetz '10:00:00-08'", "10:00:00-08:00"),
    ("interval '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds'", "P1Y2M3DT4H5M6.5S"),
    ("interval '-1 day'", "P-1D"),
    ("interval '-90 seconds'", "PT-1M-30S"),
    ("interval '0'", "PT0S"),
    ("'{\"a\": [1, null, 1.5]}'::json", {"a": [1, None, 1.5]}),
    ("'[1]'::jsonb", [1]),
    ("'null'::jsonb", None),
    ("'00000000-0000-0000-0000-00000000000a'::uuid", "00000000-0000-0000-0000-00000000000a"),
    ("'10.0.0.1'::inet", "10.0.0.1"),
    ("'10.0.0.1/8'::inet", "10.0.0.1/8"),
    ("'10.0.0.0/8'::cidr", "10.0.0.0/8"),
    ("'::1'::inet", "::1"),
    ("'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03"),
    ("B'0101'", "0101"),
    ("B'101010101'::varbit", "101010101"),
    ("'12.34'::money", "$12.34"),
    ("array[1, null, 3]", [1, None, 3]),
    ("array[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
    ("array[]::text[]", []),
    ("array[date '2024-02-29', 'infinity']", ["2024-02-29", "infinity"]),
    ("array['{\"a\": 1}'::jsonb]", [{"a": 1}]),
    ("int4range(1, 5)", "[1,5)"),
    ("numrange(1.5, null)", "[1.5,)"),
    ("'empty'::int4range", "empty"),
    ("daterange('2024-01-01', '2024-02-01')", "[2024-01-01,2024-02-01)"),
    ("'{[1,3), [5,7)}'::int4multirange", ["[1,3)", "[5,7)"]),
    ("point '(1,2.5)'", "(1,2.5)"),
    ("box '((1,2),(0,0))'", "(1,2),(0,0)"),
    ("lseg '[(0,0),(1,1)]'", "[(0,0),(1,1)]"),
    ("line '{1,2,3}'", "{1,2,3}"),
    ("path '[(0,0),(1,1)]'", "[(0,0),(1,1)]"),
    ("polygon '((0,0),(1,0),(1,1))'", "((0,0),(1,0),(1,1))"),
    ("circle '<(1,2),3>'", "<(1,2),3>"),
    ("'a fat cat'::tsvector", "'a' 'cat' 'fat'"),
    ("xmlparse(content '<a/>')", "<a/>"),
    ("'int4'::regtype", "integer"),
    ("row(1, 'a', null)", [1, "a", None]),
    ("'sad'::mood", "sad"),
    ("array['sad', 'ok']::mood[]", ["sad", "ok"]),
    ("row('é', 5)::item", {"name": "é", "price": 5}),
    ("7::positive", 7),
    ("'a=>1'::citext", "a=>1"),
    ("'a'::varchar(10)", "a"),
    ("-0.0::float8", -0.0),
    ("'-infinity'::float4", -math.inf),
    ("'nan'::float8", math.nan),
    ("'nan'::numeric", Decimal("NaN")),
    ("1e-7::numeric", Decimal("0.0000001")),
    ("1e40::numeric", Decimal("1E+40")),
    ("''::\"char\"", ""),
    ("array['c'::\"char\", null]", ["c", None]),
    ("'\\x'::bytea", ""),
    ("date '5874897-12-31'", "+5874897-12-31"),
    ("date '4714-11-24 BC'", "-4713-11-24"),
    ("timestamp '294276-12-31 23:59:59.999999'", "+294276-12-31T23:59:59.999999"),
    ("timetz '24:00:00-15:59:59'", "24:00:00-15:59:59"),
    ("interval '-178000000 years'", "P-178000000Y"),
    ("interval '1 mon -1 day +00:00:00.000001'", "P1M-1DT0.000001S"),
    ("'{\"a\": 12345678901234567890}'::jsonb", {"a": 12345678901234567890}),
    ("'$.a[*]'::jsonpath", '$."a"[*]'),
    ("inet 'fe80::1/64'", "fe80::1/64"),
    ("'08:00:2b:01:02:03:04:05'::macaddr8", "08:00:2b:01:02:03:04:05"),
    ("''::varbit", ""),
    ("array['a,b', '\"c\"', null, '']", ["a,b", '"c"', None, ""]),
    ("array[[['x']]]", [[["x"]]]),
    ("array[1.50]", [Decimal("1.50")]),
    ("array[int4range(1, 3), '(,)']", ["[1,3)", "(,)"]),
    ("array['{[1,3)}'::int4multirange]", [["[1,3)"]]),
    ("array[row(1, 'a')]", [[1, "a"]]),
    ("'1 2'::int2vector", [1, 2]),
    ("'1 2'::oidvector", [1, 2]),
    ("int8range(null, 9223372036854775807)", "(,9223372036854775807)"),
    ("'{[1,3)}'::int8multirange", ["[1,3)"]),
    ("'{[1.5,3)}'::nummultirange", ["[1.5,3)"]),
    ("'{[2024-01-01,2024-02-01)}'::datemultirange", ["[2024-01-01,2024-02-01)"]),
    ("'[2024-01-01 10:00,infinity)'::tsrange", "[2024-01-01T10:00:00,infinity)"),
    ("'{[2024-01-01 10:00,2024-01-02)}'::tsmultirange", ["[2024-01-01T10:00:00,2024-01-02T00:00:00)"]),
    ("'[2024-01-01 10:00+02,)'::tstzrange", "[2024-01-01T08:00:00+00:00,)"),
    ("'{[2024-01-01 10:00+02,)}'::tstzmultirange", ["[2024-01-01T08:00:00+00:00,)"]),
    ("point '(NaN,-Infinity)'", "(NaN,-Infinity)"),
    ("path '((0,0),(1,1))'", "((0,0),(1,1))"),
    ("'fat & rat'::tsquery", "'fat' & 'rat'"),
    ("'(0,1)'::tid", "(0,1)"),
    ("'7'::xid", 7),
    ("'18446744073709551615'::xid8", 2**64 - 1),
    ("'7'::cid", 7),
    ("'16/B374D848'::pg_lsn", "16/B374D848"),
    ("'10:20:10,14'::pg_snapshot", "10:20:10,14"),
    ("'10:20:10,14'::txid_snapshot", "10:20:10,14"),
    ("'c'::refcursor", "c"),
    ("'postgres=r/postgres'::aclitem", "postgres=r/postgres"),
    ("'pg_class'::regclass", "pg_class"),
    ("'\"C\"'::regcollation", '"C"'),
    ("'english'::regconfig", "english"),
    ("'simple'::regdictionary", "simple"),
    ("'pg_catalog'::regnamespace", "pg_catalog"),
    ("'||/'::regoper", "||/"),
    ("'+(int4,int4)'::regoperator", "+(integer,integer)"),
    ("'now'::regproc", "now"),
    ("'sum(int4)'::regprocedure", "sum(integer)"),
    ("'postgres'::regrole", "postgres"),
    ("row(row(1, 2), array[1, null])", [[1, 2], [1, None]]),
    ("null::item", None),
    ("array[null::item]", [None]),
    ("'a=>1, b=>NULL'::hstore", '"a"=>"1", "b"=>NULL'),
    ("'Top.Science'::ltree", "Top.Science"),
]
TYPES = """
drop type if exists mood, item; drop domain if exists positive;
create type mood as enum ('sad', 'ok');
create type item as (name text, price int);
create domain positive as int check (value > 0);
create extension if not exists citext;
create extension if not exists hstore;
create extension if not exists ltree
"""
INTERNAL = {
    "gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "pg_dependencies", "pg_mcv_list",
    "pg_ndistinct", "pg_node_tree",
}  # fmt: skip
"""What the server keeps for itself: nothing makes a value of it."""
ALL_TYPES = """
select format_type(oid, null) as name from pg_type
where typtype in ('b', 'r', 'm') and typcategory <> 'A' and typnamespace = 'pg_catalog'::regnamespace
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values")


@pytest.fixture(scope="module")
def values(postgres: DatabaseServer, folder: Path) -> Values:
    rows_of(folder, "postgres", postgres.uri, f"{TYPES}; select 1")
    return values_of(folder, "postgres", postgres.uri, [row[0] for row in VALUES])


@pytest.mark.parametrize(("expression", "value"), VALUES, ids=lambda value: str(value)[:40])
def test_value_arrives_as_it_is(values: Values, expression: str, value: object) -> None:
    given = values[expression]

    assert same(given, value), (given, value)


def test_every_type_of_the_server_is_in_the_table(postgres: DatabaseServer, values: Values, folder: Path) -> None:
    shown = ", ".join(f"pg_typeof({row[0]})" for row in VALUES)

    rows = rows_of(folder, "postgres", postgres.uri, f"{ALL_TYPES} and oid::regtype not in ({shown})")

    assert {row["name"] for row in rows} - INTERNAL == set()


def test_null_of_every_type_is_none(postgres: DatabaseServer, folder: Path) -> None:
    all_types = [row["name"] for row in rows_of(folder, "postgres", postgres.uri, ALL_TYPES)]
    types = [name for name in all_types if name not in INTERNAL]

    (row,) = rows_of(
        folder, "postgres", postgres.uri, f"select {', '.join(f'null::{name}, null::{name}[]' for name in types)}"
    )

    assert len(row) == 2 * len(types)
    assert set(row.values()) == {None}


def test_moment_is_reported_in_utc_whatever_the_zone_of_the_session(postgres: DatabaseServer, folder: Path) -> None:
    query = "set time zone 'Asia/Kolkata'; select timestamptz '2024-02-29 10:00:00' as moment"

    assert rows_of(folder, "postgres", postgres.uri, query) == [{"moment": "2024-02-29T04:30:00+00:00"}]
