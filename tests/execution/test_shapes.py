"""Shapes that parts of an output must have, and where exactly they do not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_runbook import UnreadableFile
from pytest_runbook.execution.result import AssertionTrace
from pytest_runbook.execution.shapes import ABSENT, expected_value, innermost_difference
from tests.harness import seen
from tests.run_book import Block, run_book
from tests.servers.json_server import json_server

BODY = {
    "status": "ok",
    "items": [{"id": 1, "name": "ant"}, {"id": 2, "name": "bee"}],
    "lag": 1.5,
    "on": True,
    "no": None,
}

FITS: list[tuple[object, object]] = [
    ("ok", "ok"),
    (200, 200),
    (1, 1.0),
    (None, None),
    (True, True),
    ([], []),
    ({}, {"a": 1}),
    ({"status": "ok"}, BODY),
    ({"items": [{"id": 1}, {"name": "bee"}]}, BODY),
    ("/^a.t$/", "ant"),
    ("/n/", "ant"),
    ("/", "/"),
    ("//", "//"),
    ("<text>", ""),
    ("<number>", 1.5),
    ("<boolean>", False),
    ("<list>", []),
    ("<mapping>", {}),
    ("<none>", None),
    ("<any>", None),
    ({"gone": "<absent>"}, BODY),
    ({"$length": 2}, [1, 2]),
    ({"$length": 3}, "abc"),
    ({"$length": "<number>"}, {}),
    ({"$length": "2"}, "ab"),
    ({"$contains": 2}, [1, 2]),
    ({"$contains": [{"id": 2}, {"id": 1}]}, BODY["items"]),
    ({"$contains": "b"}, "abc"),
    ({"$each": {"id": "<number>"}}, BODY["items"]),
    ({"$length": 2, "$each": {"name": "/./"}}, BODY["items"]),
    ({"$equals": "<text>"}, "<text>"),
    ({"$equals": {"a": 1}}, {"a": 1}),
    ({"$length": 5, "on": True}, BODY),
]


@pytest.mark.parametrize(("shape", "value"), FITS)
def test_a_value_that_fits_is_all_that_is_wanted(shape: object, value: object) -> None:
    assert expected_value(shape, value) is value


DIFFERS: list[tuple[object, object, object]] = [
    ("ok", "degraded", "ok"),
    ("200", 200, "200"),
    (1, True, 1),
    (0, False, 0),
    (None, "", None),
    ("/^x/", "ant", "/^x/"),
    ("/1/", 1, "/1/"),
    ("<number>", "1", "<number>"),
    ("<number>", True, "<number>"),
    ("<any>", ABSENT, "<any>"),
    ({"a": 1}, [1], {"a": 1}),
    ({"a": 1}, {"a": 2, "b": 3}, {"a": 1, "b": 3}),
    ({"a": 1}, {"b": 3}, {"a": 1, "b": 3}),
    ({"a": "<absent>"}, {"a": 2, "b": 3}, {"b": 3}),
    ({"a": "<absent>"}, {"a": 2, "b": "<absent>"}, {"b": "<absent>"}),
    ({"a": {"$equals": "<absent>"}}, {}, {"a": "<absent>"}),
    ([1, 2], [1, 3], [1, 2]),
    ([1, 2], [1], [1, 2]),
    ([1], [1, 2], [1]),
    ([1], "1", [1]),
    ([], [1], []),
    ({"$length": 2}, [1], {"$length": 2, "not": 1}),
    ({"$length": 0}, 0, {"$length": 0}),
    ({"$contains": 3}, [1], [1, 3]),
    ({"$contains": "x"}, "abc", {"$contains": "x"}),
    ({"$each": "<number>"}, [1, "2"], [1, "<number>"]),
    ({"$each": "<number>"}, [], {"$each": "<number>"}),
    ({"$equals": {"a": 1}}, {"a": 1, "b": 2}, {"a": 1}),
]


@pytest.mark.parametrize(("shape", "value", "there"), DIFFERS)
def test_a_value_that_does_not_fit_is_wanted_as_like_it_as_can_be(shape: object, value: object, there: object) -> None:
    assert expected_value(shape, value) is not value
    assert expected_value(shape, value) == there


@pytest.mark.parametrize(
    ("value", "there", "expected"),
    [
        ({"a": {"b": [1, 2]}, "c": 1}, {"a": {"b": [1, 3]}, "c": 1}, (("a", "b", 1), 2, 3)),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "c": 3}}, (("a",), {"b": 1, "c": 2}, {"b": 2, "c": 3})),
        ({"a": 1}, {}, (("a",), 1, ABSENT)),
        ([1], [1, 2], ((), [1], [1, 2])),
        ({"a": 1}, {"a": True}, (("a",), 1, True)),
    ],
)
def test_the_innermost_part_that_differs_is_found(value: object, there: object, expected: object) -> None:
    assert innermost_difference(value, there) == expected


@pytest.fixture
def health() -> Iterator[str]:
    with json_server(lambda _: (200, {"db": {"lag": 12, "up": False}, "list": [1, {"a": 2}]})) as url:
        yield url


def judged(folder: Path, expect: Any, body: object = BODY, **keys: object) -> tuple[AssertionTrace, ...]:
    """The traces of a block that printed a body as JSON, and made it a variable of its own."""
    script = f"echo {shlex.quote(json.dumps(body))}"
    block: Block = {"script": script, "expect": expect, **keys}
    return run_book(folder, block).result.assertions[1:]


def test_paths_lead_to_parts_of_the_output(tmp_path: Path) -> None:
    traces = judged(tmp_path, {"stdout": "/^.{3,}/", "signal": None, "value": "<text>"})

    assert [(trace.source, trace.verdict) for trace in traces] == [
        ("expect stdout", "passed"),
        ("expect signal", "passed"),
        ("expect value", "passed"),
    ]


def test_a_key_of_output_that_is_not_there_is_reported_with_those_that_are(tmp_path: Path) -> None:
    (trace,) = judged(tmp_path, {"exitcode": 0})

    assert (trace.verdict, trace.message) == ("error", 'unknown key of output "exitcode"')
    assert trace.hint == "did you mean exit_code?"


def test_paths_lead_into_json_and_the_innermost_part_that_differs_is_reported(tmp_path: Path, health: str) -> None:
    expect = {"body_json.db": {"lag": "<number>", "up": True}, "body_json.list[1].a": 2, 'body_json["x.y"]': 5}
    result = run_book(tmp_path, {"http": health, "expect": expect}).result

    assert [(t.source, t.verdict, t.expected, t.actual) for t in result.assertions[1:]] == [
        ("expect body_json.db.up", "failed", "True", "False"),
        ("expect body_json.list[1].a", "passed", None, None),
        ('expect body_json["x.y"]', "failed", "5", "<absent>"),
    ]


def test_expecting_a_field_replaces_what_every_block_of_the_type_must_do(tmp_path: Path) -> None:
    result = run_book(tmp_path, {"script": "exit 3", "expect": {"exit_code": 3}}).result

    assert result.outcome == "passed"


def test_templates_in_shapes_see_what_the_block_sees(tmp_path: Path) -> None:
    block = {"script": "echo ant 3", "vars": {"name": "ant"}, "expect": {"value": "/^{{ var.name }} \\d/"}}

    assert run_book(tmp_path, block).result.outcome == "passed"


def test_a_template_in_a_shape_that_fails_is_an_error_and_not_retried(tmp_path: Path) -> None:
    block = {"script": "echo", "expect": {"stdout": "{{ var.typo }}"}, "retry": {"attempts": 3, "every": "1ms"}}

    result = run_book(tmp_path, block).result

    assert (result.outcome, result.attempts) == ("failed", 1)
    assert "var.typo is undefined" in str(result.assertions[-1].message)


def test_a_template_that_makes_no_regular_expression_is_an_error_of_its_line(tmp_path: Path) -> None:
    result = run_book(tmp_path, {"script": "echo", "expect": {"stdout": "/{{ '(' }}/"}}).result

    assert (result.outcome, result.kind) == ("failed", "assertion")
    assert "is no regular expression" in str(result.assertions[-1].message)


def test_what_does_not_fit_yet_is_waited_for(tmp_path: Path) -> None:
    script = "echo x >> n; wc -l < n"
    block = {"script": script, "expect": {"stdout": "/3/"}, "retry": {"attempts": 5, "every": "1ms"}}

    assert run_book(tmp_path, block).result.attempts == 3


WRONG = [
    ("expect: {stdout: /(/}", "expect stdout: /(/ is not a regular expression"),
    ("expect: {stdout: <numer>}", 'expect stdout: unknown type "numer"'),
    ("expect: {stdout: {$lenth: 3}}", 'expect stdout: unknown operator "$lenth"'),
    ("expect: {stdout: {$length: three}}", 'expect stdout: $length must be a whole number, not the text "three"'),
    ("expect: {stdout: [{a: <numer>}]}", 'expect stdout: unknown type "numer"'),
    ("expect: {'a b c': 3}", '"a b c" is not a path'),
    ("expect: {'.a': 3}", '".a" is not a path'),
    ("expect: output.status == 5", 'expect must be a mapping, not the text "output.status == 5"'),
]


@pytest.mark.parametrize(("key", "message"), WRONG)
def test_a_shape_that_makes_no_sense_is_an_error_of_the_file(tmp_path: Path, key: str, message: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        seen(tmp_path, f"blocks:\n- script: echo\n  {key}\n", "")

    assert message in str(caught.value)
    assert "a.runbook.yaml:3" in str(caught.value)
