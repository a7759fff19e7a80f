"""The programs of docs/engine.md and docs/block-types.md run exactly as they stand there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
FENCE = re.compile(r"^```(?:\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(page: str) -> dict[str, str]:
    """The fenced texts of a page by the file that their first line names; "" is the one without a name."""
    texts = FENCE.findall((DOCS / page).read_text())
    return {(match[1] if (match := re.match(r"# (\S+\.\w+)\n", text)) else ""): text for text in texts}


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_program_that_embeds_the_engine_prints_what_is_shown(tmp_path: Path) -> None:
    files = shown("engine.md")
    for name in ("backup.runbook.yaml", "watch_backup.py"):
        (tmp_path / name).write_text(files[name])

    result = subprocess.run([sys.executable, "watch_backup.py"], cwd=tmp_path, capture_output=True, text=True)

    assert (result.stdout, result.stderr) == (files[""], "")


def test_the_block_type_of_a_conftest_works_in_runbooks_and_tests(pytester: pytest.Pytester, port: int) -> None:
    files = shown("block-types.md")
    for name in ("conftest.py", "test_port.py", "ports.runbook.yaml"):
        (pytester.path / name).write_text(files[name].replace("8443", str(port)))

    result = pytester.runpytest_subprocess("-p", "no:anyio", "test_port.py", "ports.runbook.yaml")

    result.assert_outcomes(passed=3)
