"""Looks up what stands behind a dot or in brackets: keys, indexes, and public attributes of other objects.

This is a part of the sandbox: private and callable attributes of Python objects are not found, and nothing is called.
"""

from __future__ import annotations

import types
from collections.abc import Mapping

from ..errors import TemplateError
from .values import Kind, Undefined, describe_value, kind_of, to_text

NOT_FOUND = object()
"""The result of `find` if there is nothing."""
_FORBIDDEN_TYPES = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.CodeType,
    types.TracebackType,
)


def find(value: object, key: object) -> object:
    """Return the item, element or public attribute of that key, else `NOT_FOUND`."""
    match kind_of(value):
        case Kind.MAPPING:
            return _item(value, key)
        case Kind.LIST | Kind.TEXT:
            return _element(value, key)
        case Kind.OBJECT:
            return _public(value, key)
    return NOT_FOUND


def missing(value: object, key: object, name: str, parent_name: str) -> Undefined:
    """Return `Undefined` for a key that was not found in the value.

    name: the whole name, as the author wrote it. parent_name: the part of it that names the value.
    """
    if isinstance(value, Undefined):
        return value.beyond()
    return Undefined(name, key, value, parent_name, is_replaceable=_is_missing_key(value, key))


def attribute(value: object, path: object, default: object = NOT_FOUND) -> object:
    """Return what a dotted path or an index refers to in an item of a list, else the default.

    :raises TemplateError: if there is nothing, and no default.
    """
    found = look_up_path(value, path)
    if not isinstance(found, Undefined):
        return found
    if default is NOT_FOUND:
        raise found.error()
    return default


def look_up_path(value: object, path: object) -> object:
    """Return what a dotted path or an index refers to; `Undefined` if there is nothing."""
    name = "item"
    for hop in [path] if isinstance(path, int) else to_text(path).split("."):
        key = int(hop) if isinstance(hop, str) and hop.isdigit() and kind_of(value) is Kind.LIST else hop
        found = find(value, key)
        value = missing(value, key, f"{name}.{hop}", name) if found is NOT_FOUND else found
        name = f"{name}.{hop}"
    return value


def slice_value(value: object, start: object, stop: object, step: object) -> object:
    """Return a slice of a list or text."""
    bounds = [None if bound is None else _bound(bound) for bound in (start, stop, step)]
    if bounds[2] == 0:
        raise TemplateError("a slice can't have a step of 0")
    match kind_of(value):
        case Kind.TEXT:
            return to_text(value)[slice(*bounds)]
        case Kind.LIST:
            return list(value)[slice(*bounds)]  # type: ignore[call-overload]  # a list
        case Kind.NONE:
            return []
    raise TemplateError(f"{describe_value(value)} can't be sliced")


def _bound(value: object) -> int:
    if not isinstance(value, int):
        raise TemplateError(f"{describe_value(value)} is no index", hint="| int")
    return value


def _item(value: object, key: object) -> object:
    assert isinstance(value, Mapping)
    if kind_of(key) in (Kind.LIST, Kind.MAPPING, Kind.OBJECT):
        return NOT_FOUND
    try:
        return value[key]
    except KeyError:
        return NOT_FOUND


def _element(value: object, key: object) -> object:
    if type(key) is int:
        items = value if isinstance(value, str | list | tuple) else list(value)  # type: ignore[call-overload]  # a list
        return items[key] if -len(items) <= key < len(items) else NOT_FOUND
    if isinstance(value, tuple) and key in getattr(value, "_fields", ()):
        return getattr(value, str(key))
    return NOT_FOUND


def _public(value: object, key: object) -> object:
    if not isinstance(key, str) or key.startswith("_") or isinstance(value, _FORBIDDEN_TYPES):
        return NOT_FOUND
    found = getattr(value, key, NOT_FOUND)
    return NOT_FOUND if callable(found) or isinstance(found, _FORBIDDEN_TYPES) else found


def _is_missing_key(value: object, key: object) -> bool:
    """Return True if values of this kind can have such a key, and only this value lacks it."""
    kind = kind_of(value)
    return kind is Kind.MAPPING or (kind in (Kind.LIST, Kind.TEXT) and type(key) is int)
