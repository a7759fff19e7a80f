"""Texts loaded as files, and their faults as people see them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_runbook.errors import UnreadableFile
from pytest_runbook.model import load_runbook
from pytest_runbook.model.runbook import Runbook


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Runbook]:
    """Loads a text as a file of that name, by which alone it is shown."""

    def load_text(text: str, name: str = "x.runbook.yaml", **options: object) -> Runbook:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return load_runbook(path, display_path=name, **options)  # type: ignore[arg-type]  # passed on as they are

    return load_text


@pytest.fixture
def faults(load: Callable[..., Runbook]) -> Callable[..., list[str]]:
    """What is wrong with a text as a file."""

    def faults_of(text: str, name: str = "x.runbook.yaml", **options: object) -> list[str]:
        with pytest.raises(UnreadableFile) as caught:
            load(text, name, **options)
        return [str(error) for error in caught.value.errors]

    return faults_of
