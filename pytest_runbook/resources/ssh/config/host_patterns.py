"""Patterns of ssh_config and known_hosts: ``*``, ``?`` and negation.

Source: ssh_config(5), PATTERNS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def matches_list(text: str, patterns: Iterable[str]) -> bool:
    """Return True if one of the patterns matches, and none of those that begin with ``!``."""
    folded, found = text.lower(), False
    for pattern in patterns:
        if _matches(folded, pattern.removeprefix("!").lower()):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _matches(text: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return text == pattern
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(re.sub(r"(\.\*)+", ".*", expression), text, re.DOTALL) is not None
