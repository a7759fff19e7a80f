"""What is found before anything runs, with its line and what to do about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runbook.errors import TemplateError
from pytest_runbook.templates import Expression, Problem, template_problems
from pytest_runbook.templates.expression import _SIMPLE_EXPRESSION
from pytest_runbook.templates.problems import EXPRESSION_ROOTS, problem_of, tree_problems
from pytest_runbook.templates.syntax import parse_expression

FOREIGN = "template: false on the block"


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("{{ vra.x }}", 1, 'unknown name "vra"', "did you mean var?"),
        ("a\nb {{ vra.x }}", 2, 'unknown name "vra"', "did you mean var?"),
        ("{{ output.x }}", 1, 'unknown name "output"', "known: block"),
        ("{{ item.name }}", 1, 'unknown name "item"', FOREIGN),
        ("{{ vra | default('x') }}", 1, 'unknown name "vra"', "did you mean var?"),
        ("{{ var.x | uper }}", 1, 'unknown filter "uper"', "did you mean upper?"),
        ("{{ var.x | format }}", 1, 'unknown filter "format"', "join texts with ~"),
        ("{{ var.x | truncate(5) }}", 1, 'unknown filter "truncate"', "cut it: x[:20]"),
        ("{{ var.x | from_json }}", 1, 'unknown filter "from_json"', "did you mean fromjson?"),
        ("{{ var.x | map('uper') }}", 1, 'unknown filter "uper"', "did you mean upper?"),
        ("{{ var.x | select('evn') }}", 1, 'unknown test "evn"', "did you mean even?"),
        ("{{ var.x | selectattr('a', 'definde') }}", 1, 'unknown test "definde"', "did you mean defined?"),
        ("{{ var.x is definde }}", 1, 'unknown test "definde"', "did you mean defined?"),
        ("{{ var.x is match('(') }}", 1, "is no regular expression", None),
        ("{{ var.x | regex('(') }}", 1, "is no regular expression", None),
        ("{{ var.x | jmespath('a[') }}", 1, "is no JMESPath", None),
        ("{{ len(var.x) }}", 1, 'unknown function "len"', "it is a filter: x | length"),
        ("{{ int(var.x) }}", 1, 'unknown function "int"', "it is a filter: x | int"),
        ("{{ rnge(3) }}", 1, 'unknown function "rnge"', "did you mean range?"),
        ("{{ debug() }}", 1, 'unknown function "debug"', "known: dict, namespace, range"),
        ("{{ var.x.uper() }}", 1, 'unknown method "uper"', "did you mean upper?"),
        ("{{ range }}", 1, 'unknown name "range"', None),
        ("{{ (1)() }}", 1, "1 can't be called", None),
        ("{% include 'x' %}", 1, "stands alone", FOREIGN),
        ("{% extends 'x' %}", 1, "stands alone", FOREIGN),
        ("{% import 'x' as y %}", 1, "stands alone", FOREIGN),
        ("{{ var.x", 1, "unexpected end of the text, expected '}}'", None),
        ("{{ }}", 1, "expected an expression, got '}}'", None),
        ("x\n{% if var.x %}\n", 2, "no valid template: unexpected end of the text", None),
        ("{% foo %}", 1, "unknown tag 'foo'", None),
        ("{{ var.x + }}", 1, "no valid template", None),
        # templates of other programs
        ("docker ps --format '{{.Names}}'", 1, "no valid template", FOREIGN),
        ("a\ndocker ps --format '{{.Names}}\t{{.Status}}'", 2, "no valid template", FOREIGN),
        ("{{ range .Items }}{{ .x }}{{ end }}", 1, "", FOREIGN),
        ("{{json .}}", 1, "no valid template", FOREIGN),
        ("{{ json .Config }}", 1, 'unknown name "json"', FOREIGN),
        ("{{- .Name -}}", 1, "no valid template", FOREIGN),
        ('{{ printf "%s" .Name }}', 1, "no valid template", FOREIGN),
        ("{{ $labels.instance }}", 1, "no valid template", FOREIGN),
        ("{{/* note */}}", 1, "no valid template", FOREIGN),
        ("{{ if eq .A 1 }}", 1, "no valid template", FOREIGN),
        ("{{ end }}", 1, 'unknown name "end"', FOREIGN),
        ("${{ github.sha }}", 1, 'unknown name "github"', FOREIGN),
        ("${{ secrets.TOKEN }}", 1, 'unknown name "secrets"', FOREIGN),
    ],
)
def test_a_fault_of_a_template_is_found(text: str, line: int, message: str, hint: str | None) -> None:
    problem = template_problems(text)[0]

    assert problem.line == line
    assert message in problem.message
    assert hint is None or hint in (problem.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        "{# no template #} ${#list[@]}",
        "{{ var.x }}{{ env.X }}{{ doc.named['a'].output.stdout }}{{ block['a'] }}{{ host }}{{ fixture.f }}",
        "{{ secret.s }}{{ workspace.root }}{{ runbook.id }}",
        "{% for k, v in var.map | items %}{{ k }}{{ v }}{{ loop.index }}{{ loop.cycle(1, 2) }}{% endfor %}",
        "{% set x = 1 %}{{ x }}{% set y %}a{% endset %}{{ y }}{% with z = 1 %}{{ z }}{% endwith %}",
        "{% macro m(a) %}{{ a }}{{ caller() }}{% endmacro %}{{ m(1) }}{% call(b) m(1) %}{{ b }}{% endcall %}",
        "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{{ ns.a }}{{ range(3) }}{{ dict(a=1) }}",
        "{% raw %}{{.Names}}{% endraw %}",
        "{{ var.price }} costs ${{ var.price }}",
        "{{ var.x | map('upper') | select('string') | selectattr('a', 'eq', 1) | shellquote }}",
    ],
)
def test_a_good_template_has_no_problems(text: str) -> None:
    assert template_problems(text) == ()


def test_every_fault_is_found_in_order() -> None:
    problems = template_problems("{{ vra.a }}\n{{ var.x | uper }}\n{{ var.x is definde }}")

    assert [problem.line for problem in problems] == [1, 2, 3]


def test_a_foreign_looking_line_does_not_hide_the_hint_of_another() -> None:
    problems = template_problems("${{ github.x }}\n{{ vra.x }}")

    assert problems[1] == Problem('unknown name "vra"', 2, "did you mean var?")


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("{{ output.status }} == 200", "no valid expression", "has no braces"),
        ("output.status = 200", "no valid expression", "compare with =="),
        ("output.status === 200", "no valid expression", "compare with =="),
        ("output.status == 200 && true", "no valid expression", "write and for &&"),
        ("output.status == 200 || true", "no valid expression", "write or for ||"),
        ("output.status ==", "no valid expression", None),
        ("output.status == 200 201", "unexpected 201", None),
        ("", "it is empty", None),
        ("  ", "it is empty", None),
        ("ouptut.status == 200", 'unknown name "ouptut"', "did you mean output?"),
        ("output.x | leng == 1", 'unknown filter "leng"', "did you mean length?"),
        ('output.x is match("[")', "is no regular expression", None),
        ('output.x is search("(?P<a")', "is no regular expression", None),
        ("len(output.x) == 1", 'unknown function "len"', "| length"),
    ],
)
def test_a_fault_of_an_expression_is_found(source: str, message: str, hint: str | None) -> None:
    problem = Expression(source).problems()[0]

    assert message in problem.message
    assert hint is None or hint in (problem.hint or "")


@given(st.from_regex(_SIMPLE_EXPRESSION, fullmatch=True))
def test_an_expression_that_looks_usual_is_right(source: str) -> None:
    assert tuple(tree_problems(parse_expression(source), EXPRESSION_ROOTS)) == ()


@pytest.mark.parametrize(
    "source",
    [
        "output.x == 007",
        "output.x | uper",
        "output.x | trims == 'a'",
        "outputs.x == 1",
        "output..x",
        "output.x == 'a' 'b",
        'output.x == "a\\q',
        "output.x = 1",
        "var",
    ],
)
def test_an_expression_is_looked_at_whether_it_looks_usual_or_not(source: str) -> None:
    try:
        found = tuple(tree_problems(parse_expression(source), EXPRESSION_ROOTS))
    except TemplateError as error:
        found = (problem_of(error),)

    assert Expression(source).problems() == found


@given(st.text(alphabet="output.varx 0159<>=!'\"|()[]{},~+-*/%&isnotdef\n", max_size=40))
def test_any_text_can_be_checked_and_explained(source: str) -> None:
    names = {"output": {"x": 1}, "var": {"a": "1"}}

    assert all(problem.line >= 1 for problem in Expression(source).problems())
    assert isinstance(Expression(source).explain(names).holds, bool)
    assert all(problem.line >= 1 for problem in template_problems("{{" + source + "}}"))
