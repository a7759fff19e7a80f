"""Regular expressions of authors on texts of anybody: Python's, within a bound of time.

Python's own engine can't be stopped: some patterns, such as ``(a+)+b``, take years for a text of fifty characters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Protocol, cast

from ..errors import TemplateError
from ..text import shorten

SEARCH_TIMEOUT = 1.0
# What the engine with a bound takes for more than text, and Python's own does not: {e} behind something, "nearly it".
_BRACE = re.compile(r"(\\N\{[^}]*\}|\\.)|\{(?=[^{}]*[a-z][^{}]*\})", re.DOTALL)


class RegexMatch(Protocol):
    """What a pattern found."""

    def __getitem__(self, group: int) -> str: ...
    def groups(self) -> tuple[str | None, ...]: ...
    def groupdict(self) -> dict[str, str | None]: ...


def search_regex(pattern: str, text: str, *, is_at_start: bool = False) -> RegexMatch | None:
    """What the pattern finds first.

    :raises TemplateError: if it is no regular expression, or takes too long.
    """
    check_regex(pattern)
    expression = _compiled(pattern)
    try:
        found = (expression.match if is_at_start else expression.search)(text, timeout=SEARCH_TIMEOUT)
    except TimeoutError as error:
        message = f'the regular expression "{shorten(pattern, 60)}" takes more than {SEARCH_TIMEOUT:.0f} s on this text'
        hint = "it repeats what repeats itself, as in (a+)+; say more exactly what comes where"
        raise TemplateError(message, hint=hint) from error
    return cast("RegexMatch | None", found)


def check_regex(pattern: str) -> None:
    """:raises TemplateError: if it is no regular expression."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise TemplateError(f'text "{shorten(pattern, 60)}" is no regular expression: {error}') from error


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import regex  # type: ignore[import-untyped]  # it has no stubs

    return regex.compile(_BRACE.sub(lambda match: match[1] or r"\{", pattern))
