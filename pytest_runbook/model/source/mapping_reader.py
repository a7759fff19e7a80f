"""A mapping of the file, read key by key into what the model holds; each fault is noted and the reading goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from ...errors import unknown
from ...text import DURATION_HINT, duration_seconds, escape_controls, nearest, shorten
from ..runbook import Capture, Condition, Given, OnFailure, SecretSource, Timeouts
from ..secret_sources import NoSource, secret_source
from .located import LocatedDict, LocatedList, Mark, plain
from .source_file import Source
from .yaml_traps import is_cut_by_comment

_SHOWN = 60
_LISTED = 5
_VARIABLE = re.compile(r"\w+")
_TAG = re.compile(r"[\w.+/-]+")
_ENV_NAME = re.compile(r"[^=\x00]+")
_ENTRY = re.compile(r"\s*(?P<dashes>(?:- +)*)(?P<rest>.*)")
# What a mapping looks like, for those who wrote something else.
_LIKE: Mapping[str, str] = {
    "vars": "vars: {NAME: value}",
    "env": "env: {NAME: value}",
    "secrets": "secrets: {NAME: {env: VARIABLE}}",
    "answers": "answers: {NAME: value}",
    "connections": "connections: {NAME: {postgres: URI}}",
    "defaults": "defaults: {timeout: 30s}",
    "blocks": "blocks: {NAME: {assert: output.exit_code == 0}}",
    "capture": "capture: {version: output.value}",
    "matrix": "matrix: {region: [eu-west, us-east]}",
    "retry": "retry: {every: 2s, within: 30s}",
    "for_each": "for_each: {table: var.tables}",
    "expect": "expect: {status: 200}",
}


def show(text: str) -> str:
    """A name or value for an error: one line, bounded, without control characters."""
    if len(text) <= _SHOWN and text.isprintable():
        return text
    return escape_controls(shorten(text, _SHOWN))


def describe(value: object) -> str:
    """A value of the wrong kind, for an error: ``the number 5``, ``a list``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the text "{show(value)}"'
    if isinstance(value, list):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"the number {show(str(value))}"


@dataclass(slots=True)
class Section:
    """A mapping of the file and what its faults are called by.

    label: the block that it belongs to, as errors call it; None outside of blocks.
    """

    values: LocatedDict
    source: Source
    label: str | None = None

    def fault(self, key: str, message: str, hint: str | None = None) -> None:
        """Note a fault of this key."""
        self.source.fault(message, line=self.values.key_line(key), block=self.label, hint=hint)

    def unknown_key(self, key: str, known: Iterable[str]) -> None:
        """Note a key that is none of the known ones."""
        message, hint = unknown("key", show(key), tuple(known))
        if key == "<<":
            hint = "YAML 1.2 merges nothing: write the keys out, or say them once in `defaults`"
        self.fault(key, message, hint)

    def wrong(self, key: str, wanted: str, name: str | None = None) -> None:
        """Note a value of the wrong kind. wanted: ``text``, ``true or false``."""
        value = self.values[key]
        hint = self._quoting_hint(key) if wanted == "text" else None
        if wanted == "a mapping" and key in _LIKE:
            hint = f"for example: {_LIKE[key]}"
        self.fault(key, f"{name or show(key)} must be {wanted}, not {describe(value)}", hint)

    def _quoting_hint(self, key: str) -> str | None:
        written = self.values.marks[key].written
        if written:
            return f'quote it: {show(key)}: "{show(written)}"'
        if isinstance(self.values[key], dict):
            return self.quoting_hint(key, self.values.line_of(key))
        return None

    def quoting_hint(self, key: str, line: int) -> str | None:
        """How the line of a key, or of an entry of its list, reads with its value in quotes, if it holds no more."""
        entry = _ENTRY.fullmatch(self.source.line(line))
        is_alone = entry and (
            entry["rest"].startswith(f"{key}:") or (entry["dashes"] and entry["rest"][:1] not in "{[")
        )
        quoted = self.source.quoted(line) if is_alone else None
        return None if quoted is None else f"quote the whole value: {quoted}"

    def refuse_empty(self, key: str) -> None:
        """Note a mapping that says nothing, where something was meant to be said."""
        if self.values[key] == {}:
            self.fault(key, f"{key} is an empty mapping", f"for example: {_LIKE[key]}" if key in _LIKE else None)

    def text(self, key: str) -> str | None:
        """The text of a key; None, and a fault, if it holds anything else or nothing."""
        value = self.values[key]
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, str):
            self.fault(key, f"{key} is empty")
        else:
            self.wrong(key, "text")
        return None

    def written(self, key: str) -> str | None:
        """A scalar as text, as it was written; None, and a fault, if there is none."""
        value, mark = self.values[key], self.values.marks[key]
        if isinstance(value, str):
            return value
        if value is None or mark.written is None:
            hint = f'an empty text is written: {show(key)}: ""' if value is None else None
            self.fault(key, f"{show(key)} must be text, not {describe(value)}", hint)
            return None
        return mark.written

    def boolean(self, key: str) -> bool | None:
        value = self.values[key]
        if isinstance(value, bool):
            return value
        self.wrong(key, "true or false")
        return None

    def duration(self, key: str, name: str | None = None) -> float | None:
        """The seconds of a duration; None, and a fault, if it is none."""
        value = self.values[key]
        if not isinstance(value, str):
            self.fault(key, f"{name or key} must be a duration, not {describe(value)}", DURATION_HINT)
            return None
        try:
            return duration_seconds(value)
        except ValueError:
            self.fault(key, f'{name or key} "{show(value)}" is not a duration', DURATION_HINT)
            return None

    def on_failure(self, key: str) -> OnFailure | None:
        value = self.values[key]
        if isinstance(value, str) and value in tuple(OnFailure):
            return OnFailure(value)
        self.wrong(key, " or ".join(OnFailure))
        return None

    def mapping(self, key: str) -> Section | None:
        """The mapping of a key; None, and a fault, if it holds anything else."""
        value = self.values[key]
        if isinstance(value, LocatedDict):
            return Section(value, self.source, self.label)
        self.wrong(key, "a mapping")
        return None

    def texts(self, key: str) -> list[tuple[str, int]]:
        """The texts of a key that holds one or a list of them, each with its line."""
        value = self.values[key]
        if not isinstance(value, LocatedList):
            text = self.text(key)
            return [] if text is None else [(text, self.values.line_of(key))]
        if not value:
            self.fault(key, f"{key} is an empty list")
        entries = zip(value, value.marks, strict=True)
        return [(str(item), mark.value) for item, mark in entries if self._is_text(key, item, mark)]

    def _is_text(self, key: str, item: object, mark: Mark) -> bool:
        if isinstance(item, str) and item.strip():
            return True
        what = f"must be text, not {describe(item)}" if not isinstance(item, str) else "is empty"
        hint = None if isinstance(item, str) else self.quoting_hint(key, mark.value)
        if mark.written:
            hint = f'quote it: "{show(mark.written)}"'
        self.source.fault(f"an entry of {key} {what}", line=mark.value, block=self.label, hint=hint)
        return False

    def condition(self, key: str) -> Condition | None:
        text = self.text(key)
        return None if text is None else self.expression(key, text, self.values.line_of(key))

    def conditions(self, key: str) -> tuple[Condition, ...]:
        return tuple(self.expression(key, text, line) for text, line in self.texts(key))

    def expression(self, key: str, text: str, line: int) -> Condition:
        """An expression of that line; a fault if a comment cut it short."""
        self.check_uncut(key, text, line)
        return Condition(source=text, place=self.source.place.at(line))

    def check_uncut(self, key: str, text: str, line: int) -> None:
        """Note a fault if YAML took the end of the value for a comment: `` #`` with a quote or bracket still open."""
        if self.source.has_comments and is_cut_by_comment(text, self.source.line(line)):
            message = f"{key} is cut short: to YAML a comment begins at #"
            self.source.fault(message, line=line, block=self.label, hint=self.quoting_hint(key, line))

    def regex(self, key: str) -> Condition | None:
        text = self.text(key)
        if text is None:
            return None
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            self.fault(key, f'{key} "{show(text)}" is not a regular expression: {error}')
        return Condition(source=text, place=self.source.place.at(self.values.line_of(key)))

    def reason(self, key: str) -> str | None:
        """The reason to skip; a fault unless it is a text or a boolean."""
        value = self.values[key]
        if isinstance(value, bool):
            return "skip: true" if value else None
        if isinstance(value, str):
            return self.text(key)
        self.wrong(key, "true or a reason")
        return None

    def captures(self, key: str) -> tuple[Capture, ...]:
        """Variables with their expressions; a bare name takes ``output.value``."""
        value = self.values[key]
        if not isinstance(value, LocatedDict):
            return self._bare_capture(key)
        self.refuse_empty(key)
        inner = Section(value, self.source, self.label)
        found = ((name, inner.condition(name)) for name in value if inner.is_variable(name))
        return tuple(Capture(name=name, expression=condition) for name, condition in found if condition)

    def _bare_capture(self, key: str) -> tuple[Capture, ...]:
        name = self.text(key)
        if name is None:
            return ()
        if not _VARIABLE.fullmatch(name):
            hint = f"an expression needs a name: capture: {{NAME: '{show(name)}'}}"
            self.fault(key, f'{key} "{show(name)}" is not a variable name', hint)
            return ()
        place = self.source.place.at(self.values.line_of(key))
        return (Capture(name=name, expression=Condition(source="output.value", place=place)),)

    def is_variable(self, name: str) -> bool:
        """True if the key can name a variable; else a fault is noted."""
        if _VARIABLE.fullmatch(name):
            return True
        self.fault(name, f'"{show(name)}" is not a variable name', "letters, digits and underscores")
        return False

    def is_env_name(self, name: str) -> bool:
        """True if the key can name an environment variable; else a fault is noted."""
        if _ENV_NAME.fullmatch(name):
            return True
        self.fault(name, f'"{show(name)}" is not a name for an environment variable')
        return False

    def names(self, key: str) -> tuple[str, ...]:
        return tuple(text for text, _ in self.texts(key))

    def tags(self, key: str) -> tuple[str, ...]:
        return self._matching(key, _TAG.fullmatch, "one word: letters, digits and _ . + / -")

    def fixtures(self, key: str) -> tuple[str, ...]:
        return self._matching(key, str.isidentifier, "the name of a pytest fixture")

    def _matching(self, key: str, matches: Callable[[str], object], hint: str) -> tuple[str, ...]:
        texts = self.texts(key)
        for text, line in texts:
            if not matches(text):
                self.source.fault(f'"{show(text)}" can\'t stand in {key}', line=line, block=self.label, hint=hint)
        return tuple(text for text, _ in texts)

    def given(self, key: str, value: object) -> Given:
        return Given(name=key, value=plain(value), place=self.source.place.at(self.values.line_of(key)))

    def given_vars(self, key: str) -> tuple[Given, ...]:
        """Variables with their values, typed as the file has them."""
        inner = self.mapping(key)
        if inner is None:
            return ()
        return tuple(inner.given(name, value) for name, value in inner.values.items() if inner.is_variable(name))

    def given_env(self, key: str) -> tuple[Given, ...]:
        """Environment variables; values are text as written."""
        inner = self.mapping(key)
        if inner is None:
            return ()
        found = ((name, inner.written(name)) for name in inner.values if inner.is_env_name(name))
        return tuple(inner.given(name, value) for name, value in found if value is not None)

    def given_text(self, key: str) -> Given | None:
        text = self.text(key)
        return None if text is None else self.given(key, text)

    def answers(self, key: str) -> Mapping[str, str]:
        """What a person would be asked, each as text."""
        inner = self.mapping(key)
        found = {} if inner is None else {name: inner.written(name) for name in inner.values}
        return {name: value for name, value in found.items() if value is not None}

    def secrets(self, key: str) -> tuple[SecretSource, ...]:
        inner = self.mapping(key)
        if inner is None:
            return ()
        found = (inner._secret(name) for name in inner.values if inner.is_variable(name))
        return tuple(secret for secret in found if secret is not None)

    def _secret(self, name: str) -> SecretSource | None:
        try:
            return secret_source(name, self.values[name], self.source.place.at(self.values.key_line(name)))
        except NoSource as error:
            self.fault(name, str(error), error.hint)
            return None

    def timeouts(self, key: str) -> Timeouts:
        """One duration for the whole runbook, or a mapping of total, block and finally."""
        if not isinstance(self.values[key], LocatedDict):
            return Timeouts(total=self.duration(key))
        inner = self.mapping(key)
        assert inner is not None
        seconds = {name: inner.duration(name, f"timeout {name}") for name in inner.values if name in _TIMEOUTS}
        for name in inner.values:
            if name not in _TIMEOUTS:
                inner.unknown_key(name, _TIMEOUTS)
        return Timeouts(**{_TIMEOUTS[name]: value for name, value in seconds.items()})


_NEAR_LIMIT = 500
_TIMEOUTS = {"total": "total", "block": "block", "finally": "finally_"}


def near(value: str, known: Iterable[str]) -> str | None:
    """The hint for a name that is not there: the nearest of those that are."""
    found = nearest(value[:_NEAR_LIMIT], [name for name in islice(known, _NEAR_LIMIT) if len(name) <= _NEAR_LIMIT])
    return None if found is None else f'did you mean "{show(found)}"?'


def near_or_some(value: str, known: Iterable[str]) -> str:
    """The same, or some of those that are."""
    listed = ", ".join(show(name) for name in islice(known, _LISTED))
    return near(value, known) or (f"its blocks: {listed}" if listed else "it has no blocks")


Reader = Callable[[Section, str], object]
