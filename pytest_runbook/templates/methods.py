"""The methods of text, lists and mappings that are usual in Jinja2: ``var.name.upper()``.

This is a part of the sandbox: only the methods in these tables can be called. A key of a mapping hides its method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ..errors import TemplateError
from . import filters
from .lookup import NOT_FOUND, find
from .values import Kind, describe_value, elements, to_text

Method = Callable[..., object]


def get(value: object, key: object, default: object = None) -> object:
    found = find(value, key)
    return default if found is NOT_FOUND else found


def startswith(value: object, *prefixes: object) -> bool:
    return to_text(value).startswith(_texts(prefixes))


def endswith(value: object, *suffixes: object) -> bool:
    return to_text(value).endswith(_texts(suffixes))


def _texts(values: tuple[object, ...]) -> tuple[str, ...]:
    """Return the single argument, or its items if it is a list."""
    (value,) = values
    if not isinstance(value, list | tuple):
        value = (value,)
    return tuple(_text(part) for part in value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TemplateError(f"{describe_value(value)} is no text", hint="| string")
    return to_text(value)


def text_join(value: object, items: object) -> str:
    return filters.join(items, value)


def index(value: object, item: object) -> int:
    return list(elements(value)).index(item)


def _of_text(method: Method) -> Method:
    """Return a template method for a method of `str` whose arguments are all text."""
    return lambda value, *args: method(to_text(value), *(None if arg is None else _text(arg) for arg in args))


METHODS: Mapping[Kind, Mapping[str, Method]] = MappingProxyType(
    {
        Kind.TEXT: MappingProxyType(
            {
                "capitalize": _of_text(str.capitalize),
                "casefold": _of_text(str.casefold),
                "count": _of_text(str.count),
                "endswith": endswith,
                "find": _of_text(str.find),
                "isalnum": _of_text(str.isalnum),
                "isalpha": _of_text(str.isalpha),
                "isdigit": _of_text(str.isdigit),
                "islower": _of_text(str.islower),
                "isspace": _of_text(str.isspace),
                "isupper": _of_text(str.isupper),
                "join": text_join,
                "lower": _of_text(str.lower),
                "lstrip": _of_text(str.lstrip),
                "partition": _of_text(str.partition),
                "removeprefix": _of_text(str.removeprefix),
                "removesuffix": _of_text(str.removesuffix),
                "replace": filters.replace,
                "rpartition": _of_text(str.rpartition),
                "rstrip": _of_text(str.rstrip),
                "split": filters.split_text,
                "splitlines": filters.lines,
                "startswith": startswith,
                "strip": _of_text(str.strip),
                "title": _of_text(str.title),
                "upper": _of_text(str.upper),
            }
        ),
        Kind.LIST: MappingProxyType({"count": lambda value, item: list(elements(value)).count(item), "index": index}),
        Kind.MAPPING: MappingProxyType(
            {
                "get": get,
                "items": filters.mapping_items,
                "keys": elements,
                "values": lambda value: list(value.values()),
            }
        ),
    }
)
METHOD_NAMES = frozenset(name for methods in METHODS.values() for name in methods)
