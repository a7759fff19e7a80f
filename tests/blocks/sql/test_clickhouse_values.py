"""Every type of value that ClickHouse has, as it arrives."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.blocks.sql.values import HUGE, Values, rows_of, same, values_of
from tests.servers.database_servers import DatabaseServer

VALUES: list[tuple[str, object]] = [
    ("NULL", None),
    ("true", True),
    ("toUInt8(255)", 255),
    ("toInt64(-9223372036854775808)", -(2**63)),
    ("toUInt64(18446744073709551615)", 2**64 - 1),
    ("toInt256('-57896044618658097711785492504343953926634992332820282019728792003956564819968')", -(2**255)),
    ("toFloat32(1.5)", 1.5),
    ("1e300", 1e300),
    ("inf", math.inf),
    ("'1.50'::Decimal32(2)", Decimal("1.50")),
    ("toDecimal128('123456789012345678901234567890.12345678', 8)", Decimal("123456789012345678901234567890.12345678")),
    ("'-0.01'::Decimal256(40)", Decimal("-0.0100000000000000000000000000000000000000")),
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
    ("1::Int8", 1),
    ("-32768::Int16", -32768),
    ("-2147483648::Int32", -2147483648),
    ("65535::UInt16", 65535),
    ("4294967295::UInt32", 4294967295),
    ("'-170141183460469231731687303715884105728'::Int128", -(2**127)),
    ("'340282366920938463463374607431768211455'::UInt128", 2**128 - 1),
    (f"'{2**256 - 1}'::UInt256", 2**256 - 1),
    ("1.5::BFloat16", 1.5),
    ("0.1::Float32", 0.1),
    ("1::Float64", 1.0),
    ("nan", math.nan),
    ("-inf", -math.inf),
    ("[nan, 1]", [math.nan, 1.0]),
    ("CAST((inf, 1), 'Tuple(a Float64, b Int8)')", {"a": math.inf, "b": 1}),
    ("'1.50'::Decimal64(2)", Decimal("1.50")),
    (f"'{'9' * 38}'::Decimal128(0)", Decimal("9" * 38)),
    ("'2149-06-06'::Date", "2149-06-06"),
    ("'2299-12-31'::Date32", "2299-12-31"),
    ("toDateTime32('2106-02-07 06:28:15', 'UTC')", "2106-02-07T06:28:15Z"),
    ("'2106-02-07 06:28:15'::DateTime32", "2106-02-07T06:28:15Z"),
    ("toDateTime64('2299-12-31 23:59:59.999999', 6, 'UTC')", "2299-12-31T23:59:59.999999Z"),
    ("toDateTime64('1900-01-01 00:00:00', 3, 'UTC')", "1900-01-01T00:00:00.000Z"),
    ("'-999:59:59'::Time", "-999:59:59"),
    ("'10:11:12.123'::Time64(3)", "10:11:12.123"),
    ("CAST('b', 'Enum16(\\'a\\' = -1000, \\'b\\' = 1000)')", "b"),
    ("CAST('a', 'Enum(\\'a\\')')", "a"),
    ("CAST(tuple('x'), 'Tuple(e Enum8(\\'a (\\' = 1, \\'x\\' = 2))')", {"e": "x"}),
    ("CAST(tuple(1, 2), 'Tuple(`a,(b` UInt64, c Decimal(5, 2))')", {"a,(b": 1, "c": Decimal("2.00")}),
    ("tuple()", []),
    ("[]", []),
    ("CAST([(1, 'a')], 'Nested(id UInt64, name String)')", [{"id": 1, "name": "a"}]),
    ("CAST([toLowCardinality('a')], 'Array(LowCardinality(Nullable(String)))')", ["a"]),
    ("map(1::UInt64, NULL::Nullable(UInt64))", {"1": None}),
    ("5::SimpleAggregateFunction(sum, UInt64)", 5),
    ("(select length(finalizeAggregation(groupArrayState(number))) from numbers(3))", 3),
    ("(select hex(sumState(number)) from numbers(3))", "0300000000000000"),
    ("finalizeAggregation(initializeAggregation('sumState', 3::UInt8)::AggregateFunction(sum, UInt8))", 3),
    ("18446744073709551615::UInt64::Dynamic", 2**64 - 1),
    ("NULL::Dynamic", None),
    ("CAST(5::UInt64, 'Variant(String, UInt64)')", 5),
    ("'{\"a\": {\"b\": [1, \"x\", null]}, \"big\": 18446744073709551615}'::JSON",
     {"a": {"b": [1, "x", None]}, "big": 2**64 - 1}),
    ("(1, 2.5)::Point", [1.0, 2.5]),
    ("[(0, 0), (1, 1)]::Ring", [[0.0, 0.0], [1.0, 1.0]]),
    ("[(0, 0), (1, 1)]::LineString", [[0.0, 0.0], [1.0, 1.0]]),
    ("[(0, 0), (1, 1)]::MultiPoint", [[0.0, 0.0], [1.0, 1.0]]),
    ("[[(0, 0), (1, 1)]]::MultiLineString", [[[0.0, 0.0], [1.0, 1.0]]]),
    ("[[(0, 0), (1, 1)]]::Polygon", [[[0.0, 0.0], [1.0, 1.0]]]),
    ("[[[(0, 0), (1, 1)]]]::MultiPolygon", [[[[0.0, 0.0], [1.0, 1.0]]]]),
    ("(1, 2)::Point::Geometry", [1.0, 2.0]),
    ("[1, 2, 3]::QBit(Float32, 3)", [1.0, 2.0, 3.0]),
    ("toIntervalNanosecond(1)::IntervalNanosecond", 1),
    ("toIntervalMicrosecond(1)::IntervalMicrosecond", 1),
    ("toIntervalMillisecond(1)::IntervalMillisecond", 1),
    ("toIntervalSecond(1)::IntervalSecond", 1),
    ("toIntervalMinute(1)::IntervalMinute", 1),
    ("toIntervalHour(1)::IntervalHour", 1),
    ("toIntervalWeek(1)::IntervalWeek", 1),
    ("toIntervalMonth(1)::IntervalMonth", 1),
    ("toIntervalQuarter(1)::IntervalQuarter", 1),
    ("toIntervalYear(-1)::IntervalYear", -1),
    (f"repeat('x', {len(HUGE)})", HUGE),
]  # fmt: skip
AS_TEXT = [
    ("'1.50'::Decimal64(2)::Dynamic", "1.50"),
    ("CAST('1.50'::Decimal64(2), 'Variant(String, Decimal(18, 2))')", "1.50"),
    ('\'{"price": "1.50"}\'::JSON(price Decimal(10, 2))', {"price": "1.50"}),
    ("unhex('61ff')", "a\ufffd"),
]
"""What the server gives no type of: digits stay text, and so does what is none."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values")


@pytest.fixture(scope="module")
def values(clickhouse: DatabaseServer, folder: Path) -> Values:
    return values_of(folder, "clickhouse", clickhouse.uri, [row[0] for row in (*VALUES, *AS_TEXT)])


@pytest.mark.parametrize(("expression", "value"), [*VALUES, *AS_TEXT], ids=lambda value: str(value)[:40])
def test_value_arrives_as_it_is(values: Values, expression: str, value: object) -> None:
    given = values[expression]

    assert same(given, value), (given, value)


def test_every_type_of_the_server_is_in_the_table(clickhouse: DatabaseServer, folder: Path) -> None:
    shown = ", ".join(f"toTypeName({row[0]})" for row in VALUES)
    (types,) = rows_of(folder, "clickhouse", clickhouse.uri, f"select {shown}")
    names = rows_of(
        folder, "clickhouse", clickhouse.uri, "select name from system.data_type_families where alias_to = ''"
    )
    table = set(re.findall(r"\w+", " ".join([*map(str, types.values()), *(row[0] for row in VALUES)])))

    assert {row["name"] for row in names} - table == set()
