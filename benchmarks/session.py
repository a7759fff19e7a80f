"""A session without runbooks, with and without the plugin: the cost for everyone who has it installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .measure import Finding, pytest_process, run_rounds

ROUNDS = 21
MAX_MILLISECONDS = 10.0


def findings(folder: Path) -> Iterator[Finding]:
    (folder / "test_empty.py").write_text("def test_nothing(): pass\n")
    series_by_name = run_rounds(
        ROUNDS,
        {
            "without the plugin": pytest_process(folder, plugins=""),
            "with it": pytest_process(folder),
            "with it and anyio's own": pytest_process(folder, plugins="pytest_runbook.plugin,anyio.pytest_plugin"),
        },
    )
    without, with_it, with_both = (series.processor_median * 1000 for series in series_by_name.values())
    more = with_it - without
    yield Finding(
        f"processor time of the plugin in a session without runbooks: at most {MAX_MILLISECONDS:.0f} ms",
        f"{more:+.1f} ms",
        more <= MAX_MILLISECONDS,
    )
    yield Finding("the same with the plugin of anyio, which is a dependency", f"{with_both - without:+.1f} ms")
