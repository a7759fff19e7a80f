"""What must hold of a block: how each assertion comes out, and what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook import Settings
from pytest_runbook.execution.assertions import show_value
from pytest_runbook.execution.result import AssertionTrace, BlockResult
from pytest_runbook.templates import Undefined
from tests.harness import ran

BLOCK = 'blocks:\n- name: A\n  script: |\n    echo \'{"status": "degraded", "lag": 12}\'\n    exit 0\n'


def judged(folder: Path, keys: str, **options: object) -> BlockResult:
    return ran(folder, BLOCK + keys, **options).results["A"]


def traces(result: BlockResult) -> list[tuple[str, str]]:
    return [(trace.source, str(trace.verdict)) for trace in result.assertions]


def test_all_are_evaluated_and_the_first_that_fails_is_the_message(tmp_path: Path) -> None:
    result = judged(
        tmp_path,
        """  assert:
    - output.stdout is containing("lag")
    - (output.stdout | fromjson).status == "ok"
    - (output.stdout | fromjson).lag < 5
    - output.typo == 1
""",
    )

    assert traces(result) == [
        ("output.exit_code == 0", "passed"),
        ('output.stdout is containing("lag")', "passed"),
        ('(output.stdout | fromjson).status == "ok"', "failed"),
        ("(output.stdout | fromjson).lag < 5", "failed"),
        ("output.typo == 1", "error"),
    ]
    assert result.kind == "assertion"
    assert result.message == "(output.stdout | fromjson).status == \"ok\": actual 'degraded' (and 2 more)"
    assert [trace.location for trace in result.assertions] == [
        None,
        *(f"{tmp_path}/a.runbook.yaml:{line}" for line in (7, 8, 9, 10)),
    ]


COMPARISONS = [
    ("output.exit_code == 5", "5", "0"),
    ("5 == output.exit_code", "5", "0"),
    ("output.exit_code > 5", None, "0"),
    ("5 < output.exit_code", None, "0"),
]


@pytest.mark.parametrize(("source", "expected", "actual"), COMPARISONS)
def test_a_comparison_shows_what_came_and_what_was_expected(
    tmp_path: Path, source: str, expected: str | None, actual: str | None
) -> None:
    (trace,) = judged(tmp_path, f"  assert: {source}\n").assertions

    assert (trace.expected, trace.actual) == (expected, actual)


def test_what_decided_it_is_shown(tmp_path: Path) -> None:
    result = judged(tmp_path, "  vars: {limit: 5}\n  assert: (output.stdout | fromjson).lag < var.limit\n")

    shown = {operand.source: operand.value for operand in result.assertions[-1].operands}
    assert shown["var.limit"] == "5"
    assert "12" in shown.values()


def test_large_values_show_where_they_differ(tmp_path: Path) -> None:
    def difference(operator: str, left: object, right: object) -> list[str]:
        return [f"{left} {operator} {right}"]

    settings = Settings(root=tmp_path, invocation=tmp_path, difference=difference)
    keys = '  assert: \'(output.stdout | fromjson) == {"status": "ok"}\'\n'

    trace = judged(tmp_path, keys, settings=settings).assertions[-1]
    assert trace.difference == ("{'status': 'degraded', 'lag': 12} == {'status': 'ok'}",)


OWN = [
    ("  capture: {lag: (output.stdout | fromjson).lag}\n  assert: var.lag == 12\n", "passed"),
    ("  capture: {lag: (output.stdout | fromjson).lag}\n  assert: var.lag == '12'\n", "failed"),
    ("  capture: {a: output.exit_code, b: var.a + 1}\n  assert: var.b == 1\n", "passed"),
    ("  capture: {a: output.nope}\n", "failed"),
    ("  capture: all\n  assert: var.all is containing('degraded')\n", "passed"),
]


@pytest.mark.parametrize(("keys", "outcome"), OWN)
def test_assertions_see_what_the_block_captured_typed(tmp_path: Path, keys: str, outcome: str) -> None:
    assert judged(tmp_path, keys).outcome == outcome


def test_what_can_not_be_captured_is_reported_like_an_assertion(tmp_path: Path) -> None:
    result = judged(tmp_path, "  capture: {a: output.nope, b: output.exit_code}\n  assert: var.b == 0\n")

    assert traces(result)[-1] == ("capture a: output.nope", "error")
    assert str(result.message).startswith("capture a: output.nope: ")


def test_variables_stay_when_an_assertion_fails(tmp_path: Path) -> None:
    book = ran(tmp_path, BLOCK + "  capture: {a: output.exit_code}\n  assert: var.a == 1\n")

    assert book.outcomes == {"A": "failed"}
    assert book.document.final_variables() == {"a": 0}


EXITS = [
    ("exit 3", "assert: output.exit_code == 3", "passed", ["output.exit_code == 3"]),
    ("exit 3", "assert: output['exit_code'] == 3", "passed", ["output['exit_code'] == 3"]),
    ("exit 3", "assert: output.stdout is none", "failed", ["output.stdout is none"]),
    ("exit 0", "assert: output.exit_code != 0", "failed", ["output.exit_code != 0"]),
    ("exit 0", "assert: output.stdout is none", "passed", ["output.exit_code == 0", "output.stdout is none"]),
]


@pytest.mark.parametrize(("code", "key", "outcome", "reported"), EXITS)
def test_an_author_s_word_on_the_exit_code_replaces_ours(
    tmp_path: Path, code: str, key: str, outcome: str, reported: list[str]
) -> None:
    result = ran(tmp_path, f"blocks:\n- name: A\n  script: {code}\n  {key}\n").results["A"]

    assert result.outcome == outcome
    assert [trace.source for trace in result.assertions] == reported


FAILING = "echo 'permission denied' >&2; exit 13"
EXPECTED = [
    ("expect_error: exit code 1", FAILING, "passed"),
    ("expect_error: permission denied", FAILING, "passed"),
    ("expect_error: per.*ied", FAILING, "passed"),
    ("expect_error: not found", FAILING, "failed"),
    ("expect_error: anything", "true", "failed"),
    ("expect_error: permission, assert: output.exit_code == 13", FAILING, "passed"),
    ("expect_error: permission, assert: output.exit_code == 14", FAILING, "failed"),
    ("expect_error: permission, assert: output.stderr is containing('granted')", FAILING, "failed"),
    ("expect_error: permission, capture: {said: output.stderr}, assert: var.said | length == 18", FAILING, "passed"),
    ("expect_error: timed out, timeout: 200ms", "sleep 60", "passed"),
    ("expect_error: var.nope", "echo {{ var.nope }}", "passed"),
    ("expect_error: no program, directory: /", "true", "failed"),
]


@pytest.mark.parametrize(("keys", "code", "outcome"), EXPECTED)
def test_expect_error(tmp_path: Path, keys: str, code: str, outcome: str) -> None:
    result = ran(tmp_path, f'blocks: [{{name: A, script: "{code}", {keys}}}]').results["A"]

    assert result.outcome == outcome


def test_another_error_than_the_expected_shows_both(tmp_path: Path) -> None:
    result = ran(tmp_path, "blocks: [{name: A, script: exit 2, expect_error: code 1}]").results["A"]

    assert (result.kind, result.message) == ("assertion", 'exit code 2; expected was "code 1"')


class Odd:
    """A value that can't be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


SHOWN = [
    (5, "5"),
    ("a\n", "'a\\n'"),
    (None, "None"),
    ([1, {"a": "b"}], "[1, {'a': 'b'}]"),
    ("x" * 5000, f"'{'x' * 496} ... {'x' * 496}'"),
    (Odd(), "<Odd>"),
    (Undefined("var.x"), "undefined"),
]


@pytest.mark.parametrize(("value", "text"), SHOWN, ids=range(len(SHOWN)))
def test_values_are_shown_bounded(value: object, text: str) -> None:
    assert show_value(value) == text


def test_a_trace_is_plain_data(tmp_path: Path) -> None:
    data = judged(tmp_path, "  assert: output.exit_code == 5\n").to_json()

    assert isinstance(data["assertions"], tuple)
    assert data["assertions"][0] == {
        **dict.fromkeys(AssertionTrace.__slots__),
        "source": "output.exit_code == 5",
        "verdict": "failed",
        "location": f"{tmp_path}/a.runbook.yaml:6",
        "expected": "5",
        "actual": "0",
        "operands": ({"source": "output.exit_code", "value": "0"},),
        "difference": (),
    }
