"""The prose keys of runbooks and blocks in reports: rows of texts, and names of properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ...model.prose import INHERITED_PROSE, PROSE_LABELS
from .text_rows import labelled_rows

if TYPE_CHECKING:
    from ...model.runbook import Runbook

SHOWN_LINES = 15
LONGEST_LINE = 400


def prose_rows(
    prose: Mapping[str, str], *, shown: Mapping[str, str] | None = None, indent: str = "  "
) -> Iterator[str]:
    """Yield a labelled row for each text of prose, long ones cut. shown: texts that are shown already, by key."""
    for key, label in PROSE_LABELS.items():
        text = prose.get(key)
        if text is not None and text != (shown or {}).get(key):
            yield from labelled_rows(label, _cut(text), indent)


def rows_about(runbook: Runbook, prose: Mapping[str, str]) -> Iterator[str]:
    """Yield what a failure shows of a runbook: its name with the first paragraph of its description, and prose.

    prose: the texts of the block that failed, or those that a block inherits.
    """
    if runbook.prose.description is not None:
        yield from labelled_rows("runbook", _cut(f"{runbook.name}: {_first_paragraph(runbook.prose.description)}"))
    yield from prose_rows(prose)


def _first_paragraph(text: str) -> str:
    return text.split("\n\n", 1)[0]


def _cut(text: str) -> str:
    lines = text.splitlines()
    more = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return "\n".join((*(_cut_line(line) for line in lines[:SHOWN_LINES]), *more))


def _cut_line(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 3]}..."


def runbook_prose_properties(prose: Mapping[str, str]) -> dict[str, object]:
    """Return the texts that are a runbook's alone by the names of their properties."""
    return {f"runbook_{key}": text for key, text in prose.items() if key not in INHERITED_PROSE}


def block_prose_properties(prose: Mapping[str, str]) -> dict[str, object]:
    """Return the texts of a block by the names of their properties, such as ``runbook_owner``."""
    return {
        f"runbook_{key.removeprefix('runbook_')}" if key in INHERITED_PROSE else f"runbook_block_{key}": text
        for key, text in prose.items()
    }
