"""Collecting many runbooks, against as many Python files with as many tests; no file is like another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .measure import Verdict, pytest_process, ratio, take_turns

ROUNDS = 3
FILES = 1_000
TESTS = 20


def verdicts(folder: Path) -> Iterator[Verdict]:
    write_runbooks(folder / "runbooks")
    write_modules(folder / "modules")
    taken = take_turns(
        ROUNDS,
        {
            "runbooks": pytest_process(folder, "--collect-only", "runbooks"),
            "Python files": pytest_process(folder, "--collect-only", "modules", plugins=""),
        },
    )
    yield ratio(
        f"collecting {FILES:,} runbooks of {TESTS} blocks / as many Python files and functions: at most 1.00",
        taken["runbooks"].median,
        taken["Python files"].median,
        at_most=1.0,
    )


def write_runbooks(folder: Path) -> None:
    folder.mkdir()
    for book in range(FILES):
        blocks = (
            f"- name: Check {test}\n  script: echo {book}-{test}\n  assert: output.stdout | trim == '{book}-{test}'\n"
            for test in range(TESTS)
        )
        (folder / f"book_{book}.runbook.yaml").write_text("blocks:\n" + "".join(blocks))


def write_modules(folder: Path) -> None:
    folder.mkdir()
    for book in range(FILES):
        tests = (f"def test_{test}():\n    assert '{book}-{test}' == '{book}-{test}'\n" for test in range(TESTS))
        (folder / f"test_{book}.py").write_text("\n".join(tests))
