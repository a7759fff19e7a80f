"""Run the named benchmarks, or all of them; the exit status is 1 if a target was missed or something could not run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from . import (
    collection,
    context_blocks,
    http_blocks,
    large_output,
    many_hosts,
    million_rows,
    remote_scripts,
    script_blocks,
    session,
    sql_blocks,
    terminal_blocks,
)
from .measure import Verdict

BENCHMARKS: dict[str, Callable[[Path], Iterator[Verdict]]] = {
    "session": session.verdicts,
    "collection": collection.verdicts,
    "script_blocks": script_blocks.verdicts,
    "large_output": large_output.verdicts,
    "context_blocks": context_blocks.verdicts,
    "http_blocks": http_blocks.http_verdicts,
    "prometheus_blocks": http_blocks.prometheus_verdicts,
    "sql_blocks": sql_blocks.verdicts,
    "million_rows": million_rows.verdicts,
    "remote_scripts": remote_scripts.verdicts,
    "many_hosts": many_hosts.verdicts,
    "terminal_blocks": terminal_blocks.verdicts,
}


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    verdicts = [verdict for name in names or BENCHMARKS for verdict in judge(name)]
    print("\n" + "\n".join(map(str, verdicts)))
    return int(any(verdict.is_met is False for verdict in verdicts))


def judge(name: str) -> list[Verdict]:
    """Run one benchmark in a temporary folder; one that can't run is a target missed."""
    print(f"{name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pytest.ini").write_text("[pytest]\n")
        try:
            return list(BENCHMARKS[name](Path(folder)))
        except subprocess.CalledProcessError as error:
            print(error.output.decode(errors="replace")[-2000:])
            return [Verdict(f"{name}: pytest ended with {error.returncode}", "did not run", is_met=False)]


sys.exit(main(sys.argv[1:]))
