"""A mapping of the file, read key by key into what the model holds; each fault is noted and the reading goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from ...errors import unknown_name_message
from ...text import DURATION_HINT, duration_seconds, escape_controls, nearest, shorten
from ..runbook import Capture, Condition, Declaration, OnFailure, SecretSource, Timeouts
from ..secret_sources import InvalidSecretSource, secret_source
from .located import EntryLocation, LocatedDict, LocatedList, to_builtins
from .source_file import SourceFile
from .yaml_traps import is_cut_by_comment

_EXCERPT_LENGTH = 60
_MAX_LISTED = 5
_VARIABLE = re.compile(r"\w+")
_TAG = re.compile(r"[\w.+/-]+")
_ENV_NAME = re.compile(r"[^=\x00]+")
_ENTRY = re.compile(r"\s*(?P<dashes>(?:- +)*)(?P<rest>.*)")
# What a mapping looks like, for those who wrote something else.
_EXAMPLES: Mapping[str, str] = {
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


def excerpt(text: str) -> str:
    """A name or value for an error: one line, bounded, without control characters."""
    if len(text) <= _EXCERPT_LENGTH and text.isprintable():
        return text
    return escape_controls(shorten(text, _EXCERPT_LENGTH))


def describe_type(value: object) -> str:
    """A value of the wrong kind, for an error: ``the number 5``, ``a list``."""
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
    """A mapping of the file and what its faults are called by.

    label: the block that it belongs to, as errors call it; None outside of blocks.
    """

    values: LocatedDict
    source: SourceFile
    label: str | None = None

    def add_fault(self, key: str, message: str, hint: str | None = None) -> None:
        """Note a fault of this key."""
        self.source.add_fault(message, line=self.values.key_line(key), block=self.label, hint=hint)

    def add_unknown_key(self, key: str, known: Iterable[str]) -> None:
        """Note a key that is none of the known ones."""
        message, hint = unknown_name_message("key", excerpt(key), tuple(known))
        if key == "<<":
            hint = "YAML 1.2 merges nothing: write the keys out, or say them once in `defaults`"
        self.add_fault(key, message, hint)

    def add_wrong_value(self, key: str, expected: str, name: str | None = None) -> None:
        """Note a value of the wrong kind. expected: ``text``, ``true or false``."""
        value = self.values[key]
        hint = self._quoting_hint(key) if expected == "text" else None
        if expected == "a mapping" and key in _EXAMPLES:
            hint = f"for example: {_EXAMPLES[key]}"
        self.add_fault(key, f"{name or excerpt(key)} must be {expected}, not {describe_type(value)}", hint)

    def _quoting_hint(self, key: str) -> str | None:
        raw = self.values.locations[key].raw
        if raw:
            return f'quote it: {excerpt(key)}: "{excerpt(raw)}"'
        if isinstance(self.values[key], dict):
            return self.quoting_hint(key, self.values.line_of(key))
        return None

    def quoting_hint(self, key: str, line: int) -> str | None:
        """How the line of a key, or of an entry of its list, reads with its value in quotes, if it holds no more."""
        entry = _ENTRY.fullmatch(self.source.line(line))
        is_alone = entry and (
            entry["rest"].startswith(f"{key}:") or (entry["dashes"] and entry["rest"][:1] not in "{[")
        )
        quoted = self.source.quoted_line(line) if is_alone else None
        return None if quoted is None else f"quote the whole value: {quoted}"

    def check_not_empty(self, key: str) -> None:
        """Note a mapping that says nothing, where something was meant to be said."""
        if self.values[key] == {}:
            self.add_fault(
                key, f"{key} is an empty mapping", f"for example: {_EXAMPLES[key]}" if key in _EXAMPLES else None
            )

    def text(self, key: str) -> str | None:
        """The text of a key; None, and a fault, if it holds anything else or nothing."""
        value = self.values[key]
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, str):
            self.add_fault(key, f"{key} is empty")
        else:
            self.add_wrong_value(key, "text")
        return None

    def scalar_text(self, key: str) -> str | None:
        """A scalar as text, as it was written; None, and a fault, if there is none."""
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
        """The seconds of a duration; None, and a fault, if it is none."""
        value = self.values[key]
        if not isinstance(value, str):
            self.add_fault(key, f"{name or key} must be a duration, not {describe_type(value)}", DURATION_HINT)
            return None
        try:
            return duration_seconds(value)
        except ValueError:
            self.add_fault(key, f'{name or key} "{excerpt(value)}" is not a duration', DURATION_HINT)
            return None

    def on_failure(self, key: str) -> OnFailure | None:
        value = self.values[key]
        if isinstance(value, str) and value in tuple(OnFailure):
            return OnFailure(value)
        self.add_wrong_value(key, " or ".join(OnFailure))
        return None

    def mapping(self, key: str) -> MappingReader | None:
        """The mapping of a key; None, and a fault, if it holds anything else."""
        value = self.values[key]
        if isinstance(value, LocatedDict):
            return MappingReader(value, self.source, self.label)
        self.add_wrong_value(key, "a mapping")
        return None

    def texts(self, key: str) -> list[tuple[str, int]]:
        """The texts of a key that holds one or a list of them, each with its line."""
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

    def condition(self, key: str) -> Condition | None:
        text = self.text(key)
        return None if text is None else self.expression(key, text, self.values.line_of(key))

    def conditions(self, key: str) -> tuple[Condition, ...]:
        return tuple(self.expression(key, text, line) for text, line in self.texts(key))

    def expression(self, key: str, text: str, line: int) -> Condition:
        """An expression of that line; a fault if a comment cut it short."""
        self.check_not_cut(key, text, line)
        return Condition(source=text, location=self.source.location.at(line))

    def check_not_cut(self, key: str, text: str, line: int) -> None:
        """Note a fault if YAML took the end of the value for a comment: `` #`` with a quote or bracket still open."""
        if self.source.has_comments and is_cut_by_comment(text, self.source.line(line)):
            message = f"{key} is cut short: to YAML a comment begins at #"
            self.source.add_fault(message, line=line, block=self.label, hint=self.quoting_hint(key, line))

    def regex(self, key: str) -> Condition | None:
        text = self.text(key)
        if text is None:
            return None
        try:
            re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            self.add_fault(key, f'{key} "{excerpt(text)}" is not a regular expression: {error}')
        return Condition(source=text, location=self.source.location.at(self.values.line_of(key)))

    def reason(self, key: str) -> str | None:
        """The reason to skip; a fault unless it is a text or a boolean."""
        value = self.values[key]
        if isinstance(value, bool):
            return "skip: true" if value else None
        if isinstance(value, str):
            return self.text(key)
        self.add_wrong_value(key, "true or a reason")
        return None

    def captures(self, key: str) -> tuple[Capture, ...]:
        """Variables with their expressions; a bare name takes ``output.value``."""
        value = self.values[key]
        if not isinstance(value, LocatedDict):
            return self._bare_capture(key)
        self.check_not_empty(key)
        inner = MappingReader(value, self.source, self.label)
        found = ((name, inner.condition(name)) for name in value if inner.check_variable_name(name))
        return tuple(Capture(name=name, expression=condition) for name, condition in found if condition)

    def _bare_capture(self, key: str) -> tuple[Capture, ...]:
        name = self.text(key)
        if name is None:
            return ()
        if not _VARIABLE.fullmatch(name):
            hint = f"an expression needs a name: capture: {{NAME: '{excerpt(name)}'}}"
            self.add_fault(key, f'{key} "{excerpt(name)}" is not a variable name', hint)
            return ()
        location = self.source.location.at(self.values.line_of(key))
        return (Capture(name=name, expression=Condition(source="output.value", location=location)),)

    def check_variable_name(self, name: str) -> bool:
        """True if the key can name a variable; else a fault is noted."""
        if _VARIABLE.fullmatch(name):
            return True
        self.add_fault(name, f'"{excerpt(name)}" is not a variable name', "letters, digits and underscores")
        return False

    def check_env_name(self, name: str) -> bool:
        """True if the key can name an environment variable; else a fault is noted."""
        if _ENV_NAME.fullmatch(name):
            return True
        self.add_fault(name, f'"{excerpt(name)}" is not a name for an environment variable')
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
                self.source.add_fault(
                    f'"{excerpt(text)}" can\'t stand in {key}', line=line, block=self.label, hint=hint
                )
        return tuple(text for text, _ in texts)

    def declaration(self, key: str, value: object) -> Declaration:
        return Declaration(
            name=key, value=to_builtins(value), location=self.source.location.at(self.values.line_of(key))
        )

    def declared_vars(self, key: str) -> tuple[Declaration, ...]:
        """Variables with their values, typed as the file has them."""
        inner = self.mapping(key)
        if inner is None:
            return ()
        return tuple(
            inner.declaration(name, value) for name, value in inner.values.items() if inner.check_variable_name(name)
        )

    def declared_env(self, key: str) -> tuple[Declaration, ...]:
        """Environment variables; values are text as written."""
        inner = self.mapping(key)
        if inner is None:
            return ()
        found = ((name, inner.scalar_text(name)) for name in inner.values if inner.check_env_name(name))
        return tuple(inner.declaration(name, value) for name, value in found if value is not None)

    def declared_text(self, key: str) -> Declaration | None:
        text = self.text(key)
        return None if text is None else self.declaration(key, text)

    def answers(self, key: str) -> Mapping[str, str]:
        """What a person would be asked, each as text."""
        inner = self.mapping(key)
        found = {} if inner is None else {name: inner.scalar_text(name) for name in inner.values}
        return {name: value for name, value in found.items() if value is not None}

    def secrets(self, key: str) -> tuple[SecretSource, ...]:
        inner = self.mapping(key)
        if inner is None:
            return ()
        found = (inner._secret(name) for name in inner.values if inner.check_variable_name(name))
        return tuple(secret for secret in found if secret is not None)

    def _secret(self, name: str) -> SecretSource | None:
        try:
            return secret_source(name, self.values[name], self.source.location.at(self.values.key_line(name)))
        except InvalidSecretSource as error:
            self.add_fault(name, str(error), error.hint)
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
                inner.add_unknown_key(name, _TIMEOUTS)
        return Timeouts(**{_TIMEOUTS[name]: value for name, value in seconds.items()})


_NEAR_LIMIT = 500
_TIMEOUTS = {"total": "total", "block": "block", "finally": "finally_"}


def did_you_mean(value: str, known: Iterable[str]) -> str | None:
    """The hint for a name that is not there: the nearest of those that are."""
    found = nearest(value[:_NEAR_LIMIT], [name for name in islice(known, _NEAR_LIMIT) if len(name) <= _NEAR_LIMIT])
    return None if found is None else f'did you mean "{excerpt(found)}"?'


def did_you_mean_or_known(value: str, known: Iterable[str]) -> str:
    """The same, or some of those that are."""
    listed = ", ".join(excerpt(name) for name in islice(known, _MAX_LISTED))
    return did_you_mean(value, known) or (f"its blocks: {listed}" if listed else "it has no blocks")


KeyReader = Callable[[MappingReader, str], object]
