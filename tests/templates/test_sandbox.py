"""Known ways out of a Jinja2 sandbox lead nowhere here: there is no Python behind a value that could be reached."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from pytest_runbook.errors import TemplateError
from pytest_runbook.templates import Expression, render


def generator() -> Iterator[int]:
    yield 1


class Fixture:
    secret = "s3cret"

    def method(self) -> None: ...


NAMES: dict[str, object] = {
    "var": {"x": "text"},
    "fixture": Fixture(),
    "function": generator,
    "gen": generator(),
    "module": pytest,
    "cls": Fixture,
    "bound": Fixture().method,
    "lam": lambda: None,
    "ns": SimpleNamespace(f=generator, cls=Fixture, mod=pytest),
}

ESCAPES = [
    "''.__class__.__mro__[1].__subclasses__()",
    "''['__class__']",
    "() | attr('__class__')",
    "'' | attr('\\x5f\\x5fclass\\x5f\\x5f')",
    "[''] | map(attribute='__class__') | list",
    "[fixture] | map(attribute='__class__.__mro__') | list",
    "[''] | map('attr', '__class__') | list",
    "[fixture] | selectattr('__class__') | list",
    "[fixture] | groupby('__class__')",
    "[fixture] | sort(attribute='__dict__')",
    "[fixture] | unique(attribute='__class__')",
    "'{0.__class__}'.format(fixture)",
    "'{x.__class__}'.format_map({'x': 1})",
    "'%s' | format(fixture.__class__)",
    "'%s' % fixture",
    "cycler.__init__.__globals__.os.popen('id').read()",
    "joiner.__init__.__globals__",
    "lipsum.__globals__['os']",
    "namespace.__init__.__globals__",
    "range.__self__",
    "dict.__class__",
    "self.__init__.__globals__",
    "self._TemplateReference__context",
    "namespace().__class__",
    "dict().__class__.__base__",
    "fixture.__dict__",
    "fixture.method.__func__.__globals__",
    "fixture.method()",
    "function.__globals__",
    "function.__code__",
    "function()",
    "gen.gi_frame.f_globals",
    "gen.gi_code",
    "module.sys",
    "module.main()",
    "cls.secret",
    "cls()",
    "bound.__self__",
    "lam()",
    "ns.f.__globals__",
    "ns.cls.secret",
    "ns.mod.main",
    "url_for.__globals__",
    "get_flashed_messages.__globals__",
    "config.items()",
    "request.application",
    "loop.__class__",
    "caller.__globals__",
    "__import__('os')",
    "open('/etc/passwd')",
    "var.__getitem__('x')",
    "var.pop('x')",
    "var.update({'x': 1})",
    "var.setdefault('y', 1)",
    "[].append(1)",
    "'a'.encode()",
    "'a'.translate({})",
    "(1).real.__class__",
    "1.5.hex()",
    "(1).to_bytes(1, 'big')",
    "debug()",
    "'%s' % fixture.__class__",
    "'%(x.__class__)s' % {'x': fixture}",
    "'{0.__class__}' | format(fixture)",
    "('' | attr('__cla' ~ 'ss__'))",
    "''['__cla' ~ 'ss__']",
    "'' | attr(['__class', '__'] | join)",
    "'' | attr('__ssalc__' | reverse)",
    "fixture | attr('method') | attr('__globals__')",
    "fixture['method']['__func__']",
    "fixture.\uff4dethod.__func__",
    "fixture._\uff3fclass__",
    "gen.send(None)",
    "gen.gi_yieldfrom",
    "gen.throw(1)",
    "function.__closure__",
    "function.__defaults__",
    "function.__kwdefaults__",
    "bound.__func__",
    "cls.__subclasses__()",
    "cls.mro()",
    "ns.__dict__",
    "ns.mod.__builtins__",
    "module.__loader__",
    "[fixture] | map(attribute='method.__func__') | list",
    "[fixture] | rejectattr('__class__') | list",
    "[fixture] | sum(attribute='__class__')",
    "[fixture] | join(attribute='__class__')",
    "[fixture] | min(attribute='__class__')",
    "[fixture] | max(attribute='__class__')",
    "{'x': fixture} | dictsort | map(attribute='1.__class__') | list",
    "[1] | map('__import__') | list",
    "['id'] | map('open') | list",
    "fixture | pprint | attr('__class__')",
    "fixture | tojson",
    "lipsum()",
    "cycler('a').__class__",
    "joiner().__init__",
    "namespace(a=1).__init__.__globals__",
    "range(1).__class__",
    "dict(a=1).__class__",
    "_()",
    "gettext.__globals__",
    "self",
    "super()",
    "varargs",
    "kwargs",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_way_out_of_a_template(escape: str) -> None:
    with pytest.raises(TemplateError):
        render("{{ " + escape + " }}", NAMES)


@pytest.mark.parametrize("escape", ESCAPES)
def test_no_way_out_of_an_expression(escape: str) -> None:
    with pytest.raises(TemplateError):
        Expression(escape).evaluate(NAMES)


@pytest.mark.parametrize(
    "template",
    [
        "{% set x = namespace() %}{% set x.__class__ = 1 %}{{ x.__class__.__base__ }}",
        "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
        "{% for x in [1] %}{{ loop._renderer }}{% endfor %}",
        "{% for x in [1] %}{{ loop.call([[1]], {}) }}{% endfor %}",
        "{% macro m() %}{% endmacro %}{{ m._node }}",
        "{% macro m() %}{% endmacro %}{{ m.__class__ }}",
        "{% macro m() %}{% endmacro %}{{ m.call }}",
        "{% macro m() %}{% endmacro %}{{ [m] | map(attribute='_renderer') | list }}",
        "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
        "{% set var.x = 1 %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{% extends var.x %}",
    ],
)
def test_no_way_out_of_a_statement(template: str) -> None:
    with pytest.raises(TemplateError):
        render(template, NAMES)


def test_a_namespace_key_with_underscores_is_only_a_key() -> None:
    assert render("{% set n = namespace() %}{% set n.__class__ = 1 %}{{ n.__class__ }}", {}) == "1"


def test_values_are_never_changed() -> None:
    names = {"var": {"list": [2, 1], "map": {"a": 1}}}

    render("{{ var.list | sort }}{{ var.list | reverse }}{{ var.list + [3] }}{% set var = 1 %}{% set x = var %}", names)

    assert names == {"var": {"list": [2, 1], "map": {"a": 1}}}
