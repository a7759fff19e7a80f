"""Explains common mistakes of YAML in runbooks, and shows how the line should read.

A suggestion is made only after a trial: with the line quoted, the parser must get further.
"""

from __future__ import annotations

import re

from .located import SyntaxFault, split_lines
from .yaml_tree import parse_yaml

_ENTRY = re.compile(r"(?P<lead>[ ]*(?:-[ ]+)*(?:[\w.#-]+[ ]*:[ ]+)?)(?P<value>\S.*)")
_FLOW_BEGIN = re.compile(r"(?P<key>[\w.#-]+: +)(?![{\[])|(?<=[\[,])[ ]*(?=[\"'])")
_FLOW_END = re.compile(r"(?=,[ ]+[\w.#-]+:)|(?=,[ ]*[\"'])|(?=[ ]*[}\]]+[ ]*$)|(?=[ ]*\]|[ ]*\})")
_NEXT_KEY = re.compile(r",[ ]+[\w.#-]+:")
_MAX_CANDIDATES = 8
_LONGEST = 1000
_TAB = re.compile(r" *\t")
_COMMENT = re.compile(r"[ \t]+#")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_CLOSED_QUOTES = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""")


def quote_yaml(text: str) -> str:
    """Return a text as a YAML scalar in the kind of quotes that needs the least escaping."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def line_as_quoted(line: str) -> str | None:
    """Return the entry of a line with its value in quotes, without indentation; None if it has no value."""
    split = _split(line)
    return None if split is None else f"{split[0].strip()} {quote_yaml(split[1])}".strip()


def explain_fault(fault: SyntaxFault, text: str) -> SyntaxFault:
    """Return the fault explained as a known mistake; unchanged if it is not one."""
    lines = split_lines(text)
    if fault.line is None:
        return fault
    for number in _suspects(fault.line, lines):
        if trap := _trap(lines, number, fault):
            return trap
    return fault


def _suspects(line: int, lines: list[str]) -> list[int]:
    """Return the line of the fault and the nearest line above it that is not empty."""
    above = (number for number in range(min(line - 1, len(lines)), 0, -1) if lines[number - 1].strip())
    return [number for number in (line, next(above, 0)) if 0 < number <= len(lines)]


def _trap(lines: list[str], number: int, fault: SyntaxFault) -> SyntaxFault | None:
    line = lines[number - 1]
    if _TAB.match(line):
        return SyntaxFault("a tab in the indentation, which YAML does not allow", number, "indent with spaces")
    split = _split(line)
    if split is None:
        return None
    lead, value = split
    if _is_flow(value) and fault.message.startswith("not valid YAML"):
        return _flow_trap(lines, number, fault)
    reason = _reason(value, is_parsers=fault.message.startswith("not valid YAML"))
    if reason is None or not _fixes(lines, number, lead + quote_yaml(value), fault):
        return None
    return SyntaxFault(f"not valid YAML: {reason}", number, f"quote the whole value: {line_as_quoted(line)}")


def _split(line: str) -> tuple[str, str] | None:
    match = _ENTRY.fullmatch(line.rstrip()) if len(line) <= _LONGEST else None
    return None if match is None else (match["lead"], match["value"])


def _is_flow(value: str) -> bool:
    """Return True for a mapping or a list that seems to be written within one line."""
    return value[:1] + value[-1:] in ("{}", "[]") and not value.startswith("{{")


def _reason_in_flow(value: str) -> str | None:
    return "to YAML a comment begins at #" if _COMMENT.search(value) else _reason(value, is_parsers=True)


def _flow_trap(lines: list[str], number: int, fault: SyntaxFault) -> SyntaxFault | None:
    """Explain a fault within brackets by the value that needs quotes."""
    line = lines[number - 1]
    for begin in list(_FLOW_BEGIN.finditer(line))[:_MAX_CANDIDATES]:
        for end in list(_FLOW_END.finditer(line, begin.end()))[:_MAX_CANDIDATES]:
            value = line[begin.end() : end.start()]
            reason = _reason_in_flow(value) if value and not _NEXT_KEY.search(value) else None
            if reason and _fixes(
                lines, number, f"{line[: begin.end()]}{quote_yaml(value)}{line[end.start() :]}", fault
            ):
                hint = f"quote the whole value: {begin['key'] or ''}{quote_yaml(value)}"
                return SyntaxFault(f"not valid YAML: {reason}", number, hint)
    return None


def _reason(value: str, *, is_parsers: bool) -> str | None:
    """Return why YAML fails on a value; None if the reason is unknown.

    is_parsers: True for a fault of the parser; False for one of ours, which has a hint of its own.
    """
    if value.startswith("{{"):
        return "an unquoted value that begins with {{ is a mapping to YAML"
    if not is_parsers or _is_open(value):
        return None
    if value[0] in "\"'":
        closed = _CLOSED_QUOTES.match(value)
        return "more text after a text in quotes" if closed and closed.end() < len(value) else None
    if value[0] in "@`%*&!|>{[":
        return f"an unquoted value can't begin with {value[0]}"
    if ": " in value or value.endswith(":"):
        return 'an unquoted value with ": " in it is a mapping to YAML'
    return None


def _fixes(lines: list[str], number: int, fixed_line: str, fault: SyntaxFault) -> bool:
    """Return True if with the fixed line the parser gets beyond the line and beyond the fault."""
    following = [*lines[: number - 1], fixed_line, *lines[number:]]
    try:
        parse_yaml("\n".join(following))
    except SyntaxFault as next_fault:
        return next_fault.line is None or next_fault.line > max(number, fault.line or 0)
    return True


def is_cut_by_comment(value: str, line: str) -> bool:
    """Return True if YAML took the end of a value for a comment.

    That is so if a quote or a bracket is still open where `` #`` begins.
    """
    _, found, rest = line.partition(value) if value else ("", "", "")
    return bool(found and _COMMENT.match(rest) and _is_open(value))


def _is_open(text: str) -> bool:
    """Return True if the text ends within a quote or a bracket."""
    quote = ""
    brackets: list[str] = []
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "([{":
            brackets.append(sign)
        elif sign in _PAIRS and brackets and brackets[-1] == _PAIRS[sign]:
            brackets.pop()
    return bool(quote or brackets)
