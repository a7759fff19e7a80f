"""Projects of their own, and the proof that their blocks left nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugin.project import Project, processes_at


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
    assert processes_at(project.path) == []
