"""The key ``expect``: shapes that parts of an output must have.

A mapping requires at least its keys, a list exactly its items, ``/regex/`` a text in which that is found, ``<number>``
a type. Any other value requires itself. Keys that begin with ``$`` are operators on the whole value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...errors import unknown_name_message
from ..runbook import Expectation
from ..source.located import to_builtins
from ..source.mapping_reader import MappingReader, describe_type, excerpt
from .key import Schema

EXPECT: Schema = {"type": "object", "minProperties": 1}
SHAPE_TYPES = ("text", "number", "boolean", "list", "mapping", "none", "any", "absent")
SHAPE_OPERATORS = ("$length", "$contains", "$each", "$equals")
TYPE_PATTERN = re.compile(r"<(\w+)>")
REGEX_PATTERN = re.compile(r"/(.+)/", re.DOTALL)
_EXAMPLE = "expect: {status: 200}"
_HOP = re.compile(r"""\.?(?P<name>[\w-]+)|\[(?P<index>-?\d+)\]|\[(?P<quote>["'])(?P<key>.*?)(?P=quote)\]""")


def expectations(reader: MappingReader, key: str) -> tuple[Expectation, ...]:
    """Read the shapes of parts of an output, by the paths of the parts; add a fault for each that is wrong."""
    inner = reader.mapping(key, _EXAMPLE)
    if inner is None:
        return ()
    reader.check_not_empty(key, _EXAMPLE)
    found = []
    for path, value in inner.values.items():
        hops = _hops(path)
        if hops is None:
            inner.add_fault(
                path, f'"{excerpt(path)}" is not a path', 'like body_json.items[0].name, or labels["a.b/c"]'
            )
            continue
        for message, hint in _faults(value):
            inner.add_fault(path, f"{key} {excerpt(path)}: {message}", hint)
        location = reader.source.location.at(inner.values.key_line(path))
        found.append(Expectation(path=hops, source=path, value=to_builtins(value), location=location))
    return tuple(found)


def _hops(path: str) -> tuple[str | int, ...] | None:
    """Return the keys and indexes of a path; None if it is not a path."""
    hops: list[str | int] = []
    position = 0
    while position < len(path):
        match = _HOP.match(path, position)
        if match is None or (match[0].startswith(".") and not hops):
            return None
        hops.append(int(match["index"]) if match["index"] else match["name"] or match["key"])
        position = match.end()
    return tuple(hops) if hops and isinstance(hops[0], str) else None


def _faults(value: object) -> Iterator[tuple[str, str | None]]:
    """Yield the faults of a shape: messages and hints."""
    if isinstance(value, str):
        yield from _text_faults(value)
    elif isinstance(value, list):
        for item in value:
            yield from _faults(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key.startswith("$") and key not in SHAPE_OPERATORS:
                yield unknown_name_message("operator", excerpt(key), SHAPE_OPERATORS)
            elif key == "$length" and not _is_length(item):
                yield f"$length must be a whole number, not {describe_type(item)}", "$length: 3"
            elif key != "$equals":
                yield from _faults(item)


def _is_length(shape: object) -> bool:
    """Return True for a whole number, a template that may render to one, and the type that matches any."""
    is_made = isinstance(shape, str) and ("{{" in shape or shape == "<number>")
    return is_made or (isinstance(shape, int) and not isinstance(shape, bool))


def _text_faults(text: str) -> Iterator[tuple[str, str | None]]:
    named, regex = TYPE_PATTERN.fullmatch(text), REGEX_PATTERN.fullmatch(text)
    if named and named[1] not in SHAPE_TYPES:
        message, hint = unknown_name_message("type", named[1], SHAPE_TYPES)
        yield message, f'{hint}; for the text itself: {{$equals: "{excerpt(text)}"}}'
    if regex and "{{" not in text:
        try:
            re.compile(regex[1])
        except (re.error, OverflowError, RecursionError) as error:
            yield (
                f"{excerpt(text)} is not a regular expression: {error}",
                f'for the text itself: {{$equals: "{excerpt(text)}"}}',
            )
