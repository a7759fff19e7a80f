"""Collecting many runbooks, against as many Python files with as many tests. All files differ."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .measure import Finding, Sample, pytest_process, ratio, run_rounds

ROUNDS = 3
FILES = 1_000
TESTS = 20


def findings(folder: Path) -> Iterator[Finding]:
    write_runbooks(folder / "runbooks")
    write_modules(folder / "modules")
    collect_modules = pytest_process(folder, "--collect-only", "modules", plugins="")
    series_by_name = run_rounds(
        ROUNDS,
        {
            "runbooks": pytest_process(folder, "--collect-only", "runbooks"),
            "Python files, not compiled": lambda: without_bytecode(folder / "modules", collect_modules),
            "Python files, compiled": collect_modules,
        },
    )
    claim = f"collecting {FILES:,} runbooks of {TESTS} blocks / as many Python files and functions"
    runbooks, fresh, compiled = (series.median for series in series_by_name.values())
    yield ratio(f"{claim} in a fresh clone: at most 1.00", runbooks, fresh, at_most=1.0)
    yield ratio(f"{claim} that were compiled before", runbooks, compiled)


def without_bytecode(folder: Path, run: Callable[[], Sample]) -> Sample:
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    return run()


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
