"""Programs that misbehave are ended at their deadlines, one by one and by the thousand, and nothing of them is left."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import anyio
import psutil
import pytest

from pytest_runbook import RunbookRun, Settings, open_runtime
from tests.harness import Opened, inside, written

SECONDS = 30.0
"""More than the deadline and the time to end themselves, on a machine that is busy."""
DAEMON = f"""env -i {sys.executable} -c '
import os, time
os.fork() and os._exit(0)
os.setsid()
os.fork() and os._exit(0)
time.sleep(1000)' >/dev/null 2>&1"""
MISBEHAVING = {
    "floods its output": "yes",
    "floods both": "yes & yes >&2",
    "floods with binary": "cat /dev/zero",
    "closes its output": "exec >&- 2>&-; sleep 1000",
    "daemonizes and goes on": f"{DAEMON}; sleep 1000",
    "stops itself": "kill -STOP $$; sleep 1000",
    "stops its group": "sleep 1000 & kill -STOP 0",
    "ignores signals": "trap '' INT TERM HUP QUIT; sleep 1000; sleep 1000",
    "begins again": "trap 'exec sleep 1000' INT TERM; sleep 1000 & wait",
    "multiplies": "for i in $(seq 100); do sleep 1000 & done; wait",
    "ends and leaves its pipe": "sleep 1000 & exit 3",
    "ends and leaves a daemon": f"{DAEMON}; exit 3",
}
RUNBOOKS, BACKGROUND = 200, 4
MANY = f"""
on_failure: continue
blocks:
  - {{name: Spawn, script: 'for i in $(seq {BACKGROUND}); do sleep 1000 >/dev/null 2>&1 & done; echo up'}}
  - {{name: Wait, script: 'sleep 1000', timeout: 3s}}
finally:
  - {{name: Clean, script: 'echo clean'}}
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: orphans come to us there")


def living_in(folder: Path) -> list[psutil.Process]:
    """Processes whose directory that is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_programs_that_misbehave_are_ended_at_their_deadlines(tmp_path: Path) -> None:
    blocks = [
        {"name": name, "script": code, "timeout": "20s" if name.startswith("ends") else "1s"}
        for name, code in MISBEHAVING.items()
    ]

    async def work(book: Opened) -> dict[str, tuple[str | None, float]]:
        async with anyio.create_task_group() as tasks:
            for spec in book.document.items:
                tasks.start_soon(book.run.step, spec.id)
        await book.run.finish()
        return {name: (result.kind, result.seconds) for name, result in book.results.items()}

    text = json.dumps({"on_failure": "continue", "blocks": blocks})
    results = inside(tmp_path, text, work, name="a.runbook.json")

    kinds = {name: kind for name, (kind, _) in results.items()}
    assert kinds == {name: "block" if name.startswith("ends") else "timeout" for name in MISBEHAVING}
    assert [(name, seconds) for name, (_, seconds) in results.items() if seconds > SECONDS] == []
    assert living_in(tmp_path) == []


def test_two_hundred_runbooks_with_a_thousand_processes_end_side_by_side(tmp_path: Path) -> None:
    outcomes: Counter[tuple[str | None, str, str | None]] = Counter()
    slow: list[float] = []

    async def main() -> int:
        async with open_runtime(Settings(root=tmp_path, invocation=tmp_path)) as runtime:

            async def run(path: Path) -> None:
                flow = RunbookRun(runtime.open_document(path), runtime)
                results = await flow.run_all()
                outcomes.update((result.name, str(result.outcome), result.kind) for result in results)
                slow.extend(result.seconds for result in results if result.seconds > SECONDS)

            most = 0
            async with anyio.create_task_group() as tasks:
                for number in range(RUNBOOKS):
                    tasks.start_soon(run, written(tmp_path, MANY, f"{number}.runbook.yaml"))
                while len(outcomes) == 0:
                    await anyio.sleep(0.2)
                    most = max(most, len(psutil.Process().children(recursive=True)))
            return most

    most = anyio.run(main)

    assert outcomes == {
        ("Spawn", "passed", None): RUNBOOKS,
        ("Wait", "failed", "timeout"): RUNBOOKS,
        ("Clean", "passed", None): RUNBOOKS,
    }
    assert most > RUNBOOKS * BACKGROUND
    assert slow == []
    assert living_in(tmp_path) == []
