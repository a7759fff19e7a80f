"""Projects of their own, and the proof that their blocks left nothing behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

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
def nothing_left(project: Project) -> Iterator[None]:
    """Afterwards no process is left that runs in the project's folder."""
    yield
    assert [process for process in psutil.process_iter() if _is_at(process, project.path)] == []


def _is_at(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.cwd() == str(folder)
    except psutil.Error:
        return False
