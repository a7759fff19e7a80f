"""Finds problems of templates and expressions before anything runs: syntax errors and unknown names of all kinds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from jinja2 import nodes

from ..errors import TemplateError
from ..text import nearest
from .evaluator import FILTER_NAMES, FUNCTIONS, TEST_NAMES, unknown_filter, unknown_function, unknown_name
from .extracts import parsed_path
from .methods import METHOD_NAMES
from .predicates import check_pattern
from .syntax import FOREIGN_HINT, STANDS_ALONE, foreign_hint, is_template, parse_template
from .unparse import unparse

TEMPLATE_ROOTS = ("var", "env", "doc", "block", "host", "fixture", "secret", "workspace", "runbook")
LOOP_ROOTS = (*TEMPLATE_ROOTS, "each", "loop")
EXPRESSION_ROOTS = ("output", *LOOP_ROOTS)
_LOOP_METHODS = frozenset({"cycle", "changed"})


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a template or an expression. line: 1-based within the text."""

    message: str
    line: int
    hint: str | None = None


@lru_cache(maxsize=4096)
def template_problems(text: str, roots: tuple[str, ...] = TEMPLATE_ROOTS) -> tuple[Problem, ...]:
    """Return the problems of a template that are known without evaluating it; none for a text without templates.

    roots: the names that are defined outside of the template.
    """
    if not is_template(text):
        return ()
    try:
        tree = parse_template(text)
    except TemplateError as error:
        return (problem_of(error),)
    found = tuple(tree_problems(tree, roots))
    return tuple(_with_foreign_hint(problem, text) for problem in found)


def problem_of(error: TemplateError, line: int = 1) -> Problem:
    return Problem(error.message, error.line or line, error.hint)


def tree_problems(tree: nodes.Node, roots: Collection[str]) -> Iterator[Problem]:
    """Yield the problems of a syntax tree in the order of the text.

    roots: the names that are defined outside of it.
    """
    walked = _walked(tree)
    names = {*roots, *_names_set(walked)}
    for node in walked:
        check = _CHECKS.get(type(node))
        if check is not None:
            error = check(node, names)
            if error is not None:
                yield problem_of(error, node.lineno)


def _with_foreign_hint(problem: Problem, text: str) -> Problem:
    return replace(problem, hint=foreign_hint(text, problem.line) or problem.hint)


def _names_set(tree: Iterable[nodes.Node]) -> Iterator[str]:
    for node in tree:
        match node:
            case nodes.Name(name=name, ctx="store" | "param"):
                yield name
            case nodes.Macro(name=name):
                yield from (name, "caller")
            case nodes.For():
                yield "loop"


def _walked(tree: nodes.Node) -> list[nodes.Node]:
    """Return all nodes in their order, except the names of called functions, which have a check of their own."""

    found: list[nodes.Node] = []
    open_nodes = [tree]
    while open_nodes:
        node = open_nodes.pop()
        found.append(node)
        children = [*node.iter_child_nodes()]
        if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name):
            children.remove(node.node)
        open_nodes += reversed(children)
    return found


def _check_name(node: nodes.Name, names: Collection[str]) -> TemplateError | None:
    if node.ctx != "load" or node.name in names:
        return None
    if nearest(node.name, names) is None and "output" not in names:
        return TemplateError(f'unknown name "{node.name}"', hint=f"known: {', '.join(sorted(names))}; {FOREIGN_HINT}")
    return unknown_name("name", node.name, names)


def _check_filter(node: nodes.Filter, names: Collection[str]) -> TemplateError | None:
    if node.name not in FILTER_NAMES:
        return unknown_filter(node.name)
    match node:
        case nodes.Filter(name="map", args=[nodes.Const(value=str(name)), *_]) if name not in FILTER_NAMES:
            return unknown_filter(name)
        case nodes.Filter(name="select" | "reject", args=[nodes.Const(value=name), *_]) if name not in TEST_NAMES:
            return unknown_name("test", str(name), TEST_NAMES)
        case nodes.Filter(name="selectattr" | "rejectattr", args=[_, nodes.Const(value=name), *_]) if (
            name not in TEST_NAMES
        ):
            return unknown_name("test", str(name), TEST_NAMES)
        case nodes.Filter(name="regex", args=[nodes.Const(value=pattern), *_]):
            return _error_of(check_pattern, pattern)
        case nodes.Filter(name="jmespath", args=[nodes.Const(value=str(path)), *_]):
            return _error_of(parsed_path, path)
    return None


def _check_test(node: nodes.Test, names: Collection[str]) -> TemplateError | None:
    if node.name not in TEST_NAMES:
        return unknown_name("test", node.name, TEST_NAMES)
    match node:
        case nodes.Test(name="match" | "search", args=[nodes.Const(value=pattern)]):
            return _error_of(check_pattern, pattern)
    return None


def _error_of(read: Callable[[Any], object], text: object) -> TemplateError | None:
    try:
        read(text)
    except TemplateError as error:
        return error
    return None


def _check_call(node: nodes.Call, names: Collection[str]) -> TemplateError | None:
    match node.node:
        case nodes.Name(name=name):
            return None if name in names or name in FUNCTIONS else unknown_function(name)
        case nodes.Getattr(attr=name):
            methods = METHOD_NAMES | _LOOP_METHODS
            return None if name in methods else unknown_name("method", name, methods)
    return TemplateError(f"{unparse(node.node)} can't be called")


def _check_unsupported(node: nodes.Node, names: Collection[str]) -> TemplateError | None:
    return TemplateError(STANDS_ALONE, hint=FOREIGN_HINT)


_CHECKS: Mapping[type[nodes.Node], Callable[..., TemplateError | None]] = {
    nodes.Name: _check_name,
    nodes.Filter: _check_filter,
    nodes.Test: _check_test,
    nodes.Call: _check_call,
    **dict.fromkeys((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends), _check_unsupported),
}
