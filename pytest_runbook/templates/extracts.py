"""The filters ``regex`` and ``jmespath``, which extract a part of a value."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..errors import TemplateError
from .lookup import NOT_FOUND
from .predicates import must_be_text, searchable_text
from .regex_search import search_regex
from .values import Kind, Undefined, describe_value, elements, kind_of, to_text


def extract_regex(value: object, pattern: object, default: object = NOT_FOUND) -> object:
    """Return the first match of a pattern: its group, a list of groups, a mapping of named groups, or the whole match.

    default: returned if there is no match; without it, the result is undefined.
    """
    match = search_regex(must_be_text(pattern), searchable_text(value))
    if match is None:
        reason = f"{describe_value(pattern)} is not found in it"
        return Undefined("what regex takes", reason=reason) if default is NOT_FOUND else default
    if match.groupdict():
        return match.groupdict()
    groups = match.groups()
    return match[0] if not groups else groups[0] if len(groups) == 1 else list(groups)


def extract_jmespath(value: object, path: object, default: object = NOT_FOUND) -> object:
    """Return the result of a JMESPath expression.

    default: returned if the result is null, which is also JMESPath's result for a missing key.
    """
    if kind_of(path) is not Kind.TEXT:
        raise TemplateError(f"{describe_value(path)} is no JMESPath")
    found = _search(to_text(path), _in_json_types(value))
    if found is not None:
        return found
    return Undefined("what jmespath takes", reason=f"{path} leads to nothing") if default is NOT_FOUND else default


def _search(path: str, value: object) -> object:
    from jmespath.exceptions import JMESPathError  # imported when first needed

    try:
        return parsed_path(path).search(value)
    except JMESPathError as error:
        raise TemplateError(f"{describe_value(path)} is no JMESPath for this: {_one_line(error)}") from error


@lru_cache(maxsize=256)
def parsed_path(path: str) -> Any:
    """Compile a JMESPath expression.

    :raises TemplateError: if it is invalid.
    """
    from jmespath import compile as compile_path
    from jmespath.exceptions import JMESPathError

    try:
        return compile_path(path)
    except JMESPathError as error:
        raise TemplateError(f"{describe_value(path)} is no JMESPath: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _in_json_types(value: object) -> object:
    """Return the value as dicts and lists, the only containers that jmespath searches."""
    match kind_of(value):
        case Kind.MAPPING:
            return {to_text(key): _in_json_types(value[key]) for key in elements(value)}  # type: ignore[index]  # its kind
        case Kind.LIST:
            return [_in_json_types(item) for item in elements(value)]
    return value
