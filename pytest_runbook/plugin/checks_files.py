"""Checks files that are written: brought up to date, or made from what a green run has seen."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..context.storage import write_whole
from ..document.checks_generator import checks_of_run, lacks_checks, not_passed
from ..model.loaders.checks_update import updated_checks
from .collection import UnreadableItem

if TYPE_CHECKING:
    from ..document.run import RunbookRun
    from ..model.catalog import BlockCatalog
    from ..model.runbook import Runbook
    from ..secrets.masker import Redactor
    from .reports.summary import Summary

_NEW_FILE = 0o666


class ChecksFiles:
    """The plugin object that writes them, where the options ask for it."""

    def __init__(self, config: pytest.Config, summary: Summary, redactor: Redactor, catalog: BlockCatalog) -> None:
        self._updates = bool(config.getoption("runbook_update_checks"))
        self._writes = bool(config.getoption("runbook_write_checks"))
        self._summary = summary
        self._redactor = redactor
        self._catalog = catalog
        self._books: list[Runbook] = []

    def note_book(self, book: Runbook) -> None:
        """Know a runbook that was collected."""
        self._books.append(book)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Update checks files, in place of running anything; what can't be read is told as ever."""
        if not self._updates or session.testsfailed:
            return None
        for book in self._books:
            self._update(book)
        session.items[:] = [item for item in session.items if isinstance(item, UnreadableItem)]
        return None

    def write(self, run: RunbookRun) -> None:
        """Write a checks file for a document that has none, if every block of it passed."""
        if not self._writes or not lacks_checks(run):
            return
        path = run.document.runbook.path.with_suffix(".checks.yaml")
        if (open_item := not_passed(run)) is not None:
            self._summary.note(f"{path.name} was not written: {open_item.label} has not passed")
            return
        text = checks_of_run(run, self._redactor)
        if self._redactor.holds_secret(text):
            self._summary.note(f"{path.name} was not written: a secret would be in it")
            return
        if path.exists():
            return
        try:
            write_whole(path, text.encode(), _NEW_FILE)
        except OSError as error:
            self._summary.note(f"{path.name} was not written: {error.strerror}")
            return
        self._summary.note(f"{path.name} was written: what was seen of {len(run.document.items)} blocks")

    def _update(self, book: Runbook) -> None:
        update = updated_checks(book, self._catalog)
        if update is None:
            return
        if update.told:
            _write_again(update.path.resolve(), update.text.encode())
        elif not update.by_hand:
            self._summary.note(f"{book.checks}: up to date")
        for line in update.told:
            self._summary.note(f"{book.checks}:{line}")
        for line in update.by_hand:
            self._summary.note(f"{book.checks}:{line}: could not be written; do it by hand")


def _write_again(path: Path, data: bytes) -> None:
    """:raises pytest.UsageError: if it can't be written; it is as it was, then."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        write_whole(path, data, mode)
        path.chmod(mode)  # which had the umask taken off
    except OSError as error:
        raise pytest.UsageError(f"{path} can't be written, and is as it was: {error.strerror}") from error
