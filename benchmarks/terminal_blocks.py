"""Many terminal blocks that run ``true``, against an empty test and a shell in a bare terminal for each."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .measure import Finding, in_process, pytest_process, ratio, run_rounds

ROUNDS = 3
BLOCKS = 300
SHELL = ("bash", "--norc", "--noediting", "-i")


def findings(folder: Path) -> Iterator[Finding]:
    block = '  - terminal: {code: "true", type: bash}\n'
    (folder / "many.runbook.yaml").write_text("blocks:\n" + block * BLOCKS)
    (folder / "test_many.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(BLOCKS)))
    series_by_name = run_rounds(
        ROUNDS,
        {
            "terminal blocks": pytest_process(folder, "many.runbook.yaml"),
            "empty tests": pytest_process(folder, "test_many.py", plugins=""),
            "bash in a terminal": in_process(run_shells),
        },
    )
    shells, items = series_by_name["bash in a terminal"].median, series_by_name["empty tests"].median
    claim = f"{BLOCKS} terminal blocks / as many empty tests and interactive shells in a terminal of their own"
    yield ratio(claim, series_by_name["terminal blocks"].median, items + shells)
    extra = (series_by_name["terminal blocks"].median - items - shells) / BLOCKS
    yield Finding("cost of a terminal block beyond the shell's own start", f"{extra * 1000:.1f} ms")


def run_shells() -> None:
    for _ in range(BLOCKS):
        run_shell()


def run_shell() -> None:
    """Run an interactive shell that reads one command and the end of its input."""
    master, slave = pty.openpty()
    # Typed before the shell starts: both wait in the terminal until it reads them.
    os.write(master, b"true\r\x04")
    shell = subprocess.Popen(SHELL, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    with suppress(OSError):  # EIO on Linux once no process has the other end open
        while os.read(master, 65_536):
            pass
    os.close(master)
    shell.wait()
