"""Every type of value that SQLite has, as it arrives."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.blocks.sql.values import HUGE, Values, rows_of, same, values_of

VALUES: list[tuple[str, object]] = [
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
    ("-0.0", -0.0),
    ("-9e999", -math.inf),
    (f"replace(hex(zeroblob({len(HUGE) // 2})), '0', 'x')", HUGE),
]
DECLARED = [
    ("boolean", "true", 1),
    ("date", "'2024-02-29'", "2024-02-29"),
    ("datetime", "'1969-12-31 23:59:59'", "1969-12-31 23:59:59"),
    ("decimal(10,2)", "1.5", 1.5),
    ("varchar(5)", "'longer than that'", "longer than that"),
    ("int", "'no number'", "no number"),
    ("blob", "'text'", "text"),
    ("json", "'[1]'", "[1]"),
    ("", "x'00'", "AA=="),
]
"""What columns are declared as, which binds SQLite to nothing: a value is what it is."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("values")


@pytest.fixture(scope="module")
def values(folder: Path) -> Values:
    return values_of(folder, "sqlite", ":memory:", [row[0] for row in VALUES])


@pytest.fixture(scope="module")
def columns(folder: Path) -> list[object]:
    declared = ", ".join(f"c{number} {row[0]}" for number, row in enumerate(DECLARED))
    literals = ", ".join(row[1] for row in DECLARED)
    query = f"create table t ({declared}); insert into t values ({literals}); select * from t"
    return list(rows_of(folder, "sqlite", ":memory:", query)[0].values())


@pytest.mark.parametrize(("expression", "value"), VALUES, ids=lambda value: str(value)[:40])
def test_value_arrives_as_it_is(values: Values, expression: str, value: object) -> None:
    given = values[expression]

    assert same(given, value), (given, value)


@pytest.mark.parametrize("number", range(len(DECLARED)), ids=lambda number: DECLARED[number][0] or "nothing")
def test_value_is_what_it_is_whatever_its_column_is_declared_as(columns: list[object], number: int) -> None:
    assert same(columns[number], DECLARED[number][2]), columns[number]


def test_every_class_of_storage_is_in_the_table(folder: Path) -> None:
    query = " union ".join(f"select typeof({row[0]}) as class" for row in VALUES)

    classes = {row["class"] for row in rows_of(folder, "sqlite", ":memory:", query)}

    assert classes == {"null", "integer", "real", "text", "blob"}
