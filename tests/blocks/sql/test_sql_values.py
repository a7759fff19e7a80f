"""Every type of value that a server has, as it arrives."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import pytest

from tests.run_book import run_book
from tests.servers.database_servers import DatabaseServer

HUGE = "x" * 100_000

POSTGRES: list[tuple[str, object]] = [
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
    ("'(0,1)'::tid", [0, 1]),
    ("'int4'::regtype", "integer"),
    ("row(1, 'a', null)", [1, "a", None]),
    ("'sad'::mood", "sad"),
    ("array['sad', 'ok']::mood[]", ["sad", "ok"]),
    ("row('é', 5)::item", {"name": "é", "price": 5}),
    ("7::positive", 7),
    ("'a=>1'::citext", "a=>1"),
]
POSTGRES_TYPES = """
drop type if exists mood, item; drop domain if exists positive;
create type mood as enum ('sad', 'ok');
create type item as (name text, price int);
create domain positive as int check (value > 0);
create extension if not exists citext
"""

MARIADB: list[tuple[str, object]] = [
    ("true", 1),
    ("null", None),
    ("cast(18446744073709551615 as unsigned)", 2**64 - 1),
    ("cast(-9223372036854775808 as signed)", -(2**63)),
    ("12345678901234567890123456789012345678.01", Decimal("12345678901234567890123456789012345678.01")),
    ("cast(1.5 as decimal(10,2))", Decimal("1.50")),
    ("1.5e300", 1.5e300),
    ("'é😀'", "é😀"),
    ("''", ""),
    (f"repeat('x', {len(HUGE)})", HUGE),
    ("x'00ff'", "AP8="),
    ("cast('2024-02-29' as date)", "2024-02-29"),
    ("cast('9999-12-31 23:59:59' as datetime)", "9999-12-31T23:59:59"),
    ("cast('1000-01-01 00:00:00.5' as datetime(3))", "1000-01-01T00:00:00.500"),
    ("cast('-838:59:59' as time)", "-838:59:59"),
    ("'a' || 'b'", "ab"),
    ("@@session.time_zone", "+00:00"),
    ("json_extract('{\"a\": [1]}', '$.a')", "[1]"),
    ("st_geomfromtext('POINT(1 2.5)')", "POINT(1 2.5)"),
    ("st_geomfromtext('LINESTRING(0 0,1 1)')", "LINESTRING(0 0,1 1)"),
    ("st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0),(2 2,3 2,3 3,2 2))')",
     "POLYGON((0 0,1 0,1 1,0 0),(2 2,3 2,3 3,2 2))"),
    ("st_geomfromtext('MULTIPOINT(0 0,1 1)')", "MULTIPOINT((0 0),(1 1))"),
    ("st_geomfromtext('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))')", "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))"),
    ("st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')",
     "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))"),
]  # fmt: skip
MARIADB_COLUMNS = [
    ("tinyint(1)", "0", False),
    ("boolean", "true", True),
    ("boolean", "null", None),
    ("tinyint", "-128", -128),
    ("tinyint unsigned", "255", 255),
    ("smallint unsigned", "65535", 65535),
    ("mediumint", "-8388608", -8388608),
    ("int unsigned", "4294967295", 4294967295),
    ("bigint unsigned", "18446744073709551615", 2**64 - 1),
    ("float", "1.5", 1.5),
    ("double", "-1.5", -1.5),
    ("bit(1)", "b'1'", 1),
    ("bit(10)", "b'1000000001'", 513),
    ("year", "2024", 2024),
    ("date", "'0000-00-00'", "0000-00-00"),
    ("datetime", "'2024-02-29 10:00:00'", "2024-02-29T10:00:00"),
    ("datetime(6)", "'1969-12-31 23:59:59.999999'", "1969-12-31T23:59:59.999999"),
    ("timestamp", "'2024-02-29 10:00:00'", "2024-02-29T10:00:00+00:00"),
    ("time", "'838:59:59'", "838:59:59"),
    ("char(4)", "'ab'", "ab"),
    ("varchar(10) character set latin1", "'é'", "é"),
    ("varchar(10) collate utf8mb4_bin", "'é😀'", "é😀"),
    ("text", "'a\\nb'", "a\nb"),
    ("enum('a','b')", "'b'", "b"),
    ("set('a','b','c')", "'a,c'", "a,c"),
    ("binary(2)", "'a'", "YQA="),
    ("varbinary(5)", "'abc'", "YWJj"),
    ("blob", "x'00ff'", "AP8="),
    ("json", "'{\"a\": 1}'", '{"a": 1}'),
    ("uuid", "'00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a"),
    ("inet6", "'::1'", "::1"),
    ("point", "point(1, 2)", "POINT(1 2)"),
]

SQLITE: list[tuple[str, object]] = [
    ("null", None),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)),
    ("1.5", 1.5),
    ("9e999", math.inf),
    ("'é😀'", "é😀"),
    ("''", ""),
    ("x'00ff'", "AP8="),
    ("x''", ""),
    ("cast(x'61ff' as text)", "a\ufffd"),
    ("date('2024-02-29')", "2024-02-29"),
    ("json('[1]')", "[1]"),
    ("true", 1),
]

CLICKHOUSE: list[tuple[str, object]] = [
    ("NULL", None),
    ("true", True),
    ("toUInt8(255)", 255),
    ("toInt64(-9223372036854775808)", -(2**63)),
    ("toUInt64(18446744073709551615)", 2**64 - 1),
    ("toInt256('-57896044618658097711785492504343953926634992332820282019728792003956564819968')", -(2**255)),
    ("toFloat32(1.5)", 1.5),
    ("1e300", 1e300),
    ("inf", math.inf),
    ("toDecimal32('1.50', 2)", Decimal("1.50")),
    ("toDecimal128('123456789012345678901234567890.12345678', 8)", Decimal("123456789012345678901234567890.12345678")),
    ("toDecimal256('-0.01', 40)", Decimal("-0.0100000000000000000000000000000000000000")),
    ("'é😀'", "é😀"),
    ("''", ""),
    ("toFixedString('ab', 3)", "ab\0"),
    ("toDate('1970-01-01')", "1970-01-01"),
    ("toDate32('1900-01-01')", "1900-01-01"),
    ("toDateTime('2024-02-29 10:00:00', 'UTC')", "2024-02-29T10:00:00Z"),
    ("toDateTime('2024-02-29 10:00:00', 'Asia/Kolkata')", "2024-02-29T04:30:00Z"),
    ("toDateTime64('2024-02-29 10:00:00.123456', 6, 'UTC')", "2024-02-29T10:00:00.123456Z"),
    ("toUUID('00000000-0000-0000-0000-00000000000a')", "00000000-0000-0000-0000-00000000000a"),
    ("toIPv4('10.0.0.1')", "10.0.0.1"),
    ("toIPv6('::1')", "::1"),
    ("CAST('b', 'Enum8(\\'a\\' = 1, \\'b\\' = 2)')", "b"),
    ("toLowCardinality('x')", "x"),
    ("toNullable(toInt64(5))", 5),
    ("CAST(NULL, 'Nullable(Decimal(10, 2))')", None),
    ("[toInt64(1), 2]", [1, 2]),
    ("[[toInt64(1)], []]", [[1], []]),
    ("[toNullable(toInt64(1)), NULL]", [1, None]),
    ("(toInt64(1), 'a', NULL)", [1, "a", None]),
    ("CAST((1, 'a'), 'Tuple(id Int64, name String)')", {"id": 1, "name": "a"}),
    ("map('a', toUInt64(1))", {"a": 1}),
    ("map('a', [(toInt64(1), toDecimal32('1.5', 1))])", {"a": [[1, Decimal("1.5")]]}),
    ("toIntervalDay(3)", 3),
    ("array('a', 'it\\'s')", ["a", "it's"]),
]  # fmt: skip


Values = dict[str, object]


def values_of(folder: Path, kind: str, uri: str, expressions: list[str]) -> Values:
    """What a server gives for these expressions, all at once: a column each."""
    query = "select " + ", ".join(f"{text} as c{number}" for number, text in enumerate(expressions))
    ran = run_book(folder, {kind: {"uri": uri, "query": query}})
    assert ran.result.message is None
    return dict(zip(expressions, ran.output["rows"][0].values(), strict=True))  # type: ignore[index]  # a list of mappings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values")


@pytest.fixture(scope="module")
def of_postgres(postgres: DatabaseServer, folder: Path) -> Values:
    run_book(folder, {"postgres": {"uri": postgres.uri, "query": POSTGRES_TYPES}})
    return values_of(folder, "postgres", postgres.uri, [row[0] for row in POSTGRES])


@pytest.fixture(scope="module")
def of_mariadb(mariadb: DatabaseServer, folder: Path) -> Values:
    return values_of(folder, "mysql", mariadb.uri, [row[0] for row in MARIADB])


@pytest.fixture(scope="module")
def columns_of_mariadb(mariadb: DatabaseServer, folder: Path) -> list[object]:
    """The values of `MARIADB_COLUMNS`, in their order."""
    columns = ", ".join(f"c{number} {row[0]} null" for number, row in enumerate(MARIADB_COLUMNS))
    literals = ", ".join(row[1] for row in MARIADB_COLUMNS)
    query = (
        f"set sql_mode = ''; create temporary table t ({columns}); insert into t values ({literals}); select * from t"
    )
    ran = run_book(folder, {"mysql": {"uri": mariadb.uri, "query": query}})
    assert ran.result.message is None
    return list(ran.output["rows"][0].values())  # type: ignore[index]  # a list of mappings


@pytest.fixture(scope="module")
def of_sqlite(folder: Path) -> Values:
    return values_of(folder, "sqlite", ":memory:", [row[0] for row in SQLITE])


@pytest.fixture(scope="module")
def of_clickhouse(clickhouse: DatabaseServer, folder: Path) -> Values:
    return values_of(folder, "clickhouse", clickhouse.uri, [row[0] for row in CLICKHOUSE])


def same(value: object, expected: object) -> bool:
    """True if they are equal, of the same type, and print alike: 1 is not True, and 1.5 is not 1.50."""
    return type(value) is type(expected) and value == expected and repr(value) == repr(expected)


@pytest.mark.parametrize(("expression", "value"), POSTGRES, ids=lambda value: str(value)[:40])
def test_values_of_postgres(of_postgres: Values, expression: str, value: object) -> None:
    given = of_postgres[expression]

    assert same(given, value), (given, value)


@pytest.mark.parametrize(("expression", "value"), MARIADB, ids=lambda value: str(value)[:40])
def test_values_of_mariadb(of_mariadb: Values, expression: str, value: object) -> None:
    given = of_mariadb[expression]

    assert same(given, value), (given, value)


@pytest.mark.parametrize(("expression", "value"), SQLITE, ids=lambda value: str(value)[:40])
def test_values_of_sqlite(of_sqlite: Values, expression: str, value: object) -> None:
    given = of_sqlite[expression]

    assert same(given, value), (given, value)


@pytest.mark.parametrize(("expression", "value"), CLICKHOUSE, ids=lambda value: str(value)[:40])
def test_values_of_clickhouse(of_clickhouse: Values, expression: str, value: object) -> None:
    given = of_clickhouse[expression]

    assert same(given, value), (given, value)


@pytest.mark.parametrize("number", range(len(MARIADB_COLUMNS)), ids=lambda number: MARIADB_COLUMNS[number][0])
def test_columns_of_mariadb(columns_of_mariadb: list[object], number: int) -> None:
    given, value = columns_of_mariadb[number], MARIADB_COLUMNS[number][2]

    assert same(given, value), (given, value)


def test_columns_of_one_name_and_of_none_are_told_apart(tmp_path: Path) -> None:
    query = 'select 1 as id, 2 as id, 3 as id_2, 4 as "", 5 as ""'

    ran = run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query}})

    assert ran.output["rows"] == [{"id": 1, "id_3": 2, "id_2": 3, "column_4": 4, "column_5": 5}]
    assert ran.output["columns"] == ["id", "id_3", "id_2", "column_4", "column_5"]
