"""Every type of value that MariaDB has, as it arrives."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from tests.blocks.sql.values import HUGE, Values, rows_of, same, values_of
from tests.run_book import run_book
from tests.servers.database_servers import DatabaseServer

VALUES: list[tuple[str, object]] = [
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
    ("st_geomfromtext('MULTILINESTRING((0 0,1 1),(2 2,3 3))')", "MULTILINESTRING((0 0,1 1),(2 2,3 3))"),
    ("st_geomfromtext('GEOMETRYCOLLECTION EMPTY')", "GEOMETRYCOLLECTION EMPTY"),
    ("point(1e300, -0.1)", "POINT(1e+300 -0.1)"),
]  # fmt: skip
COLUMNS = [
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
    ("tinyint(1)", "5", 5),
    ("tinyint(1) unsigned", "200", 200),
    ("smallint", "-32768", -32768),
    ("mediumint unsigned", "16777215", 16777215),
    ("int", "-2147483648", -2147483648),
    ("int(5) zerofill", "42", 42),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
    ("decimal(65,30)", "-0.5", Decimal("-0.500000000000000000000000000000")),
    ("float", "0.1", 0.1),
    ("double", "1.7976931348623157e308", 1.7976931348623157e308),
    ("bit(64)", "b'" + "1" * 64 + "'", 2**64 - 1),
    ("year", "0", 0),
    ("date", "'1000-01-01'", "1000-01-01"),
    ("date", "'9999-12-31'", "9999-12-31"),
    ("datetime(6)", "'9999-12-31 23:59:59.999999'", "9999-12-31T23:59:59.999999"),
    ("timestamp", "'1970-01-01 00:00:01'", "1970-01-01T00:00:01+00:00"),
    ("timestamp(6)", "'2038-01-19 03:14:07.999999'", "2038-01-19T03:14:07.999999+00:00"),
    ("time(6)", "'-12:34:56.789012'", "-12:34:56.789012"),
    ("char(0)", "''", ""),
    ("varchar(10) character set utf16", "'é😀'", "é😀"),
    ("varchar(10) character set sjis", "'日本'", "日本"),
    ("tinytext", "'é'", "é"),
    ("mediumtext", "'é'", "é"),
    ("longtext", f"repeat('x', {len(HUGE)})", HUGE),
    ("enum('a')", "'none of them'", ""),
    ("set('a','b')", "''", ""),
    ("varbinary(5)", "''", ""),
    ("tinyblob", "x'00ff'", "AP8="),
    ("mediumblob", "x'00ff'", "AP8="),
    ("longblob", "x'00ff'", "AP8="),
    ("inet4", "'10.0.0.1'", "10.0.0.1"),
    ("geometry", "point(1, 2)", "POINT(1 2)"),
    ("linestring", "linestring(point(0, 0), point(1, 1))", "LINESTRING(0 0,1 1)"),
    ("polygon", "st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))')", "POLYGON((0 0,1 0,1 1,0 0))"),
    ("multipoint", "st_geomfromtext('MULTIPOINT(0 0,1 1)')", "MULTIPOINT((0 0),(1 1))"),
    ("multilinestring", "st_geomfromtext('MULTILINESTRING((0 0,1 1))')", "MULTILINESTRING((0 0,1 1))"),
    ("multipolygon", "st_geomfromtext('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))')", "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))"),
    ("geometrycollection", "st_geomfromtext('GEOMETRYCOLLECTION(POINT(1 2))')", "GEOMETRYCOLLECTION(POINT(1 2))"),
]

DATA_TYPES = """
select upper(topic.name) as name from mysql.help_topic as topic
join mysql.help_category as category using (help_category_id)
where category.name in ('Data Types', 'Numeric Data Types', 'String Data Types', 'Date and Time Data Types')
union select upper(plugin_name) from information_schema.plugins where plugin_type = 'DATA TYPE'
union select 'GEOMETRY' union select 'POINT' union select 'LINESTRING' union select 'POLYGON' union select 'MULTIPOINT'
union select 'MULTILINESTRING' union select 'MULTIPOLYGON' union select 'GEOMETRYCOLLECTION'
"""
"""What the server's own manual and its plugins call types, and shapes, which that does not list."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values")


@pytest.fixture(scope="module")
def values(mariadb: DatabaseServer, folder: Path) -> Values:
    return values_of(folder, "mysql", mariadb.uri, [row[0] for row in VALUES])


@pytest.fixture(scope="module")
def columns(mariadb: DatabaseServer, folder: Path) -> list[dict[str, object]]:
    """A row with the values of `COLUMNS`, in their order, and one of nulls."""
    declared = ", ".join(f"c{number} {row[0]} null" for number, row in enumerate(COLUMNS))
    literals = ", ".join(row[1] for row in COLUMNS)
    query = (
        f"set sql_mode = ''; create or replace table every_type ({declared});"
        f"insert into every_type values ({literals}); insert into every_type () values (); select * from every_type"
    )
    return rows_of(folder, "mysql", mariadb.uri, query)


@pytest.mark.parametrize(("expression", "value"), VALUES, ids=lambda value: str(value)[:40])
def test_value_arrives_as_it_is(values: Values, expression: str, value: object) -> None:
    given = values[expression]

    assert same(given, value), (given, value)


@pytest.mark.parametrize("number", range(len(COLUMNS)), ids=lambda number: COLUMNS[number][0])
def test_column_arrives_as_it_is(columns: list[dict[str, object]], number: int) -> None:
    given, value = columns[0][f"c{number}"], COLUMNS[number][2]

    assert same(given, value), (given, value)


def test_null_of_every_type_is_none(columns: list[dict[str, object]]) -> None:
    assert set(columns[1].values()) == {None}


def test_every_type_of_the_server_is_in_the_table(
    mariadb: DatabaseServer, columns: list[dict[str, object]], folder: Path
) -> None:
    """What its names declare, the server itself says: tables are made of them, and their columns looked at."""
    names = [row["name"] for row in rows_of(folder, "mysql", mariadb.uri, DATA_TYPES)]
    arguments = ["", "('a')"]
    tables = {f"probe_{at}": f"{name}{more}" for at, (name, more) in enumerate(product(names, arguments))}
    creates = [f"create table {table} (c {declared}) engine = myisam" for table, declared in tables.items()]
    run_book(folder, *({"mysql": {"uri": mariadb.uri, "query": create}} for create in creates))
    query = "select table_name, data_type from information_schema.columns where table_schema = 'shop'"
    found = rows_of(folder, "mysql", mariadb.uri, query)
    ours = {row["data_type"] for row in found if row["table_name"] == "every_type"}

    probed = {row["data_type"] for row in found if str(row["table_name"]).startswith("probe_")}

    assert len(probed) > 25
    assert probed - ours == set()
