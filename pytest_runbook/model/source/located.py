"""The values of parsed YAML and JSON: plain values in containers that know the lines of their entries."""

from __future__ import annotations

import re
from typing import NamedTuple

DEPTH_LIMIT = 100
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class EntryLocation(NamedTuple):
    """The location of an entry of a container. It knows no file: one is made for each entry of each file.

    key_line: the line of the key, or of the list item.
    value_line: the line where the value begins; for a text in block style, the first line of that text.
    raw: a scalar that is not text, as it was written (``1.10``); None for any other value.
    """

    key_line: int
    value_line: int
    raw: str | None


class LocatedDict(dict[str, object]):
    """A mapping with its lines. The keys are text, as in JSON."""

    __slots__ = ("line", "locations")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.locations: dict[str, EntryLocation] = {}

    def line_of(self, key: str) -> int:
        """Return the line of a key's value; the line of the mapping if it has no such key."""
        location = self.locations.get(key)
        return self.line if location is None else location.value_line

    def key_line(self, key: str) -> int:
        """Return the line of a key; the line of the mapping if it has no such key."""
        location = self.locations.get(key)
        return self.line if location is None else location.key_line


class LocatedList(list[object]):
    """A list with its lines."""

    __slots__ = ("line", "locations")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.locations: list[EntryLocation] = []


class SyntaxFault(Exception):
    """A syntax error in a text. line: None if it concerns the file as a whole."""

    def __init__(self, message: str, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint


def split_lines(text: str) -> list[str]:
    """Return the lines of a file as editors count them."""
    return _LINE_BREAK.split(text)


def to_builtins(value: object) -> object:
    """Return a value in ordinary dicts and lists."""
    if isinstance(value, dict):
        return {key: to_builtins(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_builtins(item) for item in value]
    return value


def too_deep(line: int) -> SyntaxFault:
    return SyntaxFault(f"nested more than {DEPTH_LIMIT} deep", line)


def repeated_key(key: str, first: int, again: int) -> SyntaxFault:
    return SyntaxFault(f'key "{key}" is there twice: in line {first} and again here', again, "keep one of them")
