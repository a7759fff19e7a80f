"""Where YAML itself bites people who write runbooks, and how the line should read.

A suggestion is made only where it was tried: with the line quoted, the parser gets further.
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
    """The text as a YAML scalar in quotes, the kind that needs the least escaping."""
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


def line_as_quoted(line: str) -> str | None:
    """The entry of that line with its whole value in quotes, without indentation; None if it has no value to quote."""
    split = _split(line)
    return None if split is None else f"{split[0].strip()} {quote_yaml(split[1])}".strip()


def explain_fault(fault: SyntaxFault, text: str) -> SyntaxFault:
    """The fault, said in the words of the mistake behind it, where that can be told."""
    lines = split_lines(text)
    if fault.line is None:
        return fault
    for number in _suspects(fault.line, lines):
        if trap := _trap(lines, number, fault):
            return trap
    return fault


def _suspects(line: int, lines: list[str]) -> list[int]:
    """The line of the fault and the nearest one above it that says something."""
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
    """True for a mapping or a list that is written within one line, as it seems."""
    return value[:1] + value[-1:] in ("{}", "[]") and not value.startswith("{{")


def _reason_in_flow(value: str) -> str | None:
    return "to YAML a comment begins at #" if _COMMENT.search(value) else _reason(value, is_parsers=True)


def _flow_trap(lines: list[str], number: int, fault: SyntaxFault) -> SyntaxFault | None:
    """The value within brackets that wants quotes around all of it."""
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
    """What in a value makes YAML stumble. is_parsers: the fault is the parser's, not one of ours with its own hint."""
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
    """True if the parser gets beyond the line, and beyond the fault, once the line reads as mended."""
    following = [*lines[: number - 1], fixed_line, *lines[number:]]
    try:
        parse_yaml("\n".join(following))
    except SyntaxFault as next_fault:
        return next_fault.line is None or next_fault.line > max(number, fault.line or 0)
    return True


def is_cut_by_comment(value: str, line: str) -> bool:
    """True if YAML took the end of a value for a comment: a quote or a bracket is still open where `` #`` begins."""
    _, found, rest = line.partition(value) if value else ("", "", "")
    return bool(found and _COMMENT.match(rest) and _is_open(value))


def _is_open(text: str) -> bool:
    """True if the text ends within a quote or a bracket."""
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
