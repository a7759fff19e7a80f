"""The filters that take something out of a value."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from pytest_runbook.errors import TemplateError
from pytest_runbook.templates import Expression, render

NAMES = {
    "output": {
        "stdout": "app v12, lib v7\n",
        "body_json": MappingProxyType({"a": [{"b": 1}, {"b": 2}], "zero": 0, "null": None}),
    }
}

VALUES = [
    (r'output.stdout | regex("v\d+")', "v12"),
    (r'output.stdout | regex("v(\d+)")', "12"),
    (r'output.stdout | regex("(\w+) v(\d+)")', ["app", "12"]),
    (r'output.stdout | regex("(?P<name>\w+) v(?P<number>\d+)")', {"name": "app", "number": "12"}),
    (r'output.stdout | regex("x(\d+)", default="0")', "0"),
    (r'output.stdout | regex("x(\d+)") | default("0")', "0"),
    (r'output.stdout | regex("v(\d+)", default="0") | int', 12),
    (r'output.stdout | regex("\bv\d+\b")', "v12"),
    (r'output.stdout | regex("v7\n")', "v7\n"),
    (r'output.stdout | regex("(.)pp") ~ "\\"', "a\\"),
    ('output.body_json | jmespath("a[0].b")', 1),
    ('output.body_json | jmespath("a[*].b")', [1, 2]),
    ('output.body_json | jmespath("zero")', 0),
    ('output.body_json | jmespath("no.where", default=5)', 5),
    ('output.body_json | jmespath("null") | default(5)', 5),
    ('output.body_json | jmespath("a[?b > `1`] | [0].b")', 2),
]


@pytest.mark.parametrize(("expression", "value"), VALUES)
def test_what_it_takes_is_typed(expression: str, value: object) -> None:
    assert Expression(expression).evaluate(NAMES) == value


ERRORS = [
    (r'output.stdout | regex("x(\d+)")', "is not found in it"),
    (r'output.stdout | regex("x(")', "is no regular expression"),
    ("output.body_json | regex('x')", "is no text"),
    ('output.body_json | jmespath("no.where") == 1', "no.where leads to nothing"),
    ('output.body_json | jmespath("a[")', "is no JMESPath"),
    ("output.body_json | jmespath(5)", "is no JMESPath"),
    ('output.body_json | jmespath("length(zero)")', "is no JMESPath for this"),
]


@pytest.mark.parametrize(("expression", "message"), ERRORS)
def test_what_is_not_there_is_an_error(expression: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        Expression(expression).evaluate(NAMES)


def test_templates_know_them_too() -> None:
    assert render('{{ output.body_json | jmespath("a[1].b") }}', NAMES) == "2"
