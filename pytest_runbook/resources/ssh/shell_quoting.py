"""Quotes text as words of a POSIX shell that reads one line."""

from __future__ import annotations

from collections.abc import Iterable

NEWLINE = "_rb_nl"


def shell_quote(text: str) -> str:
    """Return the text as one word on one line. The variable `NEWLINE` must hold a newline where it is evaluated."""
    quoted = "'" + text.replace("'", "'\\''") + "'"
    return quoted.replace("\n", f"'\"${NEWLINE}\"'")


def shell_join(words: Iterable[str]) -> str:
    return " ".join(map(shell_quote, words))
