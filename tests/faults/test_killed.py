"""Pytest is killed without a word: what it started is ended by its watchdog, and no file is left half written."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.plugin.project import Project, processes_at

SECONDS = 30.0
"""For what takes a tenth of one."""
BLOCKS = 100
MIDDLE = 50
STAY = "echo $$ >> pids; exec sleep 1000"

# What a block has started when all is killed: each writes its pid to the file `pids`, as many as the number says.
FAMILIES = {
    "child": (f"sh -c '{STAY}'", 1),
    "in the background": (f"sh -c '{STAY}' & sh -c '{STAY}' & wait", 2),
    "session of its own": (f"setsid sh -c '{STAY}' & wait", 1),
    "daemon": (f"(setsid sh -c '{STAY}' >/dev/null 2>&1 &) ; sleep 1000", 1),
    "environment cleared": (f"env -i sh -c '{STAY}' & wait", 1),
    "environment cleared, parent gone": (f"(env -i sh -c '{STAY}' >/dev/null 2>&1 &) ; sleep 1000", 1),
    "signals ignored": (f"trap '' HUP INT TERM; {STAY}", 1),
    "stopped": ("sh -c 'echo $$ >> pids; kill -STOP $$' & wait", 1),
}
TERMINAL = "terminal: {type: bash, code: \"trap '' HUP; echo $$ >> pids; sleep 1000\"}"


@pytest.fixture(autouse=True)
def _nothing_is_left_soon(project: Project) -> Iterator[None]:
    """A while afterwards no process is left that runs in the project's folder: nobody waits for a watchdog."""
    yield
    must_end(process.pid for process in processes_at(project.path))


def pids(project: Project) -> list[int]:
    path = project.path / "pids"
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def wait_for_pids(project: Project, number: int) -> list[int]:
    deadline = time.monotonic() + SECONDS
    while len(found := pids(project)) < number:
        assert time.monotonic() < deadline, f"{found} of {number} have begun"
        time.sleep(0.01)
    return found


def must_end(found: Iterable[int]) -> None:
    """Wait until none of them lives."""
    found = list(found)
    deadline = time.monotonic() + SECONDS
    while living := [pid for pid in found if lives(pid)]:
        assert time.monotonic() < deadline, f"still there: {living}"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def watchdog_of(pid: int) -> int:
    (dog,) = (child.pid for child in psutil.Process(pid).children() if "watchdog_process" in str(child.cmdline()))
    return dog


def book_of(family: str) -> str:
    block = {"name": family, "script": FAMILIES[family][0]}
    return json.dumps({"blocks": [block]})


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_block_started_is_gone(project: Project, family: str) -> None:
    project.write("a.runbook.json", book_of(family))

    process = project.start(".")
    found = wait_for_pids(project, FAMILIES[family][1])
    kill(process.pid)

    must_end(found)


def test_what_a_terminal_started_is_gone(project: Project) -> None:
    project.write("a.runbook.yaml", f"blocks: [{{{TERMINAL}}}]")

    process = project.start(".")
    found = wait_for_pids(project, 1)
    kill(process.pid)

    must_end(found)


def test_what_an_earlier_block_left_in_the_background_is_gone(project: Project) -> None:
    daemon = f"(env -i setsid sh -c '{STAY}' >/dev/null 2>&1 &)"
    project.write("a.runbook.json", json.dumps({"blocks": [{"script": daemon}, {"script": STAY}]}))

    process = project.start(".")
    found = wait_for_pids(project, 2)
    kill(process.pid)

    must_end(found)


def test_the_whole_process_group_can_be_killed(project: Project) -> None:
    project.write("a.runbook.json", book_of("daemon"))

    process = project.start(".")
    found = wait_for_pids(project, 1)
    os.killpg(process.pid, signal.SIGKILL)

    must_end(found)


def test_what_ran_gets_time_to_clean_up(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - script: |
              trap 'echo gone > farewell; exit' TERM
              echo $$ >> pids
              sleep 1000 & wait
        """)  # fmt: skip

    process = project.start(".")
    found = wait_for_pids(project, 1)
    kill(process.pid)

    assert project.wait_for("farewell") == "gone"
    must_end(found)


def test_in_the_middle_of_a_hundred_blocks_no_file_is_half_written_and_the_next_run_works(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    wait = "if [ -e again ]; then :; else sleep 1000 & echo $! $$ >> pids; wait; fi"
    blocks = [f"- {{name: B{number}, script: 'echo {number}', capture: v{number}}}" for number in range(BLOCKS)]
    blocks[MIDDLE] = f"- {{name: B{MIDDLE}, script: '{wait}'}}"
    project.write("a.runbook.yaml", "\n".join(["blocks:", *blocks]))
    report = project.write("report.xml", "<testsuites/>")
    options = (".", "--runbook-store=yes", "--junit-xml=report.xml")

    process = project.start(*options)
    found = wait_for_pids(project, 2)
    kill(process.pid)
    must_end(found)

    assert report.read_text() == "<testsuites/>"
    kept = [path for path in (project.path / ".pytest_cache").rglob("*") if "runbook" in str(path) and path.is_file()]
    assert [path.suffix for path in kept] == [".json"] * MIDDLE
    assert all(json.loads(path.read_text())["items"] for path in kept)
    wait_until_empty(tmp_path)

    (project.path / "again").touch()
    project.run(*options).assert_outcomes(passed=BLOCKS)
    assert len(project.junit()) == BLOCKS


def test_a_worker_that_is_killed_is_reported_the_rest_is_reported_and_its_children_are_gone(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Begin, script: 'true'}
          - {name: Wait, script: 'sleep 1000 & echo $! $$ $PPID >> pids; wait'}
          - {name: After, script: 'touch after'}
        """)  # fmt: skip
    project.write("b.runbook.yaml", """
        blocks:
          - {name: Late, script: 'until [ -e on ]; do sleep 0.01; done', timeout: 20s}
          - {name: Later, script: 'true'}
        """)  # fmt: skip

    process = project.start(".", "-n2", "--max-worker-restart=0", "--junit-xml=report.xml")
    *found, worker = wait_for_pids(project, 3)
    kill(worker)
    must_end(found)
    (project.path / "on").touch()
    result = project.finish(process)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*worker 'gw?' crashed while running 'a.runbook.yaml::Wait'*"])
    assert {"Begin", "Late", "Later"} < set(project.junit())
    assert not (project.path / "after").exists()
    assert "INTERNALERROR" not in result.stdout.str()


def wait_until_empty(folder: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while left := [path for path in folder.iterdir() if path.name.startswith("runbook-")]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.01)


def test_a_watchdog_goes_with_the_run_that_it_watches(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: 'echo up > started; until [ -e on ]; do sleep 0.01; done'}]")

    process = project.start(".")
    project.wait_for("started")
    dog = watchdog_of(process.pid)
    (project.path / "on").touch()
    project.finish(process).assert_outcomes(passed=1)

    assert not lives(dog)


def test_a_run_goes_on_where_no_watchdog_can_be_started(project: Project) -> None:
    project.write("conftest.py", "import sys\nsys.executable = '/nowhere/python'")
    project.write("a.runbook.yaml", "blocks: [{script: 'true'}]")

    project.finish(project.start(".")).assert_outcomes(passed=1)


def test_a_watchdog_holds_no_file_of_pytest_open(project: Project) -> None:
    """Whoever reads pytest's output to its end is not held up by what outlives pytest."""
    project.write("a.runbook.json", book_of("child"))

    process = project.start(".")
    wait_for_pids(project, 1)
    dog = watchdog_of(process.pid)
    deadline = time.monotonic() + SECONDS
    while "watchdog_process.py" in " ".join(files := open_files(dog)):  # it is still being read
        assert time.monotonic() < deadline, f"still there: {files}"
        time.sleep(0.01)
    kill(process.pid)

    assert files <= {"/dev/null", "/memfd", "anon_inode"}
    must_end([*pids(project), dog])


def open_files(pid: int) -> set[str]:
    """The files that a process has open, other kinds of things by their kind."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(path.readlink()).partition(":")[0])
    return found
