"""Expressions: what assert, when and capture say. Stricter than templates, and able to explain themselves."""

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
"""A value, perhaps through filters, perhaps compared with a literal, in which nothing can be wrong. It is not parsed
before it is evaluated: that is what most of the time for collecting a runbook would go into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionOperand:
    """A part of an expression that decided it. value: `Undefined` where it is not there."""

    source: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison that decided an expression.

    op: as it is written: ``==``, ``not in``.
    is_right_expected: the right side is what was expected, the left one what came; else the other way round.
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
    """Whether an expression holds, and what decided that.

    error: why it could not be evaluated; it does not hold then.
    operands: the parts that decided it, without literals. comparison: what made it false, if one comparison did.
    """

    holds: bool
    value: object = None
    error: RunbookError | None = None
    operands: tuple[ExpressionOperand, ...] = ()
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression over ``output``, ``var``, ``env`` ..., written without braces."""

    source: str

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with it, as far as that can be said without evaluating it."""
        return _problems(self.source)

    def evaluate(self, names: Mapping[str, object]) -> object:
        """What it is worth.

        :raises TemplateError: if it is invalid, or uses something undefined, or compares what can't be compared.
        """
        tree = parse_expression(self.source)
        evaluator = Evaluator(names, STRICT)
        with evaluator.guarded():
            return _plain(evaluator.value(tree))

    def holds(self, names: Mapping[str, object]) -> bool:
        """Whether it is true.

        :raises TemplateError: if it can't be evaluated, or is a text of which nobody can say whether it means true.
        """
        explanation = self.explain(names)
        if explanation.error is not None:
            raise explanation.error
        return explanation.holds

    def explain(self, names: Mapping[str, object]) -> Explanation:
        """Whether it is true and what decided that. Nothing is evaluated twice; errors are told, not raised."""
        seen: dict[int, object] = {}
        evaluator = Evaluator(names, STRICT, seen)
        try:
            tree = parse_expression(self.source)
            with evaluator.guarded():
                unparse(tree)  # what is nested too deeply to be shown fails like what is too deep to evaluate
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
    """The value without what only templates need to know of it."""
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
    """The evaluated, non-literal inputs of what decided the expression, each source once."""
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
    """A value, and the value from which its filters made it."""
    yield node
    unfiltered = node
    while isinstance(unfiltered, nodes.Filter) and unfiltered.node is not None:
        unfiltered = unfiltered.node
    if unfiltered is not node:
        yield unfiltered


def _deciding_sides(node: nodes.And | nodes.Or, seen: Mapping[int, object]) -> tuple[nodes.Expr, ...]:
    """The side that alone failed or made the expression false (and) or true (or); both where it took both."""
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
    """The comparison that alone decided the expression, if one did."""
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
    """The pair of a chain that was compared last: the one that failed, if one did."""
    lefts = [node.expr, *(operand.expr for operand in node.ops)]
    compared = [pair for pair in zip(lefts, node.ops, strict=False) if id(pair[1].expr) in seen]
    return compared[-1] if compared else (node.expr, node.ops[0])
