"""Expressions of assert, when, capture and others: stricter than templates, and explained when they fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import nodes

from ..errors import RunbookError, TemplateError
from .evaluator import FILTER_NAMES, Evaluator
from .problems import EXPRESSION_ROOTS, Problem, problem_of, tree_problems
from .rules import STRICT
from .syntax import parse_expression
from .unparse import operator_sign, unparse
from .values import Kind, SafeText, kind_of, to_text

_OPPOSITES = {
    "eq": "ne",
    "ne": "eq",
    "lt": "gteq",
    "gteq": "lt",
    "gt": "lteq",
    "lteq": "gt",
    "in": "notin",
    "notin": "in",
}
_NUMBER = r"(?:0|[1-9][0-9]{0,14})"
_LITERAL = rf"""-?{_NUMBER}(?:\.[0-9]{{1,9}})?|"[^"\\\r\n]*"|'[^'\\\r\n]*'|true|false|none"""
_SIMPLE_EXPRESSION = re.compile(
    rf"(?:{'|'.join(EXPRESSION_ROOTS)})(?:\.[A-Za-z_][A-Za-z0-9_]*|\[{_NUMBER}\])*"
    rf"(?: ?\| ?(?:{'|'.join(sorted(FILTER_NAMES, key=len, reverse=True))}))*"
    rf"(?: ?(?:[=!<>]=|[<>]) ?(?:{_LITERAL}))?"
)
"""Matches an expression that is certainly valid: a value, optional filters, an optional comparison with a literal.

It is not parsed when its file is loaded: parsing expressions would take most of the time for collecting a runbook.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionOperand:
    """A part of an expression that decided its result. source: its text. value: may be `Undefined`."""

    source: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison that decided an expression.

    op: as it is written: ``==``, ``not in``.
    is_right_expected: True if the right side is the expected value and the left one the actual; else reversed.
    """

    op: str
    left: object
    right: object
    left_source: str
    right_source: str
    is_right_expected: bool = True

    @property
    def expected(self) -> object:
        return self.right if self.is_right_expected else self.left

    @property
    def actual(self) -> object:
        return self.left if self.is_right_expected else self.right


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The result of an expression, and what decided it.

    holds: True if the expression is true. error: why it could not be evaluated; `holds` is False then.
    operands: the parts that decided the result, without literals.
    comparison: the comparison that made it false; None if it is true, or no single comparison decided.
    """

    holds: bool
    value: object = None
    error: RunbookError | None = None
    operands: tuple[ExpressionOperand, ...] = ()
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression over ``output``, ``var``, ``env`` and others, written without braces."""

    source: str

    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with the expression, as far as it is known without evaluating it."""
        return _problems(self.source)

    def evaluate(self, names: Mapping[str, object]) -> object:
        """Return the value of the expression.

        :raises TemplateError: if it is invalid, uses something undefined, or compares what can't be compared.
        """
        tree = parse_expression(self.source)
        evaluator = Evaluator(names, STRICT)
        with evaluator.guarded():
            return _plain(evaluator.value(tree))

    def holds(self, names: Mapping[str, object]) -> bool:
        """Return whether the expression is true.

        :raises TemplateError: if it can't be evaluated, or is a text that may mean true or false.
        """
        explanation = self.explain(names)
        if explanation.error is not None:
            raise explanation.error
        return explanation.holds

    def explain(self, names: Mapping[str, object]) -> Explanation:
        """Return whether the expression is true, and what decided it. Errors are returned, not raised.

        Nothing is evaluated twice: the explanation uses the values that the evaluation has seen.
        """
        seen: dict[int, object] = {}
        evaluator = Evaluator(names, STRICT, seen)
        try:
            tree = parse_expression(self.source)
            with evaluator.guarded():
                unparse(tree)  # an expression that is nested too deeply to be shown fails here, and not in a report
        except RunbookError as error:
            return Explanation(holds=False, error=error)
        try:
            with evaluator.guarded():
                value = evaluator.value(tree)
                holds = _holds(tree, value)
        except RunbookError as error:
            return Explanation(holds=False, error=error, operands=_operands(tree, seen))
        comparison = None if holds else _comparison(tree, seen)
        return Explanation(holds=holds, value=_plain(value), operands=_operands(tree, seen), comparison=comparison)


@lru_cache(maxsize=4096)
def _problems(source: str) -> tuple[Problem, ...]:
    if _SIMPLE_EXPRESSION.fullmatch(source):
        return ()
    try:
        return tuple(tree_problems(parse_expression(source), EXPRESSION_ROOTS))
    except TemplateError as error:
        return (problem_of(error),)


def _plain(value: object) -> object:
    """Return plain text in place of `SafeText`, which only templates know."""
    return to_text(value) if isinstance(value, SafeText) else value


def _holds(tree: nodes.Expr, value: object) -> bool:
    if kind_of(value) is Kind.TEXT:
        if _is_literal(tree):
            raise TemplateError("a text in quotes is always true", hint="write the expression without quotes around it")
        if not to_text(value).strip():
            raise TemplateError(f"{unparse(tree)} is an empty text", hint='compare it: == "" or != ""')
    return STRICT.truth(value)


def _is_literal(node: nodes.Node) -> bool:
    match node:
        case nodes.Const() | nodes.TemplateData():
            return True
        case nodes.Neg() | nodes.List() | nodes.Tuple() | nodes.Dict() | nodes.Pair():
            return all(map(_is_literal, node.iter_child_nodes()))
    return False


def _operands(tree: nodes.Node, seen: Mapping[int, object]) -> tuple[ExpressionOperand, ...]:
    """Return the evaluated parts that decided the expression, without literals, each text once."""
    values = {
        unparse(node): seen[id(node)] for node in _inputs(tree, seen) if id(node) in seen and not _is_literal(node)
    }
    return tuple(ExpressionOperand(source=source, value=value) for source, value in values.items())


def _inputs(node: nodes.Node, seen: Mapping[int, object]) -> Iterator[nodes.Node]:
    match node:
        case nodes.And() | nodes.Or():
            for side in _deciding_sides(node, seen):
                yield from _inputs(side, seen)
        case nodes.Not():
            yield from _inputs(node.node, seen)
        case nodes.CondExpr():
            yield from _inputs(node.test, seen)
            yield from (branch for branch in (node.expr1, node.expr2) if branch is not None)
        case nodes.Compare():
            for side in (node.expr, *(operand.expr for operand in node.ops)):
                yield from _with_unfiltered(side)
        case nodes.Test():
            yield from _with_unfiltered(node.node)
            yield from node.args
        case _:
            yield from _with_unfiltered(node)


def _with_unfiltered(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield a node, and the node below its filters if it has any."""
    yield node
    unfiltered = node
    while isinstance(unfiltered, nodes.Filter) and unfiltered.node is not None:
        unfiltered = unfiltered.node
    if unfiltered is not node:
        yield unfiltered


def _deciding_sides(node: nodes.And | nodes.Or, seen: Mapping[int, object]) -> tuple[nodes.Expr, ...]:
    """Return the side that alone failed, or made the expression false (and) or true (or); else both sides."""
    needs_both = isinstance(node, nodes.And)
    if id(node.left) not in seen or _is_true(seen[id(node.left)]) is not needs_both:
        return (node.left,)
    is_by_both = id(node.right) in seen and _is_true(seen[id(node.right)]) is needs_both
    return (node.left, node.right) if is_by_both else (node.right,)


def _is_true(value: object) -> bool:
    try:
        return STRICT.truth(value)
    except TemplateError:
        return False


def _comparison(tree: nodes.Expr, seen: Mapping[int, object]) -> Comparison | None:
    """Return the comparison that alone decided the expression; None if there is none."""
    node: nodes.Node = tree
    is_negated = False
    while not isinstance(node, nodes.Compare):
        match node:
            case nodes.And() | nodes.Or() if len(sides := _deciding_sides(node, seen)) == 1:
                (node,) = sides
            case nodes.Not():
                node, is_negated = node.node, not is_negated
            case _:
                return None
    left, operand = _last_pair(node, seen)
    if id(operand.expr) not in seen:
        return None
    return Comparison(
        op=operator_sign(_OPPOSITES[operand.op] if is_negated else operand.op),
        left=seen[id(left)],
        right=seen[id(operand.expr)],
        left_source=unparse(left),
        right_source=unparse(operand.expr),
        is_right_expected=_is_literal(operand.expr) or not _is_literal(left),
    )


def _last_pair(node: nodes.Compare, seen: Mapping[int, object]) -> tuple[nodes.Expr, nodes.Operand]:
    """Return the last pair of a chain ``a < b < c`` that was compared: the one that failed, if one did."""
    lefts = [node.expr, *(operand.expr for operand in node.ops)]
    compared = [pair for pair in zip(lefts, node.ops, strict=False) if id(pair[1].expr) in seen]
    return compared[-1] if compared else (node.expr, node.ops[0])
