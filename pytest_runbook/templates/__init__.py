"""Renders templates to text, and evaluates expressions to values.

Both have Jinja2's syntax and behave as the runbook format defines, except that an undefined value is an error.
"""

from .expression import Comparison, Explanation, Expression, ExpressionOperand
from .problems import EXPRESSION_ROOTS, LOOP_ROOTS, TEMPLATE_ROOTS, Problem, template_problems
from .renderer import render
from .syntax import is_template
from .values import Undefined, short_repr, to_text

__all__ = [
    "EXPRESSION_ROOTS",
    "LOOP_ROOTS",
    "TEMPLATE_ROOTS",
    "Comparison",
    "Explanation",
    "Expression",
    "ExpressionOperand",
    "Problem",
    "Undefined",
    "is_template",
    "render",
    "short_repr",
    "template_problems",
    "to_text",
]
