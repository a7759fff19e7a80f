"""Projects of their own, and the proof that their blocks left nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.plugin.project import Project


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.delenv("CI", raising=False)
    project = Project(pytester)
    yield project
    project.close()


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Afterwards no process is left that carries the mark of a block of this test."""
    before = {process.pid for process in psutil.process_iter()}
    yield
    left = [process for process in psutil.process_iter() if process.pid not in before and _is_of_a_block(process)]
    assert left == []


def _is_of_a_block(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "RUNBOOK_OUTPUT_VARS" in process.environ()
    except psutil.Error:
        return False
