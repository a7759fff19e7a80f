"""Runs the named benchmarks, or all of them. The exit status is 1 if a target was missed or a benchmark failed."""

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
from .measure import Finding

BENCHMARKS: dict[str, Callable[[Path], Iterator[Finding]]] = {
    "session": session.findings,
    "collection": collection.findings,
    "script_blocks": script_blocks.findings,
    "large_output": large_output.findings,
    "context_blocks": context_blocks.findings,
    "http_blocks": http_blocks.http_findings,
    "prometheus_blocks": http_blocks.prometheus_findings,
    "sql_blocks": sql_blocks.findings,
    "million_rows": million_rows.findings,
    "remote_scripts": remote_scripts.findings,
    "many_hosts": many_hosts.findings,
    "terminal_blocks": terminal_blocks.findings,
}


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    findings = [finding for name in names or BENCHMARKS for finding in run_benchmark(name)]
    print("\n" + "\n".join(map(str, findings)))
    return int(any(finding.passed is False for finding in findings))


def run_benchmark(name: str) -> list[Finding]:
    """Run one benchmark in a temporary folder. One that can't run counts as a missed target."""
    print(f"{name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pytest.ini").write_text("[pytest]\n")
        try:
            return list(BENCHMARKS[name](Path(folder)))
        except subprocess.CalledProcessError as error:
            print(error.output.decode(errors="replace")[-2000:])
            return [Finding(f"{name}: pytest ended with {error.returncode}", "did not run", passed=False)]


sys.exit(main(sys.argv[1:]))
