"""Parsed YAML and JSON alike: plain values in containers that know the line of everything in them."""

from __future__ import annotations

import re
from typing import NamedTuple

DEPTH_LIMIT = 100
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class EntryLocation(NamedTuple):
    """Where an entry of a container is.

    key_line: the line of the key, or of the list item. value_line: the line where the value itself begins; for a text
    in block
    style, the first line of that text. raw: a scalar that is no text as it was written (``1.10``); else None.
    """

    key_line: int
    value_line: int
    raw: str | None


class LocatedDict(dict[str, object]):
    """A mapping that knows its lines. Keys are text, as in JSON."""

    __slots__ = ("line", "locations")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.locations: dict[str, EntryLocation] = {}

    def line_of(self, key: str) -> int:
        """The line of a key's value; where the mapping begins if it has no such key."""
        location = self.locations.get(key)
        return self.line if location is None else location.value_line

    def key_line(self, key: str) -> int:
        """The line of a key; where the mapping begins if it has no such key."""
        location = self.locations.get(key)
        return self.line if location is None else location.key_line


class LocatedList(list[object]):
    """A list that knows its lines."""

    __slots__ = ("line", "locations")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.locations: list[EntryLocation] = []


class SyntaxFault(Exception):
    """What keeps a text from being parsed: a message, the line (None: the file as a whole) and a hint."""

    def __init__(self, message: str, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint


def split_lines(text: str) -> list[str]:
    """The lines of a file, as editors count them."""
    return _LINE_BREAK.split(text)


def to_builtins(value: object) -> object:
    """The value in ordinary dicts and lists, as it is handed out."""
    if isinstance(value, dict):
        return {key: to_builtins(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_builtins(item) for item in value]
    return value


def too_deep(line: int) -> SyntaxFault:
    return SyntaxFault(f"nested more than {DEPTH_LIMIT} deep", line)


def repeated_key(key: str, first: int, again: int) -> SyntaxFault:
    return SyntaxFault(f'key "{key}" is there twice: in line {first} and again here', again, "keep one of them")
