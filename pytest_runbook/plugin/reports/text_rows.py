"""Labelled rows, shared by the texts of failures, plans and the summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

LABEL_WIDTH = 9


def labelled_rows(label: str, text: str, indent: str = "  ") -> Iterator[str]:
    """Yield a text's lines behind a label, each further line aligned with the first. An empty text yields nothing."""
    if text:
        first, *rest = text.splitlines()
        yield f"{indent}{label:<{LABEL_WIDTH - 1}} {first}"
        yield from (f"{indent}{'':<{LABEL_WIDTH}}{line}" for line in rest)


def with_labels(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield each line of some rows, and True if it has its own label: False if it goes on with the text of one above.

    The text of a row stands `LABEL_WIDTH` behind its label; a row below it is never indented so far.
    """
    margin = 0
    for line in lines:
        indent = len(line) - len(line.lstrip())
        is_row = indent < margin + LABEL_WIDTH
        if is_row:
            margin = indent
        yield line, is_row


def counted(number: int, noun: str) -> str:
    """Return ``1 block``, ``2 blocks``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
