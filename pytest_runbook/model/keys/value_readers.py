"""Readers that many keys share, each with the JSON Schema of what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from ..runbook import NameReference
from ..source.located import LocatedList
from ..source.mapping_reader import MappingReader, excerpt
from .key import KeyReader, Schema


def text_schema(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def texts_schema(pattern: str) -> Schema:
    """Return the schema of one text or a list of texts."""
    text = text_schema(pattern)
    return {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}


TEXT = text_schema(r"\S")
TEXTS = texts_schema(r"\S")
SCALAR: Schema = {"type": ["string", "number", "boolean"]}
BOOLEAN: Schema = {"type": "boolean"}
DURATION = text_schema(r"^(?=.*[1-9])\s*(\d+(\.\d+)?(ms|s|m|h|d))+\s*$")
VARIABLE = text_schema(r"^\w+$")
TAGS = texts_schema(r"^[\w.+/-]+$")
FIXTURES = texts_schema(r"^[^\W\d]\w*$")
# Control characters, and marks that change the direction of text: a terminal or a browser would show another URL.
_INVISIBLE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_URL = rf"https?://[^\s/?#{{}}{_INVISIBLE}]+[^\s{{}}{_INVISIBLE}]*"
_URL_EXAMPLE = "https://wiki.example.com/payments"
URL = text_schema(rf"^\s*{_URL}\s*$")

_VARIABLE = re.compile(r"\w+")
_ENV_NAME = re.compile(r"[^=\x00]+")
_TAG = re.compile(r"[\w.+/-]+")
_Choice = TypeVar("_Choice", bound=StrEnum)


def one_of(kind: type[_Choice]) -> Callable[[MappingReader, str], _Choice | None]:
    """Return a reader of one of the values of an enumeration."""

    def read(reader: MappingReader, key: str) -> _Choice | None:
        value = reader.values[key]
        if isinstance(value, str) and value in tuple(kind):
            return kind(value)
        *others, last = kind
        reader.add_wrong_value(key, f"{', '.join(others)} or {last}")
        return None

    return read


def choices(kind: type[StrEnum]) -> Schema:
    return {"enum": [str(choice) for choice in kind]}


def mapping_like(example: str) -> Callable[[MappingReader, str], MappingReader | None]:
    """Return a reader of a mapping. example: what the hint shows if it is something else."""
    return lambda reader, key: reader.mapping(key, example)


def block_list(reader: MappingReader, key: str) -> LocatedList | None:
    value = reader.values[key]
    if isinstance(value, LocatedList):
        return value
    reader.add_wrong_value(key, "a list of blocks")
    return None


def prose(reader: MappingReader, key: str) -> str | None:
    """Read a text that reports show as it stands; it is never rendered."""
    return _stripped(reader, key, '"some text"')


def _stripped(reader: MappingReader, key: str, example: str) -> str | None:
    text = reader.text(key, example)
    return None if text is None else text.strip()


def url(reader: MappingReader, key: str) -> str | None:
    """Read an http or https URL. It is not rendered, so that braces in it are an error."""
    text = _stripped(reader, key, _URL_EXAMPLE)
    if text is None or re.fullmatch(_URL, text):
        return text
    what, hint = _url_fault(text)
    reader.add_fault(key, f'{key} "{excerpt(text)}" {what}', hint)
    return None


def _url_fault(text: str) -> tuple[str, str]:
    """Return what is wrong with a URL, and a hint."""
    if re.search(f"[{_INVISIBLE}]", text):
        return "has a control character in it", "take out what stands there as an escape"
    if "{{" in text:
        return "has a template in it", "templates are not rendered here: write the URL out"
    if re.search("[{}]", text):
        return "has a brace in it", "in a URL, { is written %7B and } is written %7D"
    return "is not an http or https URL", f"for example: {_URL_EXAMPLE}"


def name_references(reader: MappingReader, key: str) -> tuple[NameReference, ...]:
    """Read one name or a list of names, each with its line."""
    return tuple(NameReference(name=text, location=reader.source.location.at(line)) for text, line in reader.texts(key))


def texts_like(matches: Callable[[str], object], hint: str) -> KeyReader:
    """Return a reader of one text or a list of texts. matches: is false for a text that is refused, with the hint."""

    def read(reader: MappingReader, key: str) -> tuple[str, ...]:
        texts = reader.texts(key)
        for text, line in texts:
            if not matches(text):
                message = f'"{excerpt(text)}" can\'t stand in {key}'
                reader.source.add_fault(message, line=line, block=reader.label, hint=hint)
        return tuple(text for text, _ in texts)

    return read


tags = texts_like(_TAG.fullmatch, "one word: letters, digits and _ . + / -")
fixtures = texts_like(str.isidentifier, "the name of a pytest fixture")


def check_variable_name(reader: MappingReader, name: str) -> bool:
    """Return True if a key can name a variable; else add a fault."""
    if is_variable_name(name):
        return True
    reader.add_fault(name, f'"{excerpt(name)}" is not a variable name', "letters, digits and underscores")
    return False


def is_variable_name(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None


def check_env_name(reader: MappingReader, name: str) -> bool:
    """Return True if a key can name an environment variable; else add a fault."""
    if _ENV_NAME.fullmatch(name):
        return True
    reader.add_fault(name, f'"{excerpt(name)}" is not a name for an environment variable')
    return False
