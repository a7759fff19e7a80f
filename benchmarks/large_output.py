"""A script that prints a gigabyte, against reading the same pipe and dropping the data: in time and in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .measure import Finding, in_process, pytest_process, ratio, run_rounds

ROUNDS = 3
CODE = "yes 'One line of the log of a build, about as long as they are, with a number: 4711' | head -c 1000000000"
MAX_MEGABYTES = 200.0


def findings(folder: Path) -> Iterator[Finding]:
    for name, code in {"large": CODE, "silent": "true"}.items():
        (folder / f"{name}.runbook.yaml").write_text(f"blocks:\n  - script: {{code: {code!r}, interpreter: sh}}\n")
    series_by_name = run_rounds(
        ROUNDS,
        {
            "a script block that prints 1 GB": pytest_process(folder, "large.runbook.yaml"),
            "one that prints nothing": pytest_process(folder, "silent.runbook.yaml"),
            "the same pipe, dropped": in_process(read_and_drop),
        },
    )
    large, silent, dropped = series_by_name.values()
    claim = "1 GB out of a script, without the session's own time / reading the same pipe: at most 1.50"
    yield ratio(claim, large.median - silent.median, dropped.median, at_most=1.5)
    yield Finding(
        f"its peak memory: at most {MAX_MEGABYTES:.0f} MB",
        f"{large.peak_megabytes:.0f} MB",
        large.peak_megabytes <= MAX_MEGABYTES,
    )


def read_and_drop() -> None:
    with subprocess.Popen(("sh", "-c", CODE), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while os.read(process.stdout.fileno(), 65536):
            pass
