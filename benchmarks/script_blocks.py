"""Many script blocks that do nothing, against the unavoidable part: an empty test and a child process for each."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio

from .measure import Finding, in_process, pytest_process, ratio, run_rounds

ROUNDS = 3
BLOCKS = 2_000
ARGV = ("sh", "-c", "true")


def findings(folder: Path) -> Iterator[Finding]:
    block = '  - script: {code: "true", interpreter: sh}\n'
    (folder / "many.runbook.yaml").write_text("blocks:\n" + block * BLOCKS)
    (folder / "test_many.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(BLOCKS)))
    series_by_name = run_rounds(
        ROUNDS,
        {
            "script blocks": pytest_process(folder, "many.runbook.yaml"),
            "empty tests": pytest_process(folder, "test_many.py", plugins=""),
            "anyio.run_process": in_process(lambda: anyio.run(run_with_anyio)),
            "subprocess.run": in_process(run_with_subprocess),
        },
    )
    ours, items = series_by_name["script blocks"].median, series_by_name["empty tests"].median
    claim = f"{BLOCKS:,} script blocks / as many empty tests and "
    yield ratio(
        claim + "anyio.run_process: at most 1.25",
        ours,
        items + series_by_name["anyio.run_process"].median,
        at_most=1.25,
    )
    yield ratio(claim + "subprocess.run", ours, items + series_by_name["subprocess.run"].median)


async def run_with_anyio() -> None:
    for _ in range(BLOCKS):
        await anyio.run_process(ARGV)


def run_with_subprocess() -> None:
    for _ in range(BLOCKS):
        subprocess.run(ARGV, check=True, capture_output=True)
