"""The keys that hold expressions and regular expressions."""

from __future__ import annotations

import re

from ..runbook import Condition
from ..source.mapping_reader import MappingReader, excerpt
from .key import Schema
from .value_readers import TEXT

REGEX: Schema = {**TEXT, "format": "regex"}


def condition(reader: MappingReader, key: str) -> Condition | None:
    text = reader.text(key)
    return None if text is None else _expression(reader, key, text, reader.values.line_of(key))


def conditions(reader: MappingReader, key: str) -> tuple[Condition, ...]:
    """Read one expression or a list of them."""
    return tuple(_expression(reader, key, text, line) for text, line in reader.texts(key))


def _expression(reader: MappingReader, key: str, text: str, line: int) -> Condition:
    reader.check_not_cut(key, text, line)
    return Condition(source=text, location=reader.source.location.at(line))


def regex(reader: MappingReader, key: str) -> Condition | None:
    text = reader.text(key)
    if text is None:
        return None
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        reader.add_fault(key, f'{key} "{excerpt(text)}" is not a regular expression: {error}')
    return Condition(source=text, location=reader.source.location.at(reader.values.line_of(key)))
