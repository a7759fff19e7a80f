"""What the tests of values share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.run_book import run_book

HUGE = "x" * 100_000

Values = dict[str, object]


def rows_of(folder: Path, kind: str, uri: str, query: str) -> list[dict[str, object]]:
    """The rows that a query gives, or the last of several statements that give any."""
    ran = run_book(folder, {kind: {"uri": uri, "query": query}, "template": False})
    assert ran.result.message is None
    results = [result["data"]["rows"] for result in ran.output["results"] if result["type"] == "Query"]  # type: ignore[attr-defined]  # a list
    return [dict(row) for row in results[-1]]


def values_of(folder: Path, kind: str, uri: str, expressions: Sequence[str]) -> Values:
    """What a server gives for these expressions, all at once: a column each."""
    query = "select " + ", ".join(f"{text} as c{number}" for number, text in enumerate(expressions))
    (row,) = rows_of(folder, kind, uri, query)
    return dict(zip(expressions, row.values(), strict=True))


def same(value: object, expected: object) -> bool:
    """True if they are of the same type and print alike: 1 is not True, 1.5 is not 1.50, and NaN is itself."""
    return type(value) is type(expected) and repr(value) == repr(expected)
