"""What everybody pays: a session that has no runbook, with and without the plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .measure import Verdict, pytest_process, take_turns

ROUNDS = 21
MOST_MILLISECONDS = 10.0


def verdicts(folder: Path) -> Iterator[Verdict]:
    (folder / "test_empty.py").write_text("def test_nothing(): pass\n")
    taken = take_turns(
        ROUNDS,
        {
            "without the plugin": pytest_process(folder, plugins=""),
            "with it": pytest_process(folder),
            "with it and anyio's own": pytest_process(folder, plugins="pytest_runbook.plugin,anyio.pytest_plugin"),
        },
    )
    without, with_it, with_both = (series.processor_median * 1000 for series in taken.values())
    more = with_it - without
    yield Verdict(
        f"processor time of the plugin in a session without runbooks: at most {MOST_MILLISECONDS:.0f} ms",
        f"{more:+.1f} ms",
        more <= MOST_MILLISECONDS,
    )
    yield Verdict("the same with anyio's own plugin, which comes with it", f"{with_both - without:+.1f} ms")
