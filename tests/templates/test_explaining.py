"""An explanation shows what decided an expression: its operands, and the comparison with what was expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from pytest_runbook.errors import Unreachable
from pytest_runbook.templates import Comparison, Expression, Undefined

ROWS = [{"id": 1}, {"id": 2}]
NAMES: dict[str, object] = {
    "output": {"status": 503, "body_json": {"status": "degraded", "db": {"lag": 12}}, "rows": ROWS, "stdout": "a b"},
    "var": {"want": "ok", "limit": 5},
}


def operands(source: str) -> dict[str, object]:
    return {operand.source: operand.value for operand in Expression(source).explain(NAMES).operands}


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("output.body_json.db.lag < 5", {"output.body_json.db.lag": 12}),
        ("5 > output.body_json.db.lag", {"output.body_json.db.lag": 12}),
        ("output.body_json.db.lag < var.limit", {"output.body_json.db.lag": 12, "var.limit": 5}),
        ("output.rows | length == 3", {"output.rows | length": 2, "output.rows": ROWS}),
        ("output.status == 503 and output.body_json.db.lag < 5", {"output.body_json.db.lag": 12}),
        ("output.status == 200 and output.body_json.db.lag < 5", {"output.status": 503}),
        (
            "output.status == 503 and output.body_json.db.lag == 12",
            {"output.status": 503, "output.body_json.db.lag": 12},
        ),
        ("output.status == 200 or output.body_json.db.lag < 5", {"output.status": 503, "output.body_json.db.lag": 12}),
        ("output.status == 200 or output.body_json.db.lag == 12", {"output.body_json.db.lag": 12}),
        ("output.status == 503 or output.body_json.db.lag == 12", {"output.status": 503}),
        ("not output.rows", {"output.rows": ROWS}),
        ("not (output.status == 503 and output.rows)", {"output.status": 503, "output.rows": ROWS}),
        ('output.stdout is match("b")', {"output.stdout": "a b"}),
        ("output.stdout is match(var.want)", {"output.stdout": "a b", "var.want": "ok"}),
        ('output.rows is containing({"id": 3})', {"output.rows": ROWS}),
        ('"c" in output.stdout', {"output.stdout": "a b"}),
        ("output.status not in [503]", {"output.status": 503}),
        ("output.rows[0].id == 2", {"output.rows[0].id": 1}),
        ('output["status"] == 200', {"output['status']": 503}),
        ("output.rows | first | length == 3", {"output.rows | first | length": 1, "output.rows": ROWS}),
        ("output.stdout.split() == []", {"output.stdout.split()": ["a", "b"]}),
        ("output.status + 1 == 5", {"output.status + 1": 504}),
        ("1 == 2", {}),
        ("output.rows", {"output.rows": ROWS}),
        ("output.status == 503 if output.rows else false", {"output.rows": ROWS, "output.status == 503": True}),
        # what an error came from
        ("output.status == 503 and output.stdout | int > 1", {"output.stdout": "a b"}),
        ("output.stdout | int > 1", {"output.stdout": "a b"}),
        ('output.status == "503"', {"output.status": 503}),
    ],
)
def test_the_operands_that_decided_are_shown(source: str, shown: dict[str, object]) -> None:
    assert operands(source) == shown


def test_an_undefined_operand_is_shown_as_undefined() -> None:
    (value,) = operands("output.nothing is defined").values()

    assert isinstance(value, Undefined)
    assert repr(value) == "undefined"


@pytest.mark.parametrize(
    ("source", "op", "expected", "actual"),
    [
        ('output.body_json.status == "ok"', "==", "ok", "degraded"),
        ('"ok" == output.body_json.status', "==", "ok", "degraded"),
        ("output.body_json.status == var.want", "==", "ok", "degraded"),
        ("output.body_json.db.lag < 5", "<", 5, 12),
        ("5 > output.body_json.db.lag", ">", 5, 12),
        ("1 < output.status < 500", "<", 500, 503),
        ("504 < output.status < 600", "<", 504, 503),
        ("output.status in [200, 204]", "in", [200, 204], 503),
        ("output.status not in [503]", "not in", [503], 503),
        ("output.status == 503 and output.body_json.db.lag < 5", "<", 5, 12),
        ("not output.status == 503", "!=", 503, 503),
        ("not (not output.status == 200)", "==", 200, 503),
        ("output.rows == [{'id': 1}]", "==", [{"id": 1}], ROWS),
        ("output.status == -1", "==", -1, 503),
    ],
)
def test_the_comparison_that_decided_knows_what_was_expected(
    source: str, op: str, expected: object, actual: object
) -> None:
    explanation = Expression(source).explain(NAMES)

    assert not explanation.holds
    assert explanation.comparison is not None
    assert (explanation.comparison.op, explanation.comparison.expected, explanation.comparison.actual) == (
        op,
        expected,
        actual,
    )


def test_a_comparison_knows_both_sides_and_their_sources() -> None:
    comparison = Expression('output.body_json["status"]   ==  var.want').explain(NAMES).comparison

    assert comparison == Comparison(
        op="==",
        left="degraded",
        right="ok",
        left_source="output.body_json['status']",
        right_source="var.want",
        is_right_expected=True,
    )


@pytest.mark.parametrize(
    "source", ["output.rows", "output.status == 200 or output.status == 201", 'output.stdout is match("x")', "x = 1"]
)
def test_no_comparison_where_none_alone_decided(source: str) -> None:
    assert Expression(source).explain(NAMES).comparison is None


class Counting(Mapping[str, object]):
    def __init__(self, **values: object) -> None:
        self._values = values
        self.read: list[str] = []

    def __getitem__(self, key: str) -> object:
        self.read.append(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_nothing_is_evaluated_twice() -> None:
    output = Counting(a=1, b=2, c=3)

    explanation = Expression("output.a == 1 and output.b == 5 and output.c == 3").explain({"output": output})

    assert not explanation.holds
    assert output.read == ["a", "b"]


def test_an_error_of_ours_is_reported_and_not_raised() -> None:
    class Gone(Counting):
        def __getitem__(self, key: str) -> object:
            raise Unreachable("no connection to vault")

    explanation = Expression("secret.token == 'x'").explain({"secret": Gone()})

    assert isinstance(explanation.error, Unreachable)


def test_a_syntax_error_is_reported_and_not_raised() -> None:
    explanation = Expression("output.status ==").explain(NAMES)

    assert explanation.error is not None
    assert "expression" in explanation.error.message
