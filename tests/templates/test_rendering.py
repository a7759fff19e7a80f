"""What rendering promises: text without templates as it stands, once, strict about names, over any mapping."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runbook.errors import RunbookError, TemplateError, Unreachable
from pytest_runbook.templates import is_template, render


class Lazy(Mapping[str, object]):
    """A mapping that is no dict and counts what is read."""

    def __init__(self, **values: object) -> None:
        self.values_by_key = values
        self.read: list[str] = []

    def __getitem__(self, key: str) -> object:
        self.read.append(key)
        return self.values_by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)


def failure(text: str, **names: object) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        render(text, names)
    return caught.value


@given(st.text().filter(lambda text: not is_template(text)))
def test_text_without_templates_stands_for_itself(text: str) -> None:
    assert render(text, {}) == text


@given(st.text(alphabet='{}%#-+ \n\r"|.()[]:,=~*abcdefinorstvx019_', max_size=60))
def test_nothing_but_a_template_error_comes_out_of_any_text(text: str) -> None:
    with contextlib.suppress(TemplateError):
        render("{{" + text, {"var": {"a": "1"}})


@pytest.mark.parametrize("text", ["plain", "{# no comment #}", "${#array[@]}", "{ { x } }", "trailing\n", "a\r\nb\r"])
def test_only_braces_make_a_template(text: str) -> None:
    assert not is_template(text)
    assert render(text, {}) == text


def test_values_are_never_rendered_again() -> None:
    assert render("{{ var.out }}", {"var": {"out": "{{ env.TOKEN }}{% if %}"}}) == "{{ env.TOKEN }}{% if %}"


def test_one_trailing_newline_goes_when_something_is_rendered() -> None:
    assert render("{{ 1 }}\n\n", {}) == "1\n"


def test_comment_signs_are_text() -> None:
    assert render('echo ${#list[@]} {# x #} {{ "y" }}', {}) == "echo ${#list[@]} {# x #} y"


@pytest.mark.parametrize(
    ("template", "name", "line"),
    [
        ("{{ var.base }}", "var.base", 1),
        ("x\n{{ doc.named['x'].output }}", "doc.named['x']", 2),
        ('{{ doc.named["a b"] }}', "doc.named['a b']", 1),
        ("{{ var.a.b.c }}", "var.a", 1),
        ("{{ rows[3] }}", "rows[3]", 1),
        ("{{ rows[0].x }}", "rows[0].x", 1),
        ("a\nb\n{% if missing %}{% endif %}", "missing", 3),
        ("{% for x in var.list %}{% endfor %}", "var.list", 1),
        ("{{ var.x | upper }}", "var.x", 1),
        ("{{ var.x | trim }}", "var.x", 1),
        ("{{ 'a' ~ var.x }}", "var.x", 1),
        ("{{ not var.x }}", "var.x", 1),
        ("{{ [var.x] }}", "var.x", 1),
        ("{{ {'a': var.x} }}", "var.x", 1),
        ("{{ var.x == 'a' }}", "var.x", 1),
        ("{{ var.x in ['a'] }}", "var.x", 1),
        ("{{ var.x is none }}", "var.x", 1),
        ("{{ var.x or 'a' }}", "var.x", 1),
        ("{{ 'a' if var.x else 'b' }}", "var.x", 1),
        ("{{ 'abc'[var.x] }}", "var.x", 1),
        ("{{ range(var.x) }}", "var.x", 1),
        ("{% set a = var.x %}", "var.x", 1),
        ("{% with a = var.x %}{% endwith %}", "var.x", 1),
        ("{{ 'a' | replace('a', var.x) }}", "var.x", 1),
        ("{{ rows | map(attribute='x') }}", "item.x", 1),
    ],
)
def test_an_undefined_value_is_an_error_that_knows_its_name_and_line(template: str, name: str, line: int) -> None:
    error = failure(template, var={"dir": "/srv"}, doc={"named": {}}, rows=[{"a": 1}])

    assert (error.name, error.line) == (name, line)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ var.x | default('d') }}", "d"),
        ("{{ var.x.y.z | default('d') }}", "d"),
        ("{{ doc.named['a'].output.stdout | default('') }}", ""),
        ("{{ var.x | d(var.y) | d('z') }}", "z"),
        ("{{ var.x | default(var.y | default('z')) }}", "z"),
        ("{{ var.dir | default(var.nothing) }}", "/srv"),
        ("{{ var.dir | default(var.nothing, true) }}", "/srv"),
        ("{{ '' | default('x', boolean=true) }}{{ 0 | default('y', false) }}", "x0"),
        ("{{ [none, 0, ''] | map('default', 5, true) | list }}", "[5, 5, 5]"),
        ("{{ (var.x if true else 1) | default('d') }}", "d"),
        ("{{ var.x is defined }}", "false"),
        ("{{ var.x.y is undefined }}", "true"),
        ("{% if var.x is defined and var.x.y %}a{% else %}b{% endif %}", "b"),
        ("{{ 'a' if false }}", ""),
        ("{{ rows | map(attribute='x', default='-') | join }}", "-"),
        ("{{ rows | selectattr('x', 'undefined') | length }}", "1"),
        ("{{ [] | first | default('none') }}", "none"),
        ("{{ [] | max | default(0) }}", "0"),
    ],
)
def test_what_may_be_undefined(template: str, text: str) -> None:
    names = {"var": {"dir": "/srv"}, "doc": {"named": {}}, "rows": [{"a": 1}]}

    assert render(template, names) == text


def test_a_default_that_is_undefined_itself_is_an_error() -> None:
    assert failure("{{ var.x | default(var.y) }}", var={}).name == "var.y"


@pytest.mark.parametrize(
    ("template", "hint"),
    [
        ("{{ var.bsae }}", "did you mean base? var has base, stage"),
        ("{{ var.zzz }}", "var has base, stage"),
        ("{{ empty.x }}", "empty is empty"),
        ("{{ rows[2] }}", "rows is a list of 2"),
        ("{{ var.base.x }}", "var.base is text, which has no keys; | fromjson parses JSON"),
        ("{{ nil.x }}", "nil is none, which has no x"),
        ("{{ vra.base }}", "did you mean var? known: var, empty, rows, nil, many"),
        ("{{ many.x }}", "many has k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11 and 38 more"),
    ],
)
def test_an_undefined_name_shows_what_there_is(template: str, hint: str) -> None:
    names = {
        "var": {"base": "http://x", "stage": "test"},
        "empty": {},
        "rows": [1, 2],
        "nil": None,
        "many": {f"k{number}": number for number in range(50)},
    }

    assert failure(template, **names).hint == hint


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ v }}", '{"a": 1, "b": {"c": [1, 2]}}'),
        ("{{ v | tojson }}", '{"a":1,"b":{"c":[1,2]}}'),
        ("{{ v.a }}{{ v['a'] }}{{ v | length }}{{ 'a' in v }}{{ 'z' in v }}", "112truefalse"),
        ("{% for k in v %}{{ k }}{% endfor %}{% for k, x in v | items %}{{ k }}{% endfor %}", "abab"),
        ("{{ v.items() | length }}{{ v.keys() }}{{ v.get('z', 5) }}{{ v.b.values() }}", '2["a", "b"]5[[1, 2]]'),
        ("{{ v == {'a': 1, 'b': {'c': [1, 2]}} }}{{ {'a': 1} == v }}", "truefalse"),
        ("{{ v is mapping }}{{ v | dictsort | first | first }}{{ v | list }}", 'truea["a", "b"]'),
        ("{{ v is containing({'b': {'c': [1, 2]}}) }}", "true"),
        ("{{ [v] | map(attribute='b.c') | first }}", "[1, 2]"),
    ],
)
def test_any_mapping_works_like_a_dict(template: str, text: str) -> None:
    assert render(template, {"v": Lazy(a=1, b=Lazy(c=(1, 2)))}) == text


def test_only_the_names_that_are_used_are_read() -> None:
    names = Lazy(var={"a": "1"}, secret={"token": "x"})

    render("{{ var.a }}", names)

    assert names.read == ["var"]


def test_an_error_of_ours_passes_as_it_is() -> None:
    class Gone(Lazy):
        def __getitem__(self, key: str) -> object:
            raise Unreachable("no connection to vault")

    with pytest.raises(Unreachable, match="no connection to vault"):
        render("{{ secret.token }}", {"secret": Gone()})


def test_an_error_of_a_value_is_reported_as_ours() -> None:
    class Broken(Lazy):
        def __getitem__(self, key: str) -> object:
            raise OSError("disk on fire")

    assert failure("\n{{ v.x }}", v=Broken()).line == 2
    assert "disk on fire" in failure("{{ v.x }}", v=Broken()).message


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ price }}", "0.10"),
        ("{{ [price] }}", "[0.10]"),
        ("{{ big }}", "100000"),
        ("{{ price == 0.1 }}", "true"),
        ("{{ price < 0.2 and price > 0 }}", "true"),
        ("{{ price + 1 }}", "1.10"),
        ("{{ price * 0.5 }}", "0.050"),
        ("{{ price | round(1) }}", "0.1"),
        ("{{ price | tojson }}", "0.10"),
        ("{{ price | int }}", "0"),
        ("{{ big // 3 }}{{ '|' }}{{ big % 7 }}", "33333|5"),
        ("{{ [price, 0.05] | min }}", "0.05"),
        ("{{ price in [0.1] }}", "true"),
        ("{{ price / 0 }}", "inf"),
    ],
)
def test_a_decimal_prints_its_digits_and_counts_as_a_number(template: str, text: str) -> None:
    assert render(template, {"price": Decimal("0.10"), "big": Decimal("1E+5")}) == text


@dataclasses.dataclass
class Service:
    host: str
    port: int
    _password: str = "hunter2"

    def stop(self) -> str:
        raise AssertionError("a template must not call this")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ s.host }}:{{ s.port }}", "web-1:80"),
        ("{{ s._password is defined }}", "false"),
        ("{{ s.stop is defined }}", "false"),
        ("{{ s.__class__ is defined }}", "false"),
        ("{{ s['host'] }}", "web-1"),
        ("{{ n.inner.x }}", "1"),
        ("{{ [s] | map(attribute='port') | first }}", "80"),
    ],
)
def test_public_attributes_of_other_objects_can_be_read(template: str, text: str) -> None:
    names = {"s": Service("web-1", 80), "n": SimpleNamespace(inner=SimpleNamespace(x=1))}

    assert render(template, names) == text


def test_methods_of_other_objects_are_never_called() -> None:
    assert failure("{{ s.stop() }}", s=Service("a", 1)).message == "an object has no method stop"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ ' a '.strip() }}|{{ 'xay'.strip('xy') }}|{{ 'a'.upper() }}|{{ 'A'.lower() }}", "a|a|A|a"),
        ("{{ 'a,b'.split(',') }}|{{ 'a b'.split() }}|{{ 'a\\nb'.splitlines() }}", '["a", "b"]|["a", "b"]|["a", "b"]'),
        ("{{ 'abc'.startswith('a') }}{{ 'abc'.endswith(('x', 'c')) }}", "truetrue"),
        ("{{ ','.join(['a', 1]) }}|{{ 'aXa'.replace('X', '-') }}|{{ 'a b'.title() }}", "a,1|a-a|A B"),
        ("{{ 'v1.2'.removeprefix('v') }}|{{ 'a.txt'.removesuffix('.txt') }}|{{ 'aba'.count('a') }}", "1.2|a|2"),
        ("{{ 'abc'.find('c') }}|{{ '12'.isdigit() }}|{{ 'k=v'.partition('=') }}", '2|true|["k", "=", "v"]'),
        ("{{ {'a': 1}.get('a') }}|{{ {'a': 1}.get('b', 2) }}|{{ {'a': 1}.get('b') }}", "1|2|none"),
        ("{{ {'items': 1}.items }}|{{ {'a': 1}.items() }}|{{ {'a': 1}.values() }}", '1|[["a", 1]]|[1]'),
        ("{{ [1, 2].index(2) }}|{{ [1, 1].count(1) }}", "1|2"),
    ],
)
def test_methods_that_people_expect_work(template: str, text: str) -> None:
    assert render(template, {}) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ 'a'.format('b') }}", "has no method format"),
        ("{{ {'items': 1}.items() }}", "has no method items"),
        ("{{ var.x.pop() }}", "has no method pop"),
        ("{{ [1].append(2) }}", "has no method append"),
        ("{{ 'a'.upper('x') }}", "upper can't take these arguments"),
        ("{{ 'a' | upper(1, 2) }}", "upper can't take these arguments"),
        ("{{ 'a' | indent }}", "indent can't take these arguments"),
        ("{{ [1] | map }}", "map wants the name of a filter"),
        ("{{ 'a' | batch('x') }}", "the count must be a whole number"),
        ("{{ 'a' | upper(*[1]) }}", "arguments can't be unpacked"),
        ("{{ 'abc' | int }}", 'text "abc" is no whole number'),
        ("{{ 'a' | fromjson }}", 'text "a" is no JSON'),
        ("{{ 5 | fromjson }}", "number 5 is no JSON text"),
        ("{{ s | tojson }}", "object has no JSON form"),
        ("{{ 'a' is match('(') }}", "is no regular expression"),
        ("{{ 5 is match('5') }}", "number 5 is no text"),
        ("{{ 'a' + 1 }}", 'text "a" + number 1 does not work'),
        ("{{ {[1]: 2} }}", "can't be a key"),
        ("{{ 5 | join }}", "number 5 can't be looped over"),
        ("{{ [1, 2][::0] }}", "a slice can't have a step of 0"),
        ("{{ 'a'['b':] }}", 'text "b" is no index'),
        ("{% set x.y = 1 %}", "x is no namespace"),
        ("{% for a, b in [[1]] %}{% endfor %}", "can't be unpacked into 2 names"),
        ("{% macro m() %}{% endmacro %}{{ m(1) }}", "m takes 0 arguments, not 1"),
        ("{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "m takes no argument b"),
        ("{% for a in [1] %}{{ loop([2]) }}{% endfor %}", "wants one list and a loop that is recursive"),
    ],
)
def test_a_wrong_use_is_a_plain_sentence(template: str, message: str) -> None:
    assert message in failure(template, var={"x": {}}, s=object()).message


def test_errors_are_runbook_errors_with_their_line() -> None:
    error = failure("one\n\n{{ 'x' | int }}")

    assert isinstance(error, RunbookError)
    assert error.line == 3


@pytest.mark.parametrize(
    ("text", "parsed"),
    [('{"a": [1, null, true]}', '{"a": [1, none, true]}'), ("[1.5]", "[1.5]"), ('"x"', "x"), (" 5\n", "5")],
)
def test_fromjson_returns_typed_values(text: str, parsed: str) -> None:
    assert render("{{ v | fromjson }}", {"v": text}) == parsed
