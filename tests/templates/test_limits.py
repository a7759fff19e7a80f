"""A template can't hang a run or eat its memory: it fails soon, with a sentence."""

from __future__ import annotations

import time

import pytest

from pytest_runbook.errors import TemplateError
from pytest_runbook.templates import Expression, render, template_problems

BIG = {"big": "x" * 1_000_000}


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ range(10**9) }}", "the list gets longer than 100,000 items"),
        ("{{ 'a' * 10**9 }}", "the text gets longer than"),
        ("{{ [0] * 10**9 }}", "the list gets longer than 100,000 items"),
        ("{{ 10**10**10 }}", "has no result that can be shown"),
        ("{{ 2**126 * 2**126 }}", "has no result that can be shown"),
        ("{{ 2.0**10000 }}", "has no result that can be shown"),
        ("{{ big * 17 }}", "the text gets longer than"),
        ("{{ big | replace('x', big) }}", "the text gets longer than"),
        ("{{ 'a\nb' | indent(10**9) }}", "the text gets longer than"),
        ("{{ [1] | tojson(10**9) }}", "the text gets longer than"),
        ("{{ ([1] * 1000) | join(big) }}", "the text gets longer than"),
        ("{{ big.join([1] * 100) }}", "the text gets longer than"),
        ("{{ [1] | batch(10**9, 0) }}", "the list gets longer than 100,000 items"),
        ("{{ [1] | slice(10**9) }}", "the list gets longer than 100,000 items"),
        ("{% for a in range(100) %}{{ big }}{% endfor %}", "the text gets longer than"),
        ("{% set ns = namespace(x=big) %}{% for a in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}", "the text"),
        ("{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}", "steps"),
        (
            "{% set n = namespace(x=[]) %}{% for a in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
            "too many parts",
        ),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "it takes more than"),
        ("{% for a in range(99999) %}{% set x = big | upper %}{% endfor %}", "it takes more than"),
        ("{% for a in range(99999) %}{% set x = big ~ 'a' %}{% endfor %}", "it takes more than"),
        ("{% for a in range(99999) %}{{ range(99999) | sort | length }}{% endfor %}", "it takes more than"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "nested too deeply"),
        ("{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(1) }}", "nested too deeply"),
        ("{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}", "nested too deeply"),
        ("{{ " + "(" * 1000 + "1" + ")" * 1000 + " }}", "nested too deeply"),
        ("{{ " + "[" * 1000 + "]" * 1000 + " }}", "nested too deeply"),
        ("{{ " + "not " * 5000 + "1 }}", "nested too deeply"),
        ("{{ 1" + " + 1" * 5000 + " }}", "nested too deeply"),
        ("{{ 1" + " | string" * 5000 + " }}", "nested too deeply"),
        ("{{ x" + ".x" * 5000 + " }}", "nested too deeply"),
        ("{{ " + "9" * 5000 + " }}", "a number in it is too long"),
        ("{{ ('[' * 100000) | fromjson }}", "nested too deeply"),
        ("{{ ('9' * 100000 ~ 'x') | int }}", "is no whole number"),
        ("{{ '%1000000000d' % 1 }}", "does not work"),
        ("{{ '{:>1000000000}'.format(1) }}", "has no method format"),
        ("{{ 'a'.ljust(10**9) }}", "has no method ljust"),
        ("{{ 'a' | center(10**9) }}", "unknown filter"),
        ("{{ 'a' | indent(10**9, true) }}", "the text gets longer than"),
        ("{{ range(0, 10**18) | list }}", "the list gets longer than 100,000 items"),
        ("{{ range(10**18, 0, -1) }}", "the list gets longer than 100,000 items"),
        ("{{ big | list }}", "too many parts"),
        ("{{ big ~ ([big] * 17) | join }}", "the text gets longer than"),
        ("{{ big | replace('', big) }}", "the text gets longer than"),
        ("{{ (2**64) * (2**64) }}", "has no result that can be shown"),
    ],
)
def test_too_much_is_an_error(template: str, message: str) -> None:
    started = time.monotonic()

    with pytest.raises(TemplateError, match=message):
        render(template, BIG)

    assert time.monotonic() - started < 30


def test_a_value_that_contains_itself_can_be_printed_as_an_error() -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(TemplateError, match="nested too deeply"):
        render("{{ v }}", {"v": endless})


@pytest.mark.parametrize("source", ["1" + " + 1" * 5000, "x" + ".x" * 5000, "not " * 5000 + "x", "(" * 900 + ")" * 900])
def test_no_depth_breaks_checking_or_explaining(source: str) -> None:
    assert Expression(source).explain({}).error is not None
    Expression(source).problems()
    template_problems("{{ " + source + " }}")


def test_a_text_of_any_length_passes_without_templates() -> None:
    text = "x" * 20_000_000

    assert render(text, {}) is text


def test_a_long_text_is_not_searched_for_a_pattern() -> None:
    with pytest.raises(TemplateError, match="longer than the 1,048,576 characters"):
        Expression('v is search("x")').evaluate({"v": "x" * 2_000_000})
