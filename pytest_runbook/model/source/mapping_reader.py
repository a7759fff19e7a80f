"""Reads the values of a mapping by their keys. Faults are collected, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from ...errors import unknown_name_message
from ...text import DURATION_HINT, duration_seconds, escape_controls, nearest, shorten
from .located import EntryLocation, LocatedDict, LocatedList
from .source_file import SourceFile
from .yaml_traps import is_cut_by_comment

_EXCERPT_LENGTH = 60
_MAX_LISTED = 5
_ENTRY = re.compile(r"\s*(?P<dashes>(?:- +)*)(?P<rest>.*)")


def excerpt(text: str) -> str:
    """Return a name or a value for an error: one line, bounded, without control characters."""
    if len(text) <= _EXCERPT_LENGTH and text.isprintable():
        return text
    return escape_controls(shorten(text, _EXCERPT_LENGTH))


def describe_type(value: object) -> str:
    """Return the description of a wrong value for an error: ``the number 5``, ``a list``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{excerpt(value)}"'
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"the number {excerpt(str(value))}"


@dataclass(slots=True)
class MappingReader:
    """A mapping of a file, with what its faults need.

    label: the block that it belongs to, as errors name it; None outside of blocks.
    """

    values: LocatedDict
    source: SourceFile
    label: str | None = None

    def add_fault(self, key: str, message: str, hint: str | None = None) -> None:
        """Add a fault of a key."""
        self.source.add_fault(message, line=self.values.key_line(key), block=self.label, hint=hint)

    def add_unknown_key(self, key: str, known: Iterable[str], meant: str | None = None) -> None:
        """Add a fault for a key that is not one of the known ones. meant: the known key that the hint names."""
        message, hint = unknown_name_message("key", excerpt(key), tuple(known))
        if meant is not None:
            hint = f"did you mean {meant}?"
        if key == "<<":
            hint = "YAML 1.2 merges nothing: write the keys out, or write them once in `defaults`"
        self.add_fault(key, message, hint)

    def add_wrong_value(self, key: str, expected: str, name: str | None = None, hint: str | None = None) -> None:
        """Add a fault for a value of the wrong kind. expected: ``text``, ``true or false``.

        name: the key as the message has it. hint: used unless quoting the value is the fix.
        """
        value = self.values[key]
        if expected == "text":
            hint = self._quoting_hint(key) or hint
        self.add_fault(key, f"{name or excerpt(key)} must be {expected}, not {describe_type(value)}", hint)

    def _quoting_hint(self, key: str) -> str | None:
        raw = self.values.locations[key].raw
        if raw:
            return f'quote it: {excerpt(key)}: "{excerpt(raw)}"'
        if isinstance(self.values[key], dict):
            return self.quoting_hint(key, self.values.line_of(key))
        return self._comment_hint(key) if self.values[key] is None else None

    def _comment_hint(self, key: str) -> str | None:
        """Return a hint for a value that begins with #, as the names of channels do: YAML takes it for a comment."""
        line = self.source.line(self.values.key_line(key)) if self.source.has_comments else ""
        comment = re.search(rf"(?:^|[\s{{,]){re.escape(key)}:\s+(#[^\s#\"\\][^\"\\]*)$", line)
        if comment is None:
            return None
        return f'to YAML a comment begins at #; quote it: {excerpt(key)}: "{excerpt(comment[1].rstrip())}"'

    def quoting_hint(self, key: str, line: int) -> str | None:
        """Return a hint that shows a line with its value in quotes; None if more than one key or entry is on it."""
        entry = _ENTRY.fullmatch(self.source.line(line))
        is_alone = entry and (
            entry["rest"].startswith(f"{key}:") or (entry["dashes"] and entry["rest"][:1] not in "{[")
        )
        quoted = self.source.quoted_line(line) if is_alone else None
        return None if quoted is None else f"quote the whole value: {quoted}"

    def check_not_empty(self, key: str, example: str) -> None:
        """Add a fault if the value is an empty mapping. example: the line that the hint shows."""
        if self.values[key] == {}:
            self.add_fault(key, f"{key} is an empty mapping", f"for example: {example}")

    def text(self, key: str, example: str | None = None) -> str | None:
        """Return the text of a key; None, and a fault, if it is empty or something else. example: for the hint."""
        value = self.values[key]
        if isinstance(value, str) and value.strip():
            return value
        hint = example and f"for example: {excerpt(key)}: {example}"
        if isinstance(value, str):
            self.add_fault(key, f"{key} is empty", hint)
        else:
            self.add_wrong_value(key, "text", hint=hint)
        return None

    def scalar_text(self, key: str) -> str | None:
        """Return a scalar as it was written; None, and a fault, if it is not a scalar."""
        value, location = self.values[key], self.values.locations[key]
        if isinstance(value, str):
            return value
        if value is None or location.raw is None:
            hint = f'an empty text is written: {excerpt(key)}: ""' if value is None else None
            self.add_fault(key, f"{excerpt(key)} must be text, not {describe_type(value)}", hint)
            return None
        return location.raw

    def boolean(self, key: str) -> bool | None:
        value = self.values[key]
        if isinstance(value, bool):
            return value
        self.add_wrong_value(key, "true or false")
        return None

    def duration(self, key: str, name: str | None = None) -> float | None:
        """Return the seconds of a duration; None, and a fault, if it is not one. name: the key in messages."""
        value = self.values[key]
        if not isinstance(value, str):
            self.add_fault(key, f"{name or key} must be a duration, not {describe_type(value)}", DURATION_HINT)
            return None
        try:
            return duration_seconds(value)
        except ValueError:
            self.add_fault(key, f'{name or key} "{excerpt(value)}" is not a duration', DURATION_HINT)
            return None

    def mapping(self, key: str, example: str | None = None) -> MappingReader | None:
        """Return a reader of a key's mapping; None, and a fault, if it is something else. example: for the hint."""
        value = self.values[key]
        if isinstance(value, LocatedDict):
            return MappingReader(value, self.source, self.label)
        self.add_wrong_value(key, "a mapping", hint=example and f"for example: {example}")
        return None

    def texts(self, key: str) -> list[tuple[str, int]]:
        """Return the texts of a key that holds one text or a list, each with its line."""
        value = self.values[key]
        if not isinstance(value, LocatedList):
            text = self.text(key)
            return [] if text is None else [(text, self.values.line_of(key))]
        if not value:
            self.add_fault(key, f"{key} is an empty list")
        entries = zip(value, value.locations, strict=True)
        return [(str(item), location.value_line) for item, location in entries if self._check_text(key, item, location)]

    def _check_text(self, key: str, item: object, location: EntryLocation) -> bool:
        if isinstance(item, str) and item.strip():
            return True
        what = f"must be text, not {describe_type(item)}" if not isinstance(item, str) else "is empty"
        hint = None if isinstance(item, str) else self.quoting_hint(key, location.value_line)
        if location.raw:
            hint = f'quote it: "{excerpt(location.raw)}"'
        self.source.add_fault(f"an entry of {key} {what}", line=location.value_line, block=self.label, hint=hint)
        return False

    def check_not_cut(self, key: str, text: str, line: int) -> None:
        """Add a fault if YAML took the end of a value for a comment: `` #`` with a quote or bracket still open."""
        if self.source.has_comments and is_cut_by_comment(text, self.source.line(line)):
            message = f"{key} is cut short: to YAML a comment begins at #"
            self.source.add_fault(message, line=line, block=self.label, hint=self.quoting_hint(key, line))

    def names(self, key: str) -> tuple[str, ...]:
        return tuple(text for text, _ in self.texts(key))


_NEAR_LIMIT = 500


def did_you_mean(value: str, known: Iterable[str]) -> str | None:
    """Return a hint with the known name that is nearest to an unknown one; None if none is near."""
    found = nearest(value[:_NEAR_LIMIT], [name for name in islice(known, _NEAR_LIMIT) if len(name) <= _NEAR_LIMIT])
    return None if found is None else f'did you mean "{excerpt(found)}"?'


def did_you_mean_or_known(value: str, known: Iterable[str]) -> str:
    """Return a hint with the nearest known name, or with some of the known names if none is near."""
    listed = ", ".join(excerpt(name) for name in islice(known, _MAX_LISTED))
    return did_you_mean(value, known) or (f"its blocks: {listed}" if listed else "it has no blocks")
