"""Parses templates and expressions with Jinja2's parser, set up for the runbook format.

Only the parser of Jinja2 is used. There are no comments: bash's ``${#array[@]}`` must not open one.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from ..errors import TemplateError

# Jinja2 has no way to switch comments off: these delimiters, with characters for private use, stand in no runbook.
_NO_COMMENT = ("\ue000no comment\ue001", "\ue001no comment\ue000")
# Jinja2 changes carriage returns to newlines. They are replaced by one of these, which it takes for white space.
_STAND_INS = "\x1f\x1e\x1d\x1c"
# GitHub Actions; Go: {{.Name}}, {{$x}}, {{/* note */}}, {{end}}, {{json .}}, {{printf "%s" .Name}}
_FOREIGN = re.compile(r"\$\{\{|\{\{-?\s*(?:[.$/]|(?:end|else)\b)|\{\{[^}]*[\s(|](?:[.$]\w|\.\s*(?:-?\}\}|\|))")
_ESCAPE, _ESCAPED = re.compile(r"\\(.)", re.DOTALL), "\\'\"nrtxuU"
STANDS_ALONE = "a runbook's template stands alone: no include, import or extends"
FOREIGN_HINT = "meant for another program? template: false on the block, or {% raw %}...{% endraw %} around it"
_DOUBLE_SIGNS = (
    ("&&", "write and for &&"),
    ("||", "write or for ||"),
    ("===", "compare with =="),
)
_WORDINGS = (
    ("'end of print statement'", "'}}'"),
    ("'end of statement block'", "'%}'"),
    ("expected token ", "expected "),
    ("end of template", "end of the text"),
    ("Jinja was looking for the following tags:", "Expected"),
)


def is_template(text: str) -> bool:
    """Return whether the text holds a template; any other text is never rendered."""
    return "{{" in text or "{%" in text


@cache
def _environment() -> Environment:
    return Environment(  # noqa: S701  # it renders nothing: only its lexer and parser are used
        trim_blocks=True,
        keep_trailing_newline=True,
        comment_start_string=_NO_COMMENT[0],
        comment_end_string=_NO_COMMENT[1],
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )


@lru_cache(maxsize=1024)
def parse_template(text: str) -> nodes.Template:
    """Return the syntax tree of a template, without one trailing newline.

    :raises TemplateError: if the template is invalid.
    """
    body = text.removesuffix("\n").removesuffix("\r") if text.endswith("\r\n") else text.removesuffix("\n")
    stand_in = next((char for char in _STAND_INS if char not in text), "\x1f")
    tree = _parsed(body.replace("%}\r\n", "%}\n").replace("\r", stand_in), "template")
    assert isinstance(tree, nodes.Template)
    if "\r" in body:
        _restore_returns(tree, stand_in)
    return tree


@lru_cache(maxsize=1024)
def parse_expression(source: str) -> nodes.Expr:
    """Return the syntax tree of an expression without braces.

    :raises TemplateError: if the expression is invalid.
    """
    tree = _parsed(_ESCAPE.sub(_literal, source), "expression")
    assert isinstance(tree, nodes.Expr)
    return tree


def _literal(escape: re.Match[str]) -> str:
    r"""Double a backslash that begins no usual escape, so that it stands for itself, as in ``"v(\d+)\b"``."""
    return escape[0] if escape[1] in _ESCAPED else f"\\{escape[0]}"


def _parsed(text: str, what: str) -> nodes.Node:
    try:
        if what == "template":
            return Parser(_environment(), text).parse()
        return _whole_expression(Parser(_environment(), text, state="variable"))
    except TemplateSyntaxError as error:
        hint = foreign_hint(text, error.lineno) if what == "template" else _expression_hint(text)
        raise TemplateError(f"no valid {what}: {_reworded(error.message)}", line=error.lineno, hint=hint) from error
    except RecursionError as error:
        raise TemplateError(f"the {what} is nested too deeply") from error
    except ValueError as error:
        raise TemplateError(f"no valid {what}: a number in it is too long") from error


def _whole_expression(parser: Parser) -> nodes.Expr:
    if parser.stream.eos:
        raise TemplateSyntaxError("it is empty", 1)
    expression = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError(f"unexpected {parser.stream.current.value!r}", parser.stream.current.lineno)
    return expression


def _restore_returns(tree: nodes.Node, stand_in: str) -> None:
    for data in tree.find_all(nodes.TemplateData):
        data.data = data.data.replace(stand_in, "\r")
    for const in tree.find_all(nodes.Const):
        if isinstance(const.value, str):
            const.value = const.value.replace(stand_in, "\r")


def foreign_hint(text: str, line: int) -> str | None:
    """Return a hint if the line looks like a template for another program: Go, Helm or GitHub Actions."""
    return FOREIGN_HINT if _FOREIGN.search(text.split("\n")[line - 1]) else None


def _expression_hint(text: str) -> str | None:
    if is_template(text):
        return "an expression has no braces: write it without {{ and }}"
    if re.search(r"(?<![=!<>])=(?!=)", text):
        return "compare with =="
    return next((hint for sign, hint in _DOUBLE_SIGNS if sign in text), None)


def _reworded(message: str | None) -> str:
    """Return Jinja2's message in terms of the author's text."""
    text = (message or "").rstrip(".")
    for theirs, ours in _WORDINGS:
        text = text.replace(theirs, ours)
    return text[:1].lower() + text[1:]
