"""The tables of keys in the documentation, made from the table by which the loaders read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .keys.key import Key, help_of
from .keys.key_table import keys_in
from .prose import INHERITED_PROSE, PROSE_LABELS

PAGES = ("runbooks.md", "checks.md")
_COMMAND = "python -m pytest_runbook.model.schema"
_TABLE = re.compile(
    rf"(?P<begin><!-- keys of (?:a )?(?P<place>file|block|checks file|prose), written by {re.escape(_COMMAND)} -->\n)"
    r".*?(?P<end><!-- end of the keys -->\n)",
    re.DOTALL,
)


def write_pages(folder: Path) -> None:
    """Bring the tables of the pages in a folder up to date."""
    for name in PAGES:
        page = folder / name
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


def with_tables(page: str) -> str:
    """Return the text of a page with its tables as they should be: they stand between two comments."""
    return _TABLE.sub(lambda match: f"{match['begin']}{_table(match['place'])}{match['end']}", page)


def _table(place: str) -> str:
    rows = {"file": _file_rows, "block": _block_rows, "checks file": _checks_rows, "prose": _prose_rows}[place]()
    heading = "| key | of a block without it |" if place == "prose" else "| key | meaning |"
    return "".join(f"{line}\n" for line in (heading, "|---|---|", *rows))


def _file_rows() -> Iterator[str]:
    yield from (_row(f"`{key.name}`", help_of(key)) for key in keys_in("file").values())


def _block_rows() -> Iterator[str]:
    yield from (_row(f"`{key.name}`", help_of(key)) for key in keys_in("block").values())


def _checks_rows() -> Iterator[str]:
    """Keys that mean the same at the top of a plain runbook stand in one row."""
    keys = keys_in("checks").values()
    shared = [key for key in keys if "file" in key.scope]
    yield from (_row(f"`{key.name}`", help_of(key)) for key in keys if key not in shared)
    yield _row(_listed(shared), "as at the top of a [plain runbook](runbooks.md#the-file)")


def _prose_rows() -> Iterator[str]:
    for name in PROSE_LABELS:
        yield _row(f"`{name}`", "that of its runbook" if name in INHERITED_PROSE else "none: it is not inherited")


def _listed(keys: list[Key]) -> str:
    return ", ".join(f"`{key.name}`" for key in keys)


def _row(name: str, text: str) -> str:
    return f"| {name} | {text} |"
