"""Searches with regular expressions in Python's syntax, with a timeout.

Some patterns, such as ``(a+)+b``, take years on a text of fifty characters, and Python's `re` can't be interrupted.
So `re` only checks the syntax, and the package `regex`, which has timeouts, does the search.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Protocol, cast

from ..errors import TemplateError
from ..text import shorten

SEARCH_TIMEOUT = 1.0
# `regex` reads {e} after an item as approximate matching, which `re` takes for plain text.
_BRACE = re.compile(r"(\\N\{[^}]*\}|\\.)|\{(?=[^{}]*[a-z][^{}]*\})", re.DOTALL)


class RegexMatch(Protocol):
    """The part of a match object that is used here. `regex` has no stubs."""

    def __getitem__(self, group: int) -> str: ...
    def groups(self) -> tuple[str | None, ...]: ...
    def groupdict(self) -> dict[str, str | None]: ...


def search_regex(pattern: str, text: str, *, is_at_start: bool = False) -> RegexMatch | None:
    """Return the first match of a pattern; None without one.

    :raises TemplateError: if the pattern is no regular expression, or the search takes too long.
    """
    check_regex(pattern)
    expression = _compiled(pattern)
    try:
        found = (expression.match if is_at_start else expression.search)(text, timeout=SEARCH_TIMEOUT)
    except TimeoutError as error:
        message = f'the regular expression "{shorten(pattern, 60)}" takes more than {SEARCH_TIMEOUT:.0f} s on this text'
        hint = "does it nest repetitions, as in (a+)+? Make the pattern more specific"
        raise TemplateError(message, hint=hint) from error
    return cast("RegexMatch | None", found)


def check_regex(pattern: str) -> None:
    """:raises TemplateError: if the pattern is no regular expression."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise TemplateError(f'text "{shorten(pattern, 60)}" is no regular expression: {error}') from error


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import regex  # type: ignore[import-untyped]  # it has no stubs

    return regex.compile(_BRACE.sub(lambda match: match[1] or r"\{", pattern))
