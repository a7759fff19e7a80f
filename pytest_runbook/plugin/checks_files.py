"""Writes checks files: updates them (`--runbook-update-checks`), or creates them (`--runbook-write-checks`)."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..context.storage import write_atomically
from ..document.checks_generator import checks_of_run, first_not_passed, lacks_checks_file
from ..model.loaders.checks_update import updated_checks
from .collection import UnreadableItem

if TYPE_CHECKING:
    from ..document.run import RunbookRun
    from ..model.catalog import BlockCatalog
    from ..model.runbook import Runbook
    from ..secrets.masker import Masker
    from .reports.summary import Summary

_NEW_FILE = 0o666


class ChecksFileWriter:
    """The plugin object that writes checks files if the options ask for it."""

    def __init__(self, config: pytest.Config, summary: Summary, masker: Masker, catalog: BlockCatalog) -> None:
        self._updates = bool(config.getoption("runbook_update_checks"))
        self._writes = bool(config.getoption("runbook_write_checks"))
        self._summary = summary
        self._masker = masker
        self._catalog = catalog
        self._runbooks: list[Runbook] = []

    def record_runbook(self, runbook: Runbook) -> None:
        """Remember a runbook that was collected."""
        self._runbooks.append(runbook)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Update checks files and remove all items but those of unreadable files, which fail as ever."""
        if not self._updates or session.testsfailed:
            return None
        for runbook in self._runbooks:
            self._update(runbook)
        session.items[:] = [item for item in session.items if isinstance(item, UnreadableItem)]
        return None

    def write(self, run: RunbookRun) -> None:
        """Write a checks file for a runbook that has none, if every block of it passed."""
        if not self._writes or not lacks_checks_file(run):
            return
        path = run.document.runbook.path.with_suffix(".checks.yaml")
        if (first_unpassed := first_not_passed(run)) is not None:
            self._summary.record_message(f"{path.name} was not written: {first_unpassed.label} has not passed")
            return
        text = checks_of_run(run, self._masker)
        if self._masker.holds_secret(text):
            self._summary.record_message(f"{path.name} was not written: a secret would be in it")
            return
        if path.exists():
            return
        try:
            write_atomically(path, text.encode(), _NEW_FILE)
        except OSError as error:
            self._summary.record_message(f"{path.name} was not written: {error.strerror}")
            return
        self._summary.record_message(f"{path.name} was written: what was seen of {len(run.document.items)} blocks")

    def _update(self, runbook: Runbook) -> None:
        update = updated_checks(runbook, self._catalog)
        if update is None:
            return
        if update.changes:
            _overwrite(update.path.resolve(), update.text.encode())
        elif not update.manual_changes:
            self._summary.record_message(f"{runbook.checks_location}: up to date")
        for line in update.changes:
            self._summary.record_message(f"{runbook.checks_location}:{line}")
        for line in update.manual_changes:
            self._summary.record_message(f"{runbook.checks_location}:{line}: could not be written; do it by hand")


def _overwrite(path: Path, data: bytes) -> None:
    """Replace a file, with its mode kept.

    :raises pytest.UsageError: if it can't be written; it is unchanged then.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        write_atomically(path, data, mode)
        path.chmod(mode)  # again: the umask was applied when the file was created
    except OSError as error:
        raise pytest.UsageError(f"{path} can't be written, and is as it was: {error.strerror}") from error
