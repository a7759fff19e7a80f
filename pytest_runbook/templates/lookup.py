"""What stands behind a dot or in brackets: keys first, then indexes, then the public attributes of other objects.

Nothing is called here, and no attribute of a Python object is read whose name is private or that could be called.
"""

from __future__ import annotations

import types
from collections.abc import Mapping

from ..errors import TemplateError
from .values import Kind, Undefined, described, kind_of, to_text

NOWHERE = object()
"""What `find` gives where nothing is."""
_CLOSED = (
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
    """The item, element or public attribute of that key, else `NOWHERE`."""
    match kind_of(value):
        case Kind.MAPPING:
            return _item(value, key)
        case Kind.LIST | Kind.TEXT:
            return _element(value, key)
        case Kind.OBJECT:
            return _public(value, key)
    return NOWHERE


def missing(value: object, key: object, name: str, parent_name: str) -> Undefined:
    """What stands for a key that leads nowhere.

    name: how it is called, parent_name: how the value is called in which it was looked for.
    """
    if isinstance(value, Undefined):
        return value.beyond()
    return Undefined(name, key, value, parent_name, is_replaceable=_may_lack(value, key))


def attribute(value: object, path: object, default: object = NOWHERE) -> object:
    """What a dotted path or an index leads to in an item of a list.

    :raises TemplateError: if it leads nowhere and there is no default.
    """
    found = look_up_path(value, path)
    if not isinstance(found, Undefined):
        return found
    if default is NOWHERE:
        raise found.error()
    return default


def look_up_path(value: object, path: object) -> object:
    """What a dotted path or an index leads to, `Undefined` where it leads nowhere."""
    name = "item"
    for hop in [path] if isinstance(path, int) else to_text(path).split("."):
        key = int(hop) if isinstance(hop, str) and hop.isdigit() and kind_of(value) is Kind.LIST else hop
        found = find(value, key)
        value = missing(value, key, f"{name}.{hop}", name) if found is NOWHERE else found
        name = f"{name}.{hop}"
    return value


def cut(value: object, start: object, stop: object, step: object) -> object:
    """A slice of a list or text."""
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
    raise TemplateError(f"{described(value)} can't be sliced")


def _bound(value: object) -> int:
    if not isinstance(value, int):
        raise TemplateError(f"{described(value)} is no index", hint="| int")
    return value


def _item(value: object, key: object) -> object:
    assert isinstance(value, Mapping)
    if kind_of(key) in (Kind.LIST, Kind.MAPPING, Kind.OBJECT):
        return NOWHERE
    try:
        return value[key]
    except KeyError:
        return NOWHERE


def _element(value: object, key: object) -> object:
    if type(key) is int:
        items = value if isinstance(value, str | list | tuple) else list(value)  # type: ignore[call-overload]  # a list
        return items[key] if -len(items) <= key < len(items) else NOWHERE
    if isinstance(value, tuple) and key in getattr(value, "_fields", ()):
        return getattr(value, str(key))
    return NOWHERE


def _public(value: object, key: object) -> object:
    if not isinstance(key, str) or key.startswith("_") or isinstance(value, _CLOSED):
        return NOWHERE
    found = getattr(value, key, NOWHERE)
    return NOWHERE if callable(found) or isinstance(found, _CLOSED) else found


def _may_lack(value: object, key: object) -> bool:
    """Whether it is the key that is missing, and not that the value is of a kind that has none such."""
    kind = kind_of(value)
    return kind is Kind.MAPPING or (kind in (Kind.LIST, Kind.TEXT) and type(key) is int)
