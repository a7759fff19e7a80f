"""Texts as words of a POSIX shell that reads one line."""

from __future__ import annotations

from collections.abc import Iterable

NEWLINE = "_rb_nl"


def shell_quote(text: str) -> str:
    """The text as one word on one line; `NEWLINE` must be set to a newline where it is read."""
    quoted = "'" + text.replace("'", "'\\''") + "'"
    return quoted.replace("\n", f"'\"${NEWLINE}\"'")


def shell_join(words: Iterable[str]) -> str:
    return " ".join(map(shell_quote, words))
