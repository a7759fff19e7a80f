"""Many terminals in which nothing is done, against an empty test and the shell's own start for each."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .measure import Verdict, in_process, pytest_process, ratio, take_turns

ROUNDS = 3
BLOCKS = 300
SHELL = ("bash", "--norc", "--noediting", "-i")


def verdicts(folder: Path) -> Iterator[Verdict]:
    block = '  - terminal: {code: "true", type: bash}\n'
    (folder / "many.runbook.yaml").write_text("blocks:\n" + block * BLOCKS)
    (folder / "test_many.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(BLOCKS)))
    taken = take_turns(
        ROUNDS,
        {
            "terminal blocks": pytest_process(folder, "many.runbook.yaml"),
            "empty tests": pytest_process(folder, "test_many.py", plugins=""),
            "bash in a terminal": in_process(run_shells),
        },
    )
    shells, items = taken["bash in a terminal"].median, taken["empty tests"].median
    claim = f"{BLOCKS} terminal blocks / as many empty tests and interactive shells in a terminal of their own"
    yield ratio(claim, taken["terminal blocks"].median, items + shells)
    extra = (taken["terminal blocks"].median - items - shells) / BLOCKS
    yield Verdict("what a terminal block costs over the shell's own start", f"{extra * 1000:.1f} ms")


def run_shells() -> None:
    for _ in range(BLOCKS):
        run_shell()


def run_shell() -> None:
    """An interactive shell that gets one command and the end, both ahead of time."""
    master, slave = pty.openpty()
    os.write(master, b"true\r\x04")
    shell = subprocess.Popen(SHELL, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    with suppress(OSError):  # nobody has the other end any more
        while os.read(master, 65_536):
            pass
    os.close(master)
    shell.wait()
