"""Templates come out as in Atuin Desktop, whose engine is the oracle here.

Each deliberate difference is a row of its own, with its reason.
"""

from __future__ import annotations

import minijinja  # type: ignore[import-untyped]  # it has no types
import pytest

from pytest_runbook.errors import TemplateError
from pytest_runbook.templates import render

FAILS = "(fails)"
NAMES = {"v": {"a": "x", "b": "2", "html": "<a>"}, "empty": "", "zero": 0}


@pytest.fixture
def oracle() -> minijinja.Environment:
    return minijinja.Environment(trim_blocks=True, undefined_behavior="strict", pycompat=False)


def oracle_result(oracle: minijinja.Environment, template: str) -> str:
    try:
        return str(oracle.render_str(template, **NAMES))
    except (minijinja.TemplateError, TypeError):
        return FAILS


def our_result(template: str) -> str:
    try:
        return render(template, NAMES)
    except TemplateError:
        return FAILS


PRINTING = """
none | true | false | 5 | -5 | 1.0 | 1e20 | 1e-7 | 0.1 + 0.2 | 1/3 | -0.0 | 0/0 | 1/0 | -1/0 | "text" | 'quoted'
[] | [1] | [1, "a", none, true, 1.0] | (1, 2) | (1,) | () | {} | {"k": "v"} | {"a": [1, {"b": none}], 1: true}
[1e20, 1.0, 1/0, 1e16, 1e15, 0.0001, 0.00001, 1.5e-7] | ["a\\"b", "c'd", "e\\\\f", "g\\th", "i\\nj", "\\r"]
["é", "日本"]
["\\x07"] | ["\\u200b"] | "\\u00e9\\x41" | "a" "b" | True | False | None | 1_000 | 0x1f | 0b11 | 1e3
"""
OPERATORS = """
1 + 2 | 1 + 2.5 | "a" + "b" | [1] + [2] | {} + {} | 1 + none | "x" + 1 | 1 + true | true + true | "a" - "b" | 5 - 7
"a" * 3 | 3 * "a" | [1] * 3 | 2 * 3 | 4 / 2 | 7 / 2 | 1 // 0 | 1 % 0 | 1.5 % 0 | 7 // 2 | -7 // 2 | 7 // -2 | -7 // -2
-7 % 3 | 7 % -3 | -7 % -3 | 7.5 // 2 | -7.5 // 2 | 7.5 // -2 | -7.5 % 2 | 7.5 % -2 | 7 // 2.0 | 1.5 // 0
2 ** 10 | 2 ** 3 ** 2 | -2 ** 2 | 2 ** -1 | 2 ** 0.5 | 2.0 ** -1 | 10 ** 37 | 10 ** 39 | 10 ** 10 ** 10 | -true
-"a" | - 5
170141183460469231731687303715884105727 | 170141183460469231731687303715884105727 + 1 | 9223372036854775807 * 2
"a" ~ none ~ true ~ 1.0 ~ [1] | 1 ~ 2 | 1 + 2 ~ 3 | "a" ~ "b" + "c"
1 < 2 < 3 | 3 > 2 > 2 | 1 < "a" | none < 1 | true < 1 | false < true | [1] < "a" | {"a": 1} < [1] | "a" < none
none < none
[1, 2] < [1, 3] | [1] < [1, 0] | "a" < "B" | "10" < 9 | "1" > 0 | 1 >= 1.0 | none <= none | [2] >= [1, 5]
1 == 1.0 | (1, 2) == [1, 2] | "1" == 1 | true == 1 | false == 0 | none == false | none == none | [true] == [1]
[1] == 1
{"a": 1} == {"a": 1.0} | {"a": 1} == {"b": 1} | "a" != "b" | [1, [2]] == [1, [2]]
1 in [1] | 1 in [true] | "1" in [1] | 5 in "15" | "a" in "abc" | "" in "abc" | 1 in {"a": 1} | "a" in {"a": 1}
"a" in none
"a" in 5 | 1 not in [1] | [1] in [[1]]
zero and 1 | empty and 1 | 1 and zero | zero or empty | empty or zero | 1 and 2 | "a" and "b" | 0 or "x" | "" or 0
1 or v.zz
not none | not 0 | not "a" | not true == false | not "" | not [] | not {} | not 0.0 | not [0]
1 if true else 2 | 1 if false else 2 | "x" if false | ("x" if false) ~ "b" | ("x" if false) is defined
("x" if false) | upper
"abc"[1] | "abc"[-1] | "abc"[5] | "abc"[1:] | "abc"[::-1] | "abcdef"[::2] | "abc"[-2:] | [1, 2, 3][::-1]
[1, 2][5] is defined
[1, 2, 3][:2] | none[1:] | 5[1:] | [1][-1] | [1][-2] is defined | {1: 2}[1] | {1: 2}["1"] is defined | {1: 2}[1.0]
{"a": 1}.a
{"a": 1}["a"] | none.foo is defined | "a".foo is defined | 5 .foo is defined | none.foo | v.zz | v.zz.y
[1, 2].length
v.a | v["a"] | v.zz is defined | v.zz is undefined | {"items": 1}.items | {"a": 1}.items is defined
"""
FILTERS = """
-3 || abs | -3.5 || abs | "a" || abs | true || abs | {"a": 1} || attr("a") | "x" || attr("y") is defined
[1, 2, 3, 4, 5] || batch(2) | [1, 2, 3] || batch(2, "x") | [1, 2] || batch(2, "x") | [] || batch(2) | [1] || batch(0)
[1, 2, 3, 4, 5] || slice(2) | [1, 2, 3] || slice(2, "x") | [1] || slice(3) | [1, 2] || slice(2, "x") | [1] || slice(0)
"x" || bool | "" || bool | 0 || bool | [] || bool | "false" || bool | "0" || bool | none || bool
"hELLO wORLD" || capitalize | "é" || capitalize | "" || capitalize | true || capitalize
"hello-wORLD foo_bar a'b 3d" || title
[1] || chain([2], [3]) || list | {"a": 1} || chain({"b": 2, "a": 3}) | [1] || count | "é" || length
{"a": 1} || length
5 || length | none || length | true || length | v.zz || default("y") | v.zz || d | "" || default("y", true)
none || default("y") | 0 || default("y", true) | "x" || default("y") | missing || default("y")
{"b": 1, "A": 2, "c": 0} || dictsort | {"b": 1, "A": 2} || dictsort(case_sensitive=true)
{"b": 1, "A": 2} || dictsort(by="value", reverse=true) | {"b": 1, "A": 2} || dictsort(by="value")
"<a href='x/y'>&\\"</a>" || e | 5 || escape | [1, "<"] || e | "<" || safe | "<" || e || e
[] || first is defined | "abc" || first | "abc" || last | [1, 2] || last | {"a": 1} || first | none || first
none || last | [] || last
3 || float | true || float | "3" || float || string | "1e3" || float | "nan" || float | "inf" || float
none || float | "a" || float
"3.7" || int | 3.9 || int | -3.9 || int | true || int | "42" || int | "a" || int | "" || int | none || int
[1] || int | "1e3" || int
"+5" || int | "-7" || int | "0x1f" || int | false || int | "1_0" || int
"170141183460469231731687303715884105727" || int
[{"a": "x", "b": 1}, {"a": "X", "b": 2}, {"a": "y", "b": 3}] || groupby("a")
[{"a": "x", "b": 1}, {"a": "X", "b": 2}] || groupby("a", case_sensitive=true)
[{"a": 1}, {}] || groupby("a", default=5)
"a\\nb\\n\\nc" || indent(2) | "a\\nb\\n\\nc" || indent(2, true, true) | "a\\nb\\n" || indent(2) | "a\\nb" || indent
"\\na" || indent(1, true) | "a\\n\\n" || indent(2, false, true)
{"a": 1} || items | [1] || items | none || items | [1, "a", none, true, 1.0] || join | [1, 2] || join(", ")
"abc" || join("-")
{"a": 1, "b": 2} || join(",") | 5 || join | none || join | [] || join(",") | [[1]] || join | [1, 2] || join(3)
"a\\nb\\r\\nc\\n" || lines | "" || lines | "\\n" || lines | "a\\n\\nb" || lines | "a\\rb" || lines
"ab" || list | {"a": 1} || list | none || list | 5 || list | 5 || upper | none || lower | "ÄB" || lower
[1, "A"] || lower
[1, 2] || map("string") | ["a"] || map("upper") | [{"a": 1}] || map(attribute="a")
[{"a": {"b": 2}}] || map(attribute="a.b")
[{"a": 1}, {}] || map(attribute="a", default=7) | [[1, 2]] || map(attribute=0)
[{}] || map(attribute="b", default=none)
["a-b"] || map("replace", "-", "+") | [[3, 1]] || map("sort") | [1] || map("nofilter")
[[1, 2]] || map(attribute="1")
[3, 1, 2] || max | [3, 1] || min | [] || max is defined | ["a", "B"] || max | [1, "a"] || max | "abc" || max
{"a": 1} || max
{"a": 1, "b": [1, {}]} || pprint | [1, [2]] || pprint | "a" || pprint | [] || pprint | {} || pprint | 5 || pprint
[{}] || pprint
[1, 2, 3, 4] || reject("odd") | [1, 2, 3] || select("gt", 1) | [0, 1, ""] || select | [0, 1] || reject
["a"] || select("in", "abc")
[{"a": 1}, {"a": 0}] || selectattr("a") | [{"a": 1}, {"a": 0}] || rejectattr("a")
[{"a": 1}, {"a": 2}] || selectattr("a", "eq", 2)
[{"a": 1}, {}] || selectattr("a", "defined") | [{"a": 1}, {}] || rejectattr("a", "defined")
[{"a": {"b": 1}}] || selectattr("a.b")
"aXbX" || replace("X", "-") | 121 || replace(1, 3) | "abc" || replace("", "-") | "abc" || reverse | [1, 2] || reverse
{"a": 1} || reverse | 2.5 || round | -2.5 || round | 3 || round | 3.14159 || round(2) | 1234.5 || round(-2)
3 || round(1)
1.005 || round(2) | 1250 || round(-2) | "3" || round | 0.5 || round | 1.5 || round | 1e300 || round
2.675 || round(2)
["b", "A", "c"] || sort | ["b", "A"] || sort(case_sensitive=true) | [3, 1, 2] || sort(reverse=true) | "bca" || sort
[{"a": 2}, {"a": 1}] || sort(attribute="a") | [1, "a", none, 2.5, true, [1]] || sort | {"b": 1, "a": 2} || sort
[{"a": 1, "b": 1}, {"a": 1, "b": 0}] || sort(attribute="a") | ["b", "a", "B"] || sort
[{"a": {"b": 2}}, {"a": {"b": 1}}] || sort(attribute="a.b")
"a,b" || split(",") || list | " a  b " || split || list | "a,b,c" || split(",", 1) || list | "" || split || list
"" || split(",") || list
"a b c" || split(none, 1) || list | "a,b" || split(",") || last | "a b" || split || first | 5 || string
none || string | [1, "a"] || string
[] || sum | [1, 2.5] || sum | ["a"] || sum | [1, "2"] || sum | [0.1, 0.2] || sum
{"b": [1, 2], "a": "<é'&>\\"\\n"} || tojson | {"b": [1, {}], "a": []} || tojson(2) | [1] || tojson(true)
[1] || tojson(indent=2)
none || tojson | 1.0 || tojson | 1e20 || tojson | 1e-7 || tojson | (1/0) || tojson | (0/0) || tojson
{1: 2} || tojson | true || tojson
"  x\\n" || trim | "xxaxx" || trim("x") | 5 || trim | "\\t a" || trim | "xyax" || trim("xy")
["a", "A", "b", "a"] || unique | ["a", "A"] || unique(case_sensitive=true)
[{"a": 1, "b": 1}, {"a": 1}] || unique(attribute="a")
[1, 1.0, "1"] || unique | [none, none] || unique | "ÄB" || lower | "ß" || upper
"a/b c?é&=+~._-" || urlencode | {"a b": "c&d", "n": 1} || urlencode | [["a", "b"]] || urlencode | 5 || urlencode
{"a": none} || urlencode
[1, 2] || zip(["a", "b", "c"]) || list | [1] || zip || list | "x" || nofilter | "x" || upper(1)
"x" || replace("x") | -2 || abs
"abc" || upper || lower || title | [1, 2] || join("-") || upper | "x" || default | 1.5 || int
"""
TESTS = """
1 is boolean | true is boolean | 4 is divisibleby(2) | 4 is divisibleby(3) | "a" is divisibleby(2)
"abc" is endingwith("c") | "abc" is startingwith("a") | 5 is startingwith("5") | 1 is eq 1 | 1 is equalto 1
1 is == 1 | 1 is ne 1
2 is gt 1 | 2 is greaterthan 1 | 2 is ge 2 | 1 is lt 2 | 1 is lessthan 2 | 2 is le 1 | 1 is even | 1 is odd
1.5 is odd | "a" is odd
2 is even | -1 is odd | false is false | 0 is false | true is true | 1 is true | "upper" is filter | "x" is filter
"odd" is test | "x" is test
1.0 is float | 1 is float | 1.0 is integer | 1.0 is int | 1 is integer | true is integer | "a" is iterable
5 is iterable
{} is iterable | none is iterable | "a" is lower | "a b" is lower | "A" is upper | "A1" is upper | "" is upper
5 is lower
{} is mapping | [] is mapping | none is none | 0 is none | 1 is number | 1.5 is number | true is number
"1" is number
"<" || safe is safe | "<" || e is escaped | "a" is safe | 1 is sameas 1 | 1 is sameas 1.0 | "a" is sameas "a"
[] is sequence
"a" is sequence | {} is sequence | "a" is string | 1 is string | 1 is in [1] | "b" is in "abc" | 2 is not in [1]
"b" is not string
1 is defined | missing is defined | missing is undefined | 1 is notest | not v.zz is defined
"""
FUNCTIONS = """
range(3) | range(1, 3) | range(5, 0, -2) | range(0) | range(0, 10, 3) || list | range(0, 10, 0)
range(100000) || length | range(100001)
range("a") | dict(a=1) | dict({"a": 1}, b=2) | dict() | namespace(a=1).a | namespace() | nofn() | v()
"""
WHOLE = r"""
{% for a in [1,2,3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{% endfor %}
{% for a in [1,2,3] %}{{ loop.first }}{{ loop.last }},{% endfor %}
{% for a in [1,2] %}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}
{% for a in [1,2] %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}
{% for a in [1,2,3] %}{{ loop.cycle("a","b") }}{{ loop.changed(a // 2) }}{{ loop.previtem | default("-") }}{% endfor %}
{% for a in [] %}x{% else %}none{% endfor %}
{% for a in none %}x{% else %}none{% endfor %}
{% for a in 5 %}x{% endfor %}
{% for a in {"x":1,"y":2} %}{{ a }}{% endfor %}
{% for k, v in {"x":1,"y":2}|items %}{{ k }}{{ v }}{% endfor %}
{% for k, v in [[1,2,3]] %}{{ k }}{% endfor %}
{% for a in "abc" %}{{ a }}-{% endfor %}
{% for a in [1,2,3] if a > 1 %}{{ loop.index }}{{ a }}{% endfor %}
{% for a in [1,[2]] recursive %}{{ a if a is number else loop(a) }}{{ loop.depth }}{% endfor %}
{% for a in [1,2,3] %}{% if a == 2 %}{% continue %}{% endif %}{{ a }}{% endfor %}
{% for a in [1,2,3] %}{% if a == 2 %}{% break %}{% endif %}{{ a }}{% endfor %}
{% for x in [[1,2],[3,4]] %}{% for y in x %}{{ loop.index }}{{ y }}{% endfor %}{{ loop.index }}{% endfor %}
{% for g in [{"a":"x"}]|groupby("a") %}{{ g.grouper }}{{ g.list }}{{ g[0] }}{% endfor %}
{% set x = 1 %}{% for a in [1] %}{% set x = 2 %}{% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% for x in [1] %}{% set y = x %}{% endfor %}{{ y is defined }}
{% set x %}abc{% endset %}{{ x }}
{% set x | upper %}abc{% endset %}{{ x }}
{% set x | upper | replace("A", "-") %}abc{% endset %}{{ x }}
{% set x = 5 %}{% with %}{% set x = 6 %}{% endwith %}{{ x }}
{% with x = 1, y = 2 %}{{ x }}{{ y }}{% endwith %}
{% with x = 1, y = x %}{{ y }}{% endwith %}
{% set ns = namespace(a=1) %}{% for i in [1,2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}|{{ ns }}
{% set ns = {"a":1} %}{% set ns.a = 2 %}{{ ns.a }}
{% filter upper %}abc{% endfilter %}
{% filter upper|lower %}aBc{% endfilter %}
{% filter upper %}{% set q = 1 %}{% endfilter %}{{ q is defined }}
{% set z %}{% set q = 1 %}{% endset %}{{ q is defined }}
{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(a=4, b=5) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}
{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}
{% macro m() %}x{% endmacro %}{{ m(1) }}
{% macro m() %}x{% endmacro %}{{ m(b=1) }}
{% macro m(a) %}<{{ caller() }}{{ a }}>{% endmacro %}{% call m(1) %}x{% endcall %}
{% macro m() %}<{{ caller(5) }}>{% endmacro %}{% call(x) m() %}{{ x }}{% endcall %}
{% macro m() %}{{ x }}{% endmacro %}{% set x = 1 %}{{ m() }}
{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 2 %}{{ m() }}
{{ m }}{% macro m() %}{% endmacro %}
{% macro m() %}{% endmacro %}{{ m }}|{{ m.name }}
{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(3) }}
{% macro m(a=v.zz) %}{{ a|default("d") }}{% endmacro %}{{ m() }}
{% call(x) m() %}{% endcall %}
{% autoescape true %}{{ "<" }}{{ "<"|safe }}{{ "<"|e }}{{ ["<"] }}{{ 5 }}{% endautoescape %}{{ "<" }}
{% autoescape true %}{{ {"a":"<"}|tojson }}{% endautoescape %}
{% autoescape true %}{{ v.html }}{% macro m() %}<b>{% endmacro %}{{ m() }}{% endautoescape %}
{% autoescape false %}{{ "<" }}{% endautoescape %}
{% raw %}{{ x }}{% if %}{% endraw %}
{% block x %}abc{% endblock %}
{% include "x" %}
{% extends "x" %}
{% import "x" as y %}
{% from "x" import y %}
{% if 1 %}\nx\n{% endif %}\ny\n
{% if 1 %}\r\nx\r\n{% endif %}\r\ny\r\n
a\r\n{{ 1 }}\r\n\r\n
a\rb{{ 1 }}c\r\nd
{{ 1 }}\n\n
{{ 1 }} \n
{{ 1 -}} \n x {%- if 1 %} y {%- endif %}
  {%+ if 1 %}x{% endif %}
{% if false %}{% elif true %}x{% else %}y{% endif %}
{% if 0 %}a{% elif none %}b{% else %}c{% endif %}
{% if v.zz %}{% endif %}
{% if "false" %}yes{% endif %}{% if "" %}no{% endif %}
{{ "a" }
{{ 1 + }}
{% endif %}
{% for a in [1] %}
{% foo %}
{{ caller }}
{{ loop }}
$${{ 1 }}} {{ "{{ 2 }}" }} {% raw %}{{ 3 }}{% endraw %}
"""


def expressions(table: str) -> list[str]:
    cells = (cell for row in table.strip().split("\n") for cell in row.replace("||", "\0").split(" | "))
    return [f"{{{{ {cell.strip().replace(chr(0), '|')} }}}}" for cell in cells]


def whole_templates(table: str) -> list[str]:
    return [row.replace("\\n", "\n").replace("\\r", "\r") for row in table.strip("\n").split("\n")]


@pytest.mark.parametrize(
    "template",
    [
        *expressions(PRINTING),
        *expressions(OPERATORS),
        *expressions(FILTERS),
        *expressions(TESTS),
        *expressions(FUNCTIONS),
        *whole_templates(WHOLE),
    ],
)
def test_renders_as_the_format_does(oracle: minijinja.Environment, template: str) -> None:
    assert our_result(template) == oracle_result(oracle, template)


# template, what we give, what the format gives, why we differ
STRICTER = "undefined is an error in every use: rm -rf {{ var.dir | trim }}/ must never become rm -rf /"
FRIENDLIER = "Jinja2 users expect it, and the format only has an error there"
DIFFERENCES = [
    ("{{ not v.zz }}", FAILS, "true", STRICTER),
    ('{{ v.zz == "x" }}', FAILS, "false", STRICTER),
    ('{{ v.zz in ["x"] }}', FAILS, "false", STRICTER),
    ('{{ "a" ~ v.zz }}', FAILS, "a", STRICTER),
    ("{{ v.zz | upper }}", FAILS, "", STRICTER),
    ("{{ v.zz | lower }}", FAILS, "", STRICTER),
    ("{{ v.zz | trim }}", FAILS, "", STRICTER),
    ('{{ v.zz | replace("a", "b") }}', FAILS, "", STRICTER),
    ("{{ v.zz | string }}", FAILS, "", STRICTER),
    ("{{ v.zz | urlencode }}", FAILS, "", STRICTER),
    ("{{ v.zz | join }}", FAILS, "", STRICTER),
    ("{{ v.zz | int }}", FAILS, "0", STRICTER),
    ("{{ v.zz | bool }}", FAILS, "false", STRICTER),
    ("{{ v.zz | tojson }}", FAILS, "null", STRICTER),
    ("{{ [v.zz] }}", FAILS, "[undefined]", STRICTER),
    ('{{ {"a": v.zz} }}', FAILS, '{"a": undefined}', STRICTER),
    ("{{ v.zz is none }}", FAILS, "false", STRICTER),
    ('{{ [{}] | map(attribute="a") }}', FAILS, "[undefined]", STRICTER),
    ('{{ [{"a": 1}, {}] | selectattr("a") }}', FAILS, '[{"a": 1}]', STRICTER),
    ('{{ [3, 1] | sort(attribute="x") }}', FAILS, "[3, 1]", STRICTER),
    (
        '{{ v.zz.y | default("x") }}',
        "x",
        FAILS,
        "default works at any hop, so that a block that did not run needs no ladder",
    ),
    ("{{ missing.y is defined }}", "false", FAILS, "is defined works at any hop"),
    ('{{ v.a.upper() ~ " b ".strip() }}', "Xb", FAILS, FRIENDLIER),
    ('{% for k, x in {"k": 1}.items() %}{{ k }}{{ x }}{% endfor %}', "k1", FAILS, FRIENDLIER),
    ('{{ "a,b" | split(",") }}', '["a", "b"]', "<iterator>", "split gives a real list"),
    ('{{ "a,b" | split(",") | length }}', "2", FAILS, "split gives a real list"),
    ('{{ ["a,b"] | map("split", ",") | list }}', '[["a", "b"]]', "[<iterator>]", "split gives a real list"),
    ('{{ [1] | chain("ab") }}', '[1, "a", "b"]', "<iterator>", "all lists are real lists"),
    ('{{ "abc" | split("") | list }}', FAILS, '["", "a", "b", "c", ""]', "an empty separator is a mistake"),
    ('{{ " 42\n" | int }}', "42", FAILS, "text of a program ends with a newline"),
    ('{{ " 3.5 " | float }}', "3.5", FAILS, "text of a program ends with a newline"),
    ('{{ "a\nb" | indent(width=1, first=true) }}', " a\n b", FAILS, FRIENDLIER),
    ('{{ {"a": 1} | last }}', "a", FAILS, "as first does"),
    ("{{ +1 }}", "1", FAILS, FRIENDLIER),
    ("{{ 1 and 0 }}", "0", "false", "the engine folds constants in its own way; not of any use to anybody"),
    ("{% set a, b = [1, 2] %}{{ a }}{{ b }}", "12", FAILS, FRIENDLIER),
    ("{% do v.a %}", "", FAILS, FRIENDLIER),
    ("{# c #}{{ 1 }}", "{# c #}1", "1", "bash's ${#array[@]} opens no comment"),
    ("${#list[@]} {{ 1 }}", "${#list[@]} 1", FAILS, "bash's ${#array[@]} opens no comment"),
    ("{{ 1 }}\r", "1\r", "1", "a carriage return is no line end by itself"),
    ("{{ 1. }}", FAILS, "1.0", "Jinja2's lexer"),
    ("{% set loop = 1 %}{{ loop }}", "1", FAILS, "harmless"),
    ('{{ [{"a": 2, "b": 1}] | sort(attribute="a,b") }}', FAILS, '[{"a": 2, "b": 1}]', STRICTER),
    ('{{ "x" | truncate }}', FAILS, "x", "not among the filters of the format: an addition of the oracle's package"),
    ('{{ "x" | shellquote }}', "'x'", FAILS, "a filter of the format that the oracle's package lacks"),
    ('{{ "[1]" | fromjson | first }}', "1", FAILS, "our addition"),
    ("{{ [true] | all }}", "true", FAILS, "our addition"),
    ("{{ [false] | any }}", "false", FAILS, "our addition"),
    ('{{ "abc" is match("a") }}', "true", FAILS, "our addition"),
    ('{{ "abc" is search("c$") }}', "true", FAILS, "our addition"),
    ("{{ [1] is containing(1) }}", "true", FAILS, "our addition"),
]


@pytest.mark.parametrize(("template", "ours", "theirs", "reason"), DIFFERENCES)
def test_differs_from_the_format_where_that_is_meant(
    oracle: minijinja.Environment, template: str, ours: str, theirs: str, reason: str
) -> None:
    assert (our_result(template), oracle_result(oracle, template)) == (ours, theirs), reason


def test_shows_no_state_of_the_engine() -> None:
    with pytest.raises(TemplateError, match="unknown function"):
        render("{{ debug() }}", NAMES)


@pytest.mark.parametrize(
    ("value", "quoted"), [("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''"), (123, "'123'"), ("$(x)", "'$(x)'")]
)
def test_shellquote_makes_one_word_for_a_shell(value: object, quoted: str) -> None:
    assert render("{{ v | shellquote }}", {"v": value}) == quoted
