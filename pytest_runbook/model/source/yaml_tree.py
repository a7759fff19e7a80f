"""Parses YAML into located values: the core schema of YAML 1.2, on the parser of PyYAML or libyaml's if that is there.

The tree is made from the parser's events, and not by PyYAML's composer. That keeps lines, refuses repeated keys, is
twice as fast, and bounds the nesting before anything recurses: libyaml's composer crashes the process on deep brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias

import yaml

from .located import DEPTH_LIMIT, EntryLocation, LocatedDict, LocatedList, SyntaxFault, repeated_key, too_deep
from .yaml_errors import translate_yaml_error

EXPANDED_LIMIT = 100_000

# The stubs of PyYAML leave out what its events carry.
YamlEvent: TypeAlias = Any

_LOADER: type[yaml.CSafeLoader] | type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALAR, _ALIAS = yaml.ScalarEvent, yaml.AliasEvent
_MAPPING_END, _LIST_END = yaml.MappingEndEvent, yaml.SequenceEndEvent
_NO_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MORE_BREAKS = re.compile("[\x85\u2028\u2029]")
_PARSER_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_CONSTANTS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TYPED_STARTS = frozenset("-+.0123456789~nNtTfF")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,999})")
_DIGITS = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"([-+]?)0(?:x([0-9a-fA-F]{1,1000})|o([0-7]{1,1000})|b([01]{1,1000}))")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def resolve_scalar(text: str) -> object:
    """Return the value of a plain scalar by the core schema of YAML 1.2.

    What YAML 1.1 takes for something else (yes, on, 007, 1_000, 12:30, 2024-01-31, <<) is text.
    """
    if text and text[0] not in _TYPED_STARTS:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return _number(text)


def _number(text: str) -> object:
    if _DECIMAL.fullmatch(text):
        return int(text)
    if match := _BASED.fullmatch(text):
        return _based(*match.groups())
    if _FLOAT.fullmatch(text) and not _DIGITS.fullmatch(text):
        number = float(text)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def _based(sign: str, hexadecimal: str | None, octal: str | None, binary: str | None) -> int:
    number = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(binary or "0", 2)
    return -number if sign == "-" else number


def parse_yaml(text: str) -> object:
    """Return the value of a YAML document.

    :raises SyntaxFault: if it is not YAML, not a single document, or uses what is refused here: repeated keys, tags,
        deep nesting, aliases that expand to too much.
    """
    if match := _NO_YAML.search(text):
        raise _control_character(text, match.start())
    lines = _true_lines(text)
    try:
        return _Composer(text, lines).document()
    except yaml.MarkedYAMLError as error:
        fault = translate_yaml_error(error)
        if lines is not None and fault.line is not None:
            fault.line = _line_in(lines, fault.line - 1)
        raise fault from error
    except yaml.YAMLError as error:
        raise SyntaxFault(f"not valid YAML: {error}") from error


def _control_character(text: str, position: int) -> SyntaxFault:
    code = ord(text[position])
    line = text.count("\n", 0, position) + 1
    hint = f'in double quotes it can be written: "\\x{code:02x}"' if code < 256 else None
    return SyntaxFault(f"control character U+{code:04X}, which YAML does not allow", line, hint)


def _true_lines(text: str) -> list[int] | None:
    """Return the 1-based lines as editors count them by the lines of the parser; None if they are the same.

    The parser takes three more characters for line breaks.
    """
    if not _MORE_BREAKS.search(text):
        return None
    lines = [1]
    for match in _PARSER_BREAKS.finditer(text):
        lines.append(lines[-1] if _MORE_BREAKS.match(match[0]) else lines[-1] + 1)
    return lines


def _line_in(lines: list[int], index: int) -> int:
    return lines[min(index, len(lines) - 1)]


def _relined(following: Callable[[], YamlEvent], lines: list[int]) -> Callable[[], YamlEvent]:
    """Return a source of the parser's events with the lines as editors count them."""

    def event_with_line() -> YamlEvent:
        event = following()
        event.start_mark = SimpleNamespace(line=_line_in(lines, event.start_mark.line) - 1)
        return event

    return event_with_line


@dataclass(slots=True)
class _Anchored:
    """A value that aliases may repeat. nodes: the values in it, aliases expanded. height: its levels of nesting."""

    value: object
    nodes: int
    height: int
    raw: str | None


class _Composer:
    """Makes one value of the events of the parser."""

    def __init__(self, text: str, lines: list[int] | None) -> None:
        following: Callable[[], YamlEvent] = _LOADER(text).get_event
        self._next = following if lines is None else _relined(following, lines)
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._expanded = 0
        self._peak = 0

    def document(self) -> object:
        self._next()
        event = self._next()
        if type(event) is yaml.StreamEndEvent:
            return None
        value = self._value(self._next(), 0)
        self._next()
        end = self._next()
        if type(end) is not yaml.StreamEndEvent:
            hint = "one file holds one runbook: split it"
            raise SyntaxFault("a second YAML document begins here", end.start_mark.line + 1, hint)
        return value

    def _value(self, event: YamlEvent, depth: int) -> object:
        kind = type(event)
        if kind is _SCALAR:
            return self._scalar(event)[0]
        if kind is _ALIAS:
            return self._alias(event, depth).value
        line = event.start_mark.line + 1
        if depth >= DEPTH_LIMIT:
            raise too_deep(line)
        if event.tag is not None:
            raise _unsupported_tag(event.tag, line)
        if depth >= self._peak:
            self._peak = depth + 1
        if event.anchor is not None:
            return self._anchored_container(event, depth)
        self._nodes += 1
        return self._mapping(line, depth + 1) if kind is yaml.MappingStartEvent else self._list(line, depth + 1)

    def _mapping(self, line: int, depth: int) -> LocatedDict:
        mapping = LocatedDict(line)
        locations = mapping.locations
        following = self._next
        while type(event := following()) is not _MAPPING_END:
            key_line = event.start_mark.line + 1
            key = self._key(event, key_line)
            if key in mapping:
                raise repeated_key(key, locations[key].key_line, key_line)
            mapping[key], locations[key] = self._entry(following(), key_line, depth)
        return mapping

    def _list(self, line: int, depth: int) -> LocatedList:
        items = LocatedList(line)
        while type(event := self._next()) is not _LIST_END:
            value, location = self._entry(event, event.start_mark.line + 1, depth)
            items.append(value)
            items.locations.append(location)
        return items

    def _entry(self, event: YamlEvent, key_line: int, depth: int) -> tuple[object, EntryLocation]:
        line = event.start_mark.line + 1
        if type(event) is _SCALAR:
            value, raw = self._scalar(event)
            return value, EntryLocation(key_line, line + 1 if event.style in ("|", ">") else line, raw)
        if type(event) is _ALIAS:
            anchored = self._alias(event, depth)
            return anchored.value, EntryLocation(key_line, line, anchored.raw)
        return self._value(event, depth), EntryLocation(key_line, line, None)

    def _key(self, event: YamlEvent, line: int) -> str:
        if type(event) is not _SCALAR:
            raise SyntaxFault("a key must be text", line, "quote it if braces or brackets are part of a text")
        self._scalar(event)
        text: str = event.value
        return text

    def _scalar(self, event: YamlEvent) -> tuple[object, str | None]:
        if event.tag is not None:
            raise _unsupported_tag(event.tag, event.start_mark.line + 1)
        self._nodes += 1
        text: str = event.value
        value = text if event.style else resolve_scalar(text)
        raw = None if value is text else text
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, 0, raw)
        return value, raw

    def _anchored_container(self, event: YamlEvent, depth: int) -> object:
        before, peak = self._nodes, self._peak
        anchor, self._peak = event.anchor, depth + 1
        self._anchors.pop(anchor, None)
        event.anchor = None
        value = self._value(event, depth)
        self._anchors[anchor] = _Anchored(value, self._nodes - before, self._peak - depth, None)
        self._peak = max(peak, self._peak)
        return value

    def _alias(self, event: YamlEvent, depth: int) -> _Anchored:
        line = event.start_mark.line + 1
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            hint = "quote the value if the star is part of a text"
            raise SyntaxFault(f'alias "*{event.anchor}" names no anchor above it', line, hint)
        if depth + anchored.height > DEPTH_LIMIT:
            raise too_deep(line)
        self._nodes += anchored.nodes
        self._expanded += anchored.nodes
        self._peak = max(self._peak, depth + anchored.height)
        if self._expanded > EXPANDED_LIMIT:
            raise SyntaxFault(f"aliases repeat more than {EXPANDED_LIMIT:,} values", line)
        return anchored


def _unsupported_tag(tag: str, line: int) -> SyntaxFault:
    return SyntaxFault(f'YAML tag "{tag}" is not supported', line, "quote the value if the mark is part of a text")
