"""Parses JSON into located values.

JSON is not parsed as YAML, which refuses its surrogate pairs, tabs and very long keys.
"""

from __future__ import annotations

import json
import re

from .located import DEPTH_LIMIT, EntryLocation, LocatedDict, LocatedList, SyntaxFault, repeated_key, too_deep

_SPACE = re.compile(r"[ \t\n\r]*")
_OPEN_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*)')
_STRING = re.compile(_OPEN_STRING.pattern + '"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_]\w*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONSTANTS: dict[str, object] = {"null": None, "true": True, "false": False}
_DIGITS_LIMIT = 1000


def parse_json(text: str, *, only_line: int | None = None) -> object:
    """Return the value of a JSON text.

    only_line: the line of everything in it, for a JSON text that is itself a value in a file.

    :raises SyntaxFault: if it is not JSON, is nested too deep, or repeats a key.
    """
    parser = _Parser(text, only_line)
    parser.skip_space()
    value, _ = parser.value(0)
    parser.skip_space()
    if parser.position < len(text):
        raise parser.fault("more text after the end of the JSON value")
    return value


class _Parser:
    """Parses one value at a position, and counts lines on the way."""

    def __init__(self, text: str, only_line: int | None) -> None:
        self._text = text
        self._line = 1
        self._only_line = only_line
        self.position = 0

    @property
    def line(self) -> int:
        return self._only_line or self._line

    def fault(self, message: str, hint: str | None = None) -> SyntaxFault:
        return SyntaxFault(f"not valid JSON: {message}", self.line, hint)

    def skip_space(self) -> str:
        """Go to the next token. Return its first character, "" at the end."""
        match = _SPACE.match(self._text, self.position)
        if match is not None and match.end() > self.position:
            self._line += self._text.count("\n", self.position, match.end())
            self.position = match.end()
        return self._text[self.position : self.position + 1]

    def value(self, depth: int) -> tuple[object, str | None]:
        """Parse the value that begins here. Return it, and its text as written if it is a scalar but not text."""
        start = self._text[self.position : self.position + 1]
        if start == '"':
            return self._string(), None
        if start in ("{", "["):
            if depth >= DEPTH_LIMIT:
                raise too_deep(self.line)
            self.position += 1
            return (self._object(depth + 1) if start == "{" else self._array(depth + 1)), None
        return self._scalar(start)

    def _object(self, depth: int) -> LocatedDict:
        mapping = LocatedDict(self.line)
        closed = self.skip_space() == "}"
        while not closed:
            key, key_line = self._key(), self.line
            if key in mapping:
                raise repeated_key(key, mapping.locations[key].key_line, key_line)
            if self.skip_space() != ":":
                raise self.fault(f"expected : after the key{self._seen()}")
            self.position += 1
            self.skip_space()
            line = self.line
            mapping[key], raw = self.value(depth)
            mapping.locations[key] = EntryLocation(key_line, line, raw)
            closed = self._after_entry("}")
        self.position += 1
        return mapping

    def _array(self, depth: int) -> LocatedList:
        items = LocatedList(self.line)
        closed = self.skip_space() == "]"
        while not closed:
            line = self.line
            value, raw = self.value(depth)
            items.append(value)
            items.locations.append(EntryLocation(line, line, raw))
            closed = self._after_entry("]")
        self.position += 1
        return items

    def _after_entry(self, end: str) -> bool:
        """Go to the next entry of a container. Return True if it ends instead."""
        sign = self.skip_space()
        if sign == end:
            return True
        if sign != ",":
            raise self.fault(f"expected , or {end}{self._seen()}")
        self.position += 1
        if self.skip_space() == end:
            raise self.fault(f"a comma before {end}", "JSON allows no comma after the last entry")
        return False

    def _key(self) -> str:
        if self._text[self.position : self.position + 1] != '"':
            raise self.fault(f"expected a key in double quotes{self._seen()}")
        return self._string()

    def _string(self) -> str:
        match = _STRING.match(self._text, self.position)
        if match is None:
            raise self._broken_string()
        self.position = match.end()
        text = match[1]
        if "\\" in text:
            text = str(json.loads(match[0]))
        if _SURROGATE.search(text):
            raise self.fault("half of a surrogate pair (\\ud800 to \\udfff), which stands for no character")
        return text

    def _broken_string(self) -> SyntaxFault:
        rest = _OPEN_STRING.match(self._text, self.position)
        after = "" if rest is None else self._text[rest.end() : rest.end() + 1]
        if after == "\\":
            return self.fault("an unknown escape in a text", "a backslash is written \\\\")
        if after:
            return self.fault("a line break or control character in a text", "a line break is written \\n")
        return self.fault("a text whose quotes are never closed")

    def _scalar(self, start: str) -> tuple[object, str]:
        match = _NUMBER.match(self._text, self.position) or _WORD.match(self._text, self.position)
        if match is None:
            raise self.fault(f"expected a value{self._seen()}", self._hint(start))
        raw = match[0]
        if match.re is _WORD and raw not in _CONSTANTS:
            raise self.fault(f"expected a value{self._seen()}", "a text is written in double quotes")
        self.position = match.end()
        return (_CONSTANTS[raw] if match.re is _WORD else self._number(match)), raw

    def _number(self, match: re.Match[str]) -> int | float:
        if len(match[0]) > _DIGITS_LIMIT:
            raise self.fault(f"a number of more than {_DIGITS_LIMIT:,} digits")
        if match[1] is None and match[2] is None:
            return int(match[0])
        number = float(match[0])
        if number in (float("inf"), float("-inf")):
            raise self.fault(f"the number {match[0][:40]} is too large")
        return number

    def _hint(self, start: str) -> str | None:
        hints = {"'": "a text is written in double quotes", "/": "JSON has no comments", "#": "JSON has no comments"}
        return hints.get(start)

    def _seen(self) -> str:
        rest = self._text[self.position : self.position + 20].split()
        return f', not "{rest[0]}"' if rest else ", not the end of the file"
