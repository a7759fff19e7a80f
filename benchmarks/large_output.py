"""A script that prints a gigabyte, against reading the same pipe to nowhere: in time, and in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .measure import Verdict, in_process, pytest_process, ratio, take_turns

ROUNDS = 3
CODE = "yes 'One line of the log of a build, about as long as they are, with a number: 4711' | head -c 1000000000"
MOST_MEGABYTES = 200.0


def verdicts(folder: Path) -> Iterator[Verdict]:
    for name, code in {"large": CODE, "silent": "true"}.items():
        (folder / f"{name}.runbook.yaml").write_text(f"blocks:\n  - script: {{code: {code!r}, interpreter: sh}}\n")
    taken = take_turns(
        ROUNDS,
        {
            "a script block that prints 1 GB": pytest_process(folder, "large.runbook.yaml"),
            "one that prints nothing": pytest_process(folder, "silent.runbook.yaml"),
            "the same pipe to nowhere": in_process(read_to_nowhere),
        },
    )
    large, silent, nowhere = taken.values()
    claim = "1 GB out of a script, without the session's own time / the same pipe to nowhere: at most 1.50"
    yield ratio(claim, large.median - silent.median, nowhere.median, at_most=1.5)
    yield Verdict(
        f"its peak memory: at most {MOST_MEGABYTES:.0f} MB",
        f"{large.peak_megabytes:.0f} MB",
        large.peak_megabytes <= MOST_MEGABYTES,
    )


def read_to_nowhere() -> None:
    with subprocess.Popen(("sh", "-c", CODE), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while os.read(process.stdout.fileno(), 65536):
            pass
