"""Translates the messages of PyYAML's parsers, libyaml's and the one in Python, into plain words."""

from __future__ import annotations

import re

import yaml

from .located import SyntaxFault, too_deep

# The parser's message -> our message, and its hint. {opened}: the line where the construct begins.
_TRANSLATIONS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), message, hint)
    for pattern, message, hint in (
        (
            r"quoted scalar.*(unexpected end of stream|document indicator|document separator)",
            "the quote that opens in line {opened} is never closed",
            "close it, or quote the whole value with the other kind of quote",
        ),
        (
            r"flow (sequence|mapping)|flow node",
            "the bracket that opens in line {opened} is not closed where it should be",
            "close it, or quote the whole value if the bracket is part of a text",
        ),
        (
            r"tab",
            "a tab in the indentation, which YAML does not allow",
            "indent with spaces",
        ),
        (
            r"mapping values are not allowed",
            'a ": " where no key can stand',
            'indent the keys of one mapping alike; quote a value that has ": " in it',
        ),
        (
            r"expected ':'",
            "line {opened} is neither a key with a value nor an entry of a list",
            "a key ends with a colon; a text of several lines is written as a block: key: |",
        ),
        (
            r"block mapping|block collection|block end|expected key|'-' indicator|block sequence entries",
            "the line does not fit in with those above it",
            "indent it as its neighbours are; begin each entry of a list with -",
        ),
        (
            r"escape (character|code)|hexadecimal",
            "a backslash in double quotes that YAML does not know",
            "use single quotes, or a block: key: |",
        ),
        (
            r"cannot start any token",
            "a character that can't begin a value",
            "quote the whole value",
        ),
        (
            r"document start|document indicator|directive",
            "text where a document should begin or end",
            "one file holds one document",
        ),
    )
)


def translate_yaml_error(error: yaml.MarkedYAMLError) -> SyntaxFault:
    """Return the fault behind an error of the parser, at the line to look at."""
    parser_message = " ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else mark.line + 1
    opened = line if error.context_mark is None else error.context_mark.line + 1
    if line is not None and "maximum nesting depth" in parser_message:
        return too_deep(line)
    for pattern, message, hint in _TRANSLATIONS:
        if pattern.search(parser_message):
            where = opened if "{opened}" in message else line
            return SyntaxFault(f"not valid YAML: {message.format(opened=opened)}", where, hint)
    return SyntaxFault(f"not valid YAML: {parser_message}", line)
