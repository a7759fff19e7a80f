"""Prints the syntax tree of an expression as text, for messages and reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from jinja2 import nodes

_SIGNS = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}
# The precedence of each kind of expression. Kinds that are missing never need parentheses.
_TIGHTNESS: Mapping[type[nodes.Node], int] = {
    nodes.CondExpr: 0,
    nodes.Or: 1,
    nodes.And: 2,
    nodes.Not: 3,
    nodes.Compare: 4,
    nodes.Concat: 5,
    nodes.Add: 6,
    nodes.Sub: 6,
    nodes.Mul: 7,
    nodes.Div: 7,
    nodes.FloorDiv: 7,
    nodes.Mod: 7,
    nodes.Pow: 8,
    nodes.Neg: 9,
    nodes.Pos: 9,
    nodes.Filter: 10,
    nodes.Test: 10,
}
_POSTFIX = 11


def operator_sign(op: str) -> str:
    """Return a comparison operator as it is written: ``==`` for ``eq``."""
    return _SIGNS[op]


@lru_cache(maxsize=4096)
def unparse(node: nodes.Node) -> str:
    """Return the expression as text on one line."""
    # Cached by the node's identity: a tree is parsed once and explained often.
    write = _WRITERS.get(type(node))
    return type(node).__name__.lower() if write is None else write(node)


def _within(node: nodes.Node, tightness: int) -> str:
    text = unparse(node)
    return f"({text})" if _TIGHTNESS.get(type(node), 99) < tightness else text


def _const(node: nodes.Const) -> str:
    if isinstance(node.value, str):
        return json.dumps(node.value, ensure_ascii=False)
    return {"None": "none", "True": "true", "False": "false"}.get(repr(node.value), repr(node.value))


def _getitem(node: nodes.Getitem) -> str:
    arg = node.arg
    is_text = isinstance(arg, nodes.Const) and isinstance(arg.value, str)
    return f"{_within(node.node, _POSTFIX)}[{repr(arg.value) if is_text else unparse(arg)}]"  # type: ignore[attr-defined]  # a Const


def _slice(node: nodes.Slice) -> str:
    start, stop = (unparse(part) if part is not None else "" for part in (node.start, node.stop))
    return f"{start}:{stop}" + (f":{unparse(node.step)}" if node.step is not None else "")


def _arguments(node: nodes.Call | nodes.Filter | nodes.Test) -> str:
    named = (f"{pair.key}={unparse(pair.value)}" for pair in node.kwargs)
    return ", ".join([*map(unparse, node.args), *named])


def _call(node: nodes.Call) -> str:
    return f"{_within(node.node, _POSTFIX)}({_arguments(node)})"


def _filter(node: nodes.Filter) -> str:
    arguments = _arguments(node)
    value = "" if node.node is None else f"{_within(node.node, 10)} "
    return f"{value}| {node.name}" + (f"({arguments})" if arguments else "")


def _test(node: nodes.Test, word: str = "is") -> str:
    arguments = _arguments(node)
    return f"{_within(node.node, 10)} {word} {node.name}" + (f"({arguments})" if arguments else "")


def _compare(node: nodes.Compare) -> str:
    rest = (f" {_SIGNS[operand.op]} {_within(operand.expr, 5)}" for operand in node.ops)
    return _within(node.expr, 5) + "".join(rest)


def _not(node: nodes.Not) -> str:
    if isinstance(node.node, nodes.Test):
        return _test(node.node, "is not")
    return f"not {_within(node.node, 3)}"


def _conditional(node: nodes.CondExpr) -> str:
    otherwise = "" if node.expr2 is None else f" else {unparse(node.expr2)}"
    return f"{_within(node.expr1, 1)} if {_within(node.test, 1)}{otherwise}"


def _listed(items: Iterable[nodes.Node]) -> str:
    return ", ".join(map(unparse, items))


def _binary(sign: str) -> Callable[[nodes.BinExpr], str]:
    def write(node: nodes.BinExpr) -> str:
        tightness = _TIGHTNESS[type(node)]
        return f"{_within(node.left, tightness)} {sign} {_within(node.right, tightness + 1)}"

    return write


_WRITERS: Mapping[type[nodes.Node], Callable[..., str]] = {
    nodes.Name: lambda node: node.name,
    nodes.NSRef: lambda node: f"{node.name}.{node.attr}",
    nodes.Const: _const,
    nodes.TemplateData: lambda node: json.dumps(node.data, ensure_ascii=False),
    nodes.Tuple: lambda node: f"({_listed(node.items)}{',' if len(node.items) == 1 else ''})",
    nodes.List: lambda node: f"[{_listed(node.items)}]",
    nodes.Dict: lambda node: f"{{{_listed(node.items)}}}",
    nodes.Pair: lambda node: f"{unparse(node.key)}: {unparse(node.value)}",
    nodes.Getattr: lambda node: f"{_within(node.node, _POSTFIX)}.{node.attr}",
    nodes.Getitem: _getitem,
    nodes.Slice: _slice,
    nodes.Call: _call,
    nodes.Filter: _filter,
    nodes.Test: _test,
    nodes.Compare: _compare,
    nodes.Not: _not,
    nodes.Neg: lambda node: f"-{_within(node.node, 9)}",
    nodes.Pos: lambda node: f"+{_within(node.node, 9)}",
    nodes.CondExpr: _conditional,
    nodes.Concat: lambda node: " ~ ".join(_within(part, 6) for part in node.nodes),
    nodes.And: _binary("and"),
    nodes.Or: _binary("or"),
    nodes.Add: _binary("+"),
    nodes.Sub: _binary("-"),
    nodes.Mul: _binary("*"),
    nodes.Div: _binary("/"),
    nodes.FloorDiv: _binary("//"),
    nodes.Mod: _binary("%"),
    nodes.Pow: _binary("**"),
}
