"""Finds the names that a template or an expression may read, without evaluating it."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import nodes

from ..errors import TemplateError
from .syntax import is_template, parse_expression, parse_template


@lru_cache(maxsize=4096)
def names_under(root: str, text: str, *, is_expression: bool = False) -> frozenset[str] | None:
    """Return the names below a root that a text may read, such as ``a`` of ``var.a``; None if it may read any of them.

    An invalid text reads nothing.
    """
    if root not in text or not (is_expression or is_template(text)):
        return frozenset()
    try:
        tree: nodes.Node = parse_expression(text) if is_expression else parse_template(text)
    except TemplateError:
        return frozenset()
    named = [name for node in (tree, *tree.find_all(nodes.Node)) if (name := _name_below(root, node)) is not None]
    mentioned = sum(node.name == root for node in (tree, *tree.find_all(nodes.Name)) if isinstance(node, nodes.Name))
    # A root that is used without a constant key, as in var[name] or a loop over var, may read any of its names.
    return frozenset(named) if mentioned == len(named) else None


def _name_below(root: str, node: nodes.Node) -> str | None:
    match node:
        case nodes.Getattr(node=nodes.Name(name=name), attr=attr) if name == root:
            return attr
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(key))) if name == root:
            return key
    return None
