"""Values in templates: their kinds, how they are printed, and limits on their size.

Printing follows the runbook format: ``none``, ``true``, ``1.0``, ``["a", 1]``, and never Python's own spelling.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set, ValuesView
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from types import NoneType

from ..errors import TemplateError
from ..text import nearest, shorten

MAX_TEXT = 16 * 1024 * 1024
"""The length of the longest text that a template may produce, in characters."""
MAX_PIECES = 1_000_000
"""The limit of brackets, commas and scalars when a list or mapping is printed."""
MAX_ITEMS = 100_000
"""The length of the longest list that ``range`` or a multiplication may create."""
_SHOWN_KEYS = 12
_SHOWN_PARTS = 100


class Kind(StrEnum):
    """The kind of a value in templates. The member's text names it in messages."""

    NONE = "none"
    BOOLEAN = "a boolean"
    NUMBER = "a number"
    TEXT = "text"
    LIST = "a list"
    MAPPING = "a mapping"
    OBJECT = "an object"


_EXACT_KINDS = {
    NoneType: Kind.NONE,
    bool: Kind.BOOLEAN,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    Decimal: Kind.NUMBER,
    str: Kind.TEXT,
    list: Kind.LIST,
    tuple: Kind.LIST,
    dict: Kind.MAPPING,
}
_ABSTRACT_KINDS: tuple[tuple[tuple[type, ...], Kind], ...] = (
    ((str,), Kind.TEXT),
    ((int, float, Decimal), Kind.NUMBER),
    ((Mapping,), Kind.MAPPING),
    ((bytes, bytearray, memoryview), Kind.OBJECT),
    ((Sequence, Set, ValuesView), Kind.LIST),
)


def kind_of(value: object) -> Kind:
    return _EXACT_KINDS.get(type(value)) or _abstract_kind(type(value))  # type: ignore[arg-type]  # types are hashable


@lru_cache(maxsize=256)
def _abstract_kind(value_type: type) -> Kind:
    return next((kind for types, kind in _ABSTRACT_KINDS if issubclass(value_type, types)), Kind.OBJECT)


class SafeText(str):
    """Text that an ``{% autoescape %}`` section does not escape again."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Undefined:
    """An undefined value, with the information for its error message.

    name: as the author wrote it: ``var.base``, ``doc.named['x']``.
    key: the part of the name that was not found in `parent`, whose own name is `parent_name`.
    is_replaceable: True if `default` may replace it in an expression: only the last key or index was missing.
    reason: why it is undefined, if that is not a missing key.
    """

    name: str
    key: object = None
    parent: object = None
    parent_name: str = ""
    is_replaceable: bool = True
    reason: str | None = None

    def __repr__(self) -> str:
        return "undefined"

    def beyond(self) -> Undefined:
        """Return the result of a further look-up in this value: the same name is still the missing one."""
        return Undefined(self.name, self.key, self.parent, self.parent_name, False, self.reason)

    def error(self) -> TemplateError:
        if self.reason is not None:
            return TemplateError(
                f"{self.name} is undefined: {self.reason}",
                name=self.name,
                hint="give it a value: | default(...)",
            )
        return TemplateError(f"{self.name} is undefined", name=self.name, hint=self._hint())

    def _hint(self) -> str:
        match kind_of(self.parent):
            case Kind.MAPPING:
                return _known_keys(str(self.key), self.parent, self.parent_name)
            case Kind.LIST:
                return f"{self.parent_name} is a list of {length(self.parent)}"
            case Kind.TEXT:
                return f"{self.parent_name} is text, which has no keys; | fromjson parses JSON"
            case kind:
                return f"{self.parent_name} is {kind}, which has no {self.key}"


def _known_keys(key: str, parent: object, parent_name: str) -> str:
    assert isinstance(parent, Mapping)
    keys = [str(known) for known in islice(parent, 1000)]
    if not keys:
        return f"{parent_name or 'what it is looked up in'} is empty"
    near = nearest(key, keys)
    listed = ", ".join(keys[:_SHOWN_KEYS])
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    has = f"{parent_name} has {listed}{more}" if parent_name else f"known: {listed}{more}"
    return f"did you mean {near}? {has}" if near else has


class _LimitReached(Exception):
    """Raised to stop printing a value that is long enough."""


def short_repr(value: object) -> str:
    """Return a value for a message, at most 60 characters of it."""
    pieces: list[str] = []

    def write(piece: str) -> None:
        pieces.append(piece)
        if len(pieces) > _SHOWN_PARTS:
            raise _LimitReached

    with suppress(_LimitReached):
        _debug(write, value)
    return shorten("".join(pieces), 60)


def describe_value(value: object) -> str:
    """Return the kind and the value for a message: ``text "12"``."""
    kind = kind_of(value)
    return str(kind) if kind in (Kind.NONE, Kind.OBJECT) else f"{kind.removeprefix('a ')} {short_repr(value)}"


def bounded(size: int) -> int:
    """Check and return the length of a text before it is made.

    :raises TemplateError: if it is more than `MAX_TEXT`.
    """
    if size > MAX_TEXT:
        raise TemplateError(f"the text gets longer than {MAX_TEXT:,} characters")
    return size


def bounded_items(count: int) -> int:
    """Check and return the length of a list before it is made.

    :raises TemplateError: if it is more than `MAX_ITEMS`.
    """
    if count > MAX_ITEMS:
        raise TemplateError(f"the list gets longer than {MAX_ITEMS:,} items")
    return count


Write = Callable[[str], None]


def printed(printer: Callable[..., None], *args: object) -> str:
    """Return what a printer function writes, as one text.

    :raises TemplateError: if the text is too long, or has too many parts.
    """
    pieces: list[str] = []
    size = 0

    def write(piece: str) -> None:
        nonlocal size
        size = bounded(size + len(piece))
        pieces.append(piece)
        if len(pieces) > MAX_PIECES:
            raise TemplateError("a value of too many parts is printed")

    printer(write, *args)
    return "".join(pieces)


def length(value: object) -> int:
    """Return the number of characters, items or keys."""
    if kind_of(value) in (Kind.TEXT, Kind.LIST, Kind.MAPPING):
        return len(value)  # type: ignore[arg-type]  # these kinds have a length
    raise TemplateError(f"{describe_value(value)} has no length")


def elements(value: object) -> Sequence[object]:
    """Return what a loop over the value visits: items, keys or characters; nothing for none."""
    match kind_of(value):
        case Kind.LIST:
            return value if isinstance(value, list | tuple) else _listed(value)
        case Kind.MAPPING | Kind.TEXT:
            return _listed(value)
        case Kind.NONE:
            return ()
    raise TemplateError(f"{describe_value(value)} can't be looped over")


def pairs_of(value: object) -> Iterable[tuple[object, object]]:
    """Return the keys and values of a mapping."""
    if not isinstance(value, Mapping):
        raise TemplateError(f"{describe_value(value)} is no mapping")
    return value.items()


def _listed(value: object) -> list[object]:
    assert isinstance(value, Iterable)
    return list(value)


def to_text(value: object) -> str:
    """Return the value as ``{{ }}`` prints it."""
    match kind_of(value):
        case Kind.TEXT:
            return str.__str__(value)
        case Kind.LIST | Kind.MAPPING:
            return printed(_debug, value)
        case Kind.NUMBER:
            return _number(value)
        case Kind.OBJECT:
            return str(value)
    return _WORDS[value]


_WORDS: Mapping[object, str] = {None: "none", True: "true", False: "false"}


def _number(value: object) -> str:
    """Return the digits of a number, never with an exponent."""
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        exact = Decimal(float.__repr__(value))
        if not exact.is_finite():
            return "NaN" if exact.is_nan() else float.__repr__(value)
        digits = format(exact, "f")
        return digits if "." in digits else f"{digits}.0"
    return format(value, "f")


def float_literal(value: float) -> str:
    """Return a float as printed inside of lists and JSON: large and small ones have an exponent, ``1e20``."""
    return float.__repr__(value).replace("e+0", "e").replace("e-0", "e-").replace("e+", "e").replace("nan", "NaN")


def _debug(write: Write, value: object) -> None:
    """Write a value as printed inside of lists and mappings."""
    match kind_of(value):
        case Kind.TEXT:
            write(quoted(to_text(value)))
        case Kind.LIST:
            write("[")
            for number, item in enumerate(elements(value)):
                write(", " if number else "")
                _debug(write, item)
            write("]")
        case Kind.MAPPING:
            write("{")
            for number, (key, item) in enumerate(pairs_of(value)):
                write(", " if number else "")
                _debug(write, key)
                write(": ")
                _debug(write, item)
            write("}")
        case _:
            write(float_literal(value) if isinstance(value, float) else to_text(value))


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def quoted(text: str) -> str:
    """Return a text as printed inside of lists and mappings: in double quotes, unprintable characters escaped."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(char) or _printable(char) for char in text) + '"'


def _printable(char: str) -> str:
    return char if char.isprintable() else f"\\u{{{ord(char):x}}}"


def pretty(write: Write, value: object, indent: str = "") -> None:
    """Write a value over several lines, for the filter ``pprint``."""
    inner = f"{indent}    "
    match kind_of(value):
        case Kind.LIST if length(value):
            write("[\n")
            for item in elements(value):
                write(inner)
                pretty(write, item, inner)
                write(",\n")
            write(f"{indent}]")
        case Kind.MAPPING if length(value):
            write("{\n")
            for key, item in pairs_of(value):
                write(inner)
                _debug(write, key)
                write(": ")
                pretty(write, item, inner)
                write(",\n")
            write(f"{indent}}}")
        case _:
            _debug(write, value)


def to_json(value: object, indent: int | None = None) -> str:
    """Return the value as JSON that is safe in HTML: ``<``, ``>``, ``&`` and ``'`` are escaped."""
    text = printed(_json, value, indent, 0)
    for char in "<>&'":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _json(write: Write, value: object, indent: int | None, depth: int) -> None:
    match kind_of(value):
        case Kind.TEXT:
            write(_json_text(value))
        case Kind.LIST:
            _json_entries(write, "[]", (("", item) for item in elements(value)), indent, depth)
        case Kind.MAPPING:
            colon = ":" if indent is None else ": "
            entries = ((_json_text(key) + colon, item) for key, item in pairs_of(value))
            _json_entries(write, "{}", entries, indent, depth)
        case Kind.NONE:
            write("null")
        case Kind.OBJECT:
            raise TemplateError(f"{type(value).__name__} has no JSON form", hint="| string")
        case _:
            write(_json_number(value))


def _json_text(value: object) -> str:
    return json.dumps(to_text(value), ensure_ascii=False)


def _json_number(value: object) -> str:
    if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
        return "null"
    return float_literal(value) if isinstance(value, float) else to_text(value)


def _json_entries(
    write: Write, brackets: str, entries: Iterable[tuple[str, object]], indent: int | None, depth: int
) -> None:
    is_empty = True
    write(brackets[0])
    for label, item in entries:
        write(("" if is_empty else ",") + _line_break(indent, depth + 1) + label)
        is_empty = False
        _json(write, item, indent, depth + 1)
    write(("" if is_empty else _line_break(indent, depth)) + brackets[1])


def _line_break(indent: int | None, depth: int) -> str:
    return "" if indent is None else "\n" + " " * bounded(indent * depth)
