"""What ``./dev`` says to somebody whose machine or command it can't work with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("cat", "cksum", "dirname", "id", "sed", "sh", "xargs")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing set up, and a folder ``bin`` with the few programs that ``./dev`` itself needs."""
    for name in ("dev", "pyproject.toml", "apt-packages.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def dev(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(checkout / "bin"), "HOME": str(checkout)}
    return subprocess.run([checkout / "dev", *arguments], env=env, capture_output=True, text=True, check=False)


def test_unknown_command_is_reported_with_those_that_there_are(checkout: Path) -> None:
    done = dev(checkout, "tset")

    assert done.returncode == 1
    assert 'unknown command "tset"' in done.stderr
    assert "./dev COMMAND" in done.stderr


def test_machine_without_python_is_reported_how_to_get_one(checkout: Path) -> None:
    done = dev(checkout, "examples")

    assert done.returncode == 1
    assert "no Python 3.11 or newer among python3," in done.stderr
    assert "PYTHON=/path/to/python3" in done.stderr
