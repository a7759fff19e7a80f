"""Nothing is left of a process that was cancelled, and of a run nothing but what is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest

from pytest_runbook.resources.process.captured_output import CapturedOutput
from pytest_runbook.resources.process.process_group import Grace, ProcessLabel
from pytest_runbook.resources.process.runner import ProcessOutcome, run_process
from pytest_runbook.resources.process.subreaper import Subreaper
from pytest_runbook.resources.process.supervisor import ProcessSupervisor

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: orphans come to us there")
SHORT = Grace(interrupt=0.3, terminate=0.3)
LONG = Grace(interrupt=10, terminate=10)
AT_ONCE = Grace(interrupt=0, terminate=0)

# Each writes its pid to the file `pids`, as many as the number says, and lives for long.
STAY = "echo $$ >> pids; exec sleep 1000"
PROGRAMS = {
    "child": (f"sh -c '{STAY}'", 1),
    "grandchildren": (f'sh -c \'sh -c "{STAY.replace("$", chr(92) + "$")}" & sh -c "sleep 1000" & {STAY}\'', 2),
    "in the background": (f"sh -c '{STAY}' & wait", 1),
    "ignores SIGTERM": ("trap '' TERM; echo $$ >> pids; while :; do sleep 0.05; done", 1),
    "ignores all it can": (f"trap '' INT TERM HUP; {STAY}", 1),
    "stopped": ("sh -c 'echo $$ >> pids; kill -STOP $$' & wait", 1),
    "left the group": (f"setsid sh -c '{STAY}' & wait", 1),
    "left the group and its parent": (f"(setsid sh -c '{STAY}' &) ; sleep 1000", 1),
    "left the group, its parent and the output": (f"(setsid sh -c '{STAY}' >/dev/null 2>&1 &) ; sleep 1000", 1),
    "fifty": (f"for i in $(seq 50); do sh -c '{STAY}' & done; wait", 50),
}
CLEARED = {
    "environment cleared": (f"env -i setsid sh -c '{STAY}' & wait", 1),
    "environment cleared, left its parent": (
        f"(env -i setsid sh -c '(sh -c \"{STAY.replace('$', chr(92) + '$')}\" &)' ); sleep 1000",
        1,
    ),
}

# A daemon as the books have it, that takes its time between its two forks.
DAEMON = f"""env -i {sys.executable} -c '
import os, time
os.fork() and os._exit(0)
os.setsid()
time.sleep(0.3)
os.fork() and os._exit(0)
print(os.getpid(), file=open("pids", "w"), flush=True)
time.sleep(1000)' >/dev/null 2>&1"""


@pytest.fixture(autouse=True)
def _no_file_is_left_open() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() <= before


@pytest.fixture(autouse=True)
def _nothing_is_adopted_afterwards() -> Iterator[None]:
    before = children()
    yield
    assert not Subreaper().is_open
    assert children() <= before


def children() -> set[psutil.Process]:
    return set(psutil.Process().children())


def open_files() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()] if (folder / "pids").exists() else []


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(is_so: Callable[[], object]) -> None:
    with anyio.fail_after(10):
        while not is_so():  # noqa: ASYNC110  the world outside sets no event
            await anyio.sleep(0.005)


@asynccontextmanager
async def running(
    code: str,
    folder: Path,
    *,
    supervisor: ProcessSupervisor | None,
    grace: Grace = SHORT,
    output: CapturedOutput | None = None,
) -> AsyncIterator[anyio.CancelScope]:
    """A script that runs beside the block, and is cancelled after it."""

    async def run() -> None:
        with scope:
            await run_process(
                ["sh", "-c", code],
                cwd=folder,
                env=os.environ,
                supervisor=supervisor,
                label=ProcessLabel(run_id="run"),
                grace=grace,
                output=output,
            )

    scope = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        yield scope
        scope.cancel()


async def sh(code: str, folder: Path, supervisor: ProcessSupervisor, run_id: str = "run") -> ProcessOutcome:
    return await run_process(
        ["sh", "-c", code],
        cwd=folder,
        env=os.environ,
        supervisor=supervisor,
        label=ProcessLabel(run_id=run_id),
        grace=SHORT,
    )


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "alone"])
def test_cancelled_process_leaves_nothing(tmp_path: Path, program: str, is_kept: bool) -> None:
    code, number = PROGRAMS[program]

    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            async with running(code, tmp_path, supervisor=supervisor if is_kept else None):
                await until(lambda: len(pids(tmp_path)) == number)
            assert [pid for pid in pids(tmp_path) if lives(pid)] == []
            assert await supervisor.end_leftovers("run") == []

    anyio.run(main)


@LINUX
@pytest.mark.parametrize("program", CLEARED)
def test_cancelled_process_that_hides_leaves_nothing(tmp_path: Path, program: str) -> None:
    code, number = CLEARED[program]

    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            async with running(code, tmp_path, supervisor=supervisor):
                await until(lambda: len(pids(tmp_path)) == number)
            assert [pid for pid in pids(tmp_path) if lives(pid)] == []

    anyio.run(main)


@pytest.mark.parametrize("program", PROGRAMS)
def test_run_ends_what_its_blocks_left_and_names_it(tmp_path: Path, program: str) -> None:
    code, number = PROGRAMS[program]

    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            await sh(f"sh -c {quoted(code)} >/dev/null 2>&1 &", tmp_path, supervisor)
            await until(lambda: len(pids(tmp_path)) == number)
            leftovers = {leftover.pid: leftover for leftover in await supervisor.end_leftovers("run", SHORT)}
            assert set(pids(tmp_path)) <= set(leftovers)
            assert all(leftover.was_ended for leftover in leftovers.values())
            assert [pid for pid in leftovers if lives(pid)] == []
            assert await supervisor.end_leftovers("run") == []

    anyio.run(main)


@LINUX
@pytest.mark.parametrize("leave", [f"env -i setsid sh -c '{STAY}' >/dev/null 2>&1 &", DAEMON])
def test_run_ends_what_hid_from_it(tmp_path: Path, leave: str) -> None:
    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            await sh(leave, tmp_path, supervisor)
            await until(lambda: pids(tmp_path))
            assert set(pids(tmp_path)) <= {leftover.pid for leftover in await supervisor.end_leftovers("run", SHORT)}
            assert [pid for pid in pids(tmp_path) if lives(pid)] == []

    anyio.run(main)


def start(*argv: str, **options: object) -> subprocess.Popen[bytes]:
    """What the user's own tests do."""
    return subprocess.Popen(argv, **options)  # type: ignore[call-overload, no-any-return]  # passed on as they are


def quoted(code: str) -> str:
    return "'" + code.replace("'", "'\\''") + "'"


def test_leftover_is_reported_by_its_command(tmp_path: Path) -> None:
    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            outcome = await sh("sleep 1000 >/dev/null 2>&1 & echo $!", tmp_path, supervisor)
            [leftover] = await supervisor.end_leftovers("run")
            assert leftover.pid == int(outcome.output.stdout)
            assert leftover.command == "sleep 1000"
            assert 0 <= leftover.seconds < 60

    anyio.run(main)


def test_background_process_serves_later_blocks_until_its_run_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "asked")
    os.mkfifo(tmp_path / "answered")
    serve = "while read line < asked; do echo log; echo served $line > answered; done & echo started"

    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            started = await sh(serve, tmp_path, supervisor)
            assert (started.exit_code, started.holds_pipe) == (0, True)
            for number in range(3):
                answer = await sh(f"echo {number} > asked; cat answered", tmp_path, supervisor)
                assert answer.output.stdout == f"served {number}\n"
            assert started.output.stdout == "started\n"
            assert len(await supervisor.end_leftovers("run", SHORT)) == 1

    anyio.run(main)


def test_flood_in_the_background_holds_nothing_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            with anyio.fail_after(8):
                first = await sh("yes & echo first >&2", tmp_path, supervisor)
                second = await sh("echo second", tmp_path, supervisor)
            assert (first.holds_pipe, second.output.stdout) == (True, "second\n")
            first.output.close()
            assert len(await supervisor.end_leftovers("run", SHORT)) == 1

    anyio.run(main)


def test_run_ends_only_what_is_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            ours = start("sleep", "1000")
            apart = start("sleep", "1000", start_new_session=True)
            cleared = start("sleep", "1000", start_new_session=True, env={})
            other = await sh("sleep 1000 >/dev/null 2>&1 & echo $!", tmp_path, supervisor, run_id="other")
            time.sleep(0.05)  # noqa: ASYNC251  a tick of the clock by which the system dates births
            mine = await sh("sleep 1000 >/dev/null 2>&1 & echo $!", tmp_path, supervisor)
            try:
                assert [leftover.pid for leftover in await supervisor.end_leftovers("run")] == [int(mine.output.stdout)]
                assert all(lives(pid) for pid in (ours.pid, apart.pid, cleared.pid, int(other.output.stdout)))
            finally:
                for process in (ours, apart, cleared):
                    process.kill()
                    process.wait()

    anyio.run(main)


def test_exit_status_of_other_children_stays_theirs(tmp_path: Path) -> None:
    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            ours = start("sh", "-c", "exit 7")
            apart = start("sh", "-c", "exit 8", start_new_session=True)
            await sh("sleep 0.2", tmp_path, supervisor)
            await supervisor.end_leftovers("run")
            assert (ours.wait(), apart.wait()) == (7, 8)

    anyio.run(main)


def test_closing_keeper_ends_what_is_left_of_all_runs(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with ProcessSupervisor() as supervisor:
            outcomes = [await sh("sleep 1000 & echo $!", tmp_path, supervisor, run_id=name) for name in ("one", "two")]
        return [int(outcome.output.stdout) for outcome in outcomes]

    assert [pid for pid in anyio.run(main) if lives(pid)] == []


def test_last_resort_kills_from_another_thread(tmp_path: Path) -> None:
    async def main() -> float:
        async with ProcessSupervisor() as supervisor:
            async with running(PROGRAMS["ignores SIGTERM"][0], tmp_path, supervisor=supervisor, grace=LONG) as scope:
                await until(lambda: pids(tmp_path))
                scope.cancel()
                started = time.monotonic()
                await anyio.sleep(0.05)
                thread = threading.Thread(target=supervisor.kill_everything)
                thread.start()
            thread.join()
            return time.monotonic() - started

    assert anyio.run(main) < 5
    assert [pid for pid in pids(tmp_path) if lives(pid)] == []


@pytest.mark.parametrize(("trap", "reported"), [("INT", "INT\n"), ("TERM", "TERM\n")])
def test_last_words_are_kept(tmp_path: Path, trap: str, reported: str) -> None:
    other = {"INT": "TERM", "TERM": "INT"}[trap]
    code = f"trap 'echo {trap}; exit' {trap}; trap '' {other}; echo $$ > pids; while :; do sleep 0.02; done"
    output = CapturedOutput()

    async def main() -> None:
        async with (
            ProcessSupervisor() as supervisor,
            running(code, tmp_path, supervisor=supervisor, grace=LONG, output=output),
        ):
            await until(lambda: pids(tmp_path))

    anyio.run(main)
    assert output.stdout == reported


def test_output_until_the_cancellation_is_kept(tmp_path: Path) -> None:
    output = CapturedOutput()

    async def main() -> None:
        async with running("echo one; echo two >&2; sleep 1000", tmp_path, supervisor=None, output=output):
            await until(lambda: output.size() == 8)

    anyio.run(main)
    assert (output.stdout, output.stderr) == ("one\n", "two\n")


def test_interrupt_that_works_is_all_it_takes(tmp_path: Path) -> None:
    async def main() -> float:
        async with (
            ProcessSupervisor() as supervisor,
            running(f"sh -c '{STAY}'", tmp_path, supervisor=supervisor, grace=LONG),
        ):
            await until(lambda: pids(tmp_path))
            started = time.monotonic()
        return time.monotonic() - started

    assert anyio.run(main) < 5


@LINUX
def test_signal_that_all_ignore_is_not_waited_for(tmp_path: Path) -> None:
    code, _ = PROGRAMS["ignores all it can"]

    async def main() -> float:
        async with ProcessSupervisor() as supervisor, running(code, tmp_path, supervisor=supervisor, grace=LONG):
            await until(lambda: pids(tmp_path))
            started = time.monotonic()
        return time.monotonic() - started

    assert anyio.run(main) < 5


def test_flood_is_ended(tmp_path: Path) -> None:
    with CapturedOutput() as output:

        async def main() -> None:
            async with running("yes; yes", tmp_path, supervisor=None, grace=AT_ONCE, output=output):
                await until(lambda: output.size() > 1 << 20)

        anyio.run(main)


def test_cancelled_before_the_start_nothing_is_started(tmp_path: Path) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await run_process(["touch", "started"], cwd=tmp_path, env=os.environ)

    anyio.run(main)
    assert list(tmp_path.iterdir()) == []


def test_cancelled_while_starting_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            for _ in range(20):
                async with running(STAY, tmp_path, supervisor=supervisor):
                    await anyio.lowlevel.checkpoint()
            assert await supervisor.end_leftovers("run") == []

    anyio.run(main)
    assert [pid for pid in pids(tmp_path) if lives(pid)] == []


def test_cancelled_while_its_pipes_are_waited_for_leaves_nothing(tmp_path: Path) -> None:
    output = CapturedOutput()

    async def main() -> None:
        async with (
            ProcessSupervisor() as supervisor,
            running(f"sh -c '{STAY}' & echo $$", tmp_path, supervisor=supervisor, output=output),
        ):
            await until(lambda: pids(tmp_path) and output.stdout and not psutil.pid_exists(int(output.stdout)))

    anyio.run(main)
    assert [pid for pid in pids(tmp_path) if lives(pid)] == []


def test_cancelled_again_while_ending_the_ladder_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(PROGRAMS["ignores all it can"][0], tmp_path, supervisor=None) as scope:
            await until(lambda: pids(tmp_path))
            scope.cancel()
            await anyio.sleep(0.05)

    anyio.run(main)
    assert [pid for pid in pids(tmp_path) if lives(pid)] == []


@LINUX
def test_orphans_come_to_us_only_while_there_is_a_run(tmp_path: Path) -> None:
    async def main() -> list[bool]:
        async with ProcessSupervisor() as supervisor:
            states = [Subreaper().is_open]
            await sh("true", tmp_path, supervisor)
            states.append(Subreaper().is_open)
            await supervisor.end_leftovers("run")
            states.append(Subreaper().is_open)
        return states

    assert anyio.run(main) == [False, True, False]


@LINUX
def test_orphans_that_ended_are_not_kept_as_zombies(tmp_path: Path) -> None:
    before = children()

    async def main() -> set[psutil.Process]:
        async with ProcessSupervisor() as supervisor:
            outcome = await sh(
                "sleep 0.01 >/dev/null 2>&1 & (sleep 0.02 >/dev/null 2>&1 &); echo", tmp_path, supervisor
            )
            assert outcome.exit_code == 0
            before.update(child for child in children() if child.pid == supervisor.watchdog.pid)
            orphans = children() - before
            await until(lambda: all(child.status() == psutil.STATUS_ZOMBIE for child in orphans))
            await supervisor.end_leftovers("run")
            return children() - before

    assert anyio.run(main) == set()


@LINUX
def test_orphan_with_the_marks_of_a_run_within_is_ended(tmp_path: Path) -> None:
    async def main() -> None:
        async with ProcessSupervisor() as supervisor:
            await sh(f"RUNBOOK_EXECUTION_ID=inner setsid sh -c '{STAY}' >/dev/null 2>&1 &", tmp_path, supervisor)
            await until(lambda: pids(tmp_path))
            assert [leftover.pid for leftover in await supervisor.end_leftovers("run")] == pids(tmp_path)

    anyio.run(main)


def test_error_passes_a_keeper_as_it_is() -> None:
    async def main() -> None:
        async with ProcessSupervisor():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        anyio.run(main)


def test_marks_report_whose_a_process_is(tmp_path: Path) -> None:
    async def main() -> str:
        async with ProcessSupervisor() as supervisor:
            outcome = await run_process(
                ["sh", "-c", "echo $RUNBOOK_RUN_ID $RUNBOOK_EXECUTION_ID"],
                cwd=tmp_path,
                env=os.environ,
                supervisor=supervisor,
                label=ProcessLabel(run_id="run", execution_id="execution"),
            )
        return outcome.output.stdout

    assert anyio.run(main) == "run execution\n"


def test_signals_without_time_are_left_out() -> None:
    assert [AT_ONCE.after(number) for number in (signal.SIGINT, signal.SIGTERM)] == [0, 0]
    assert AT_ONCE.after(signal.SIGKILL) > 0
    assert LONG.within(AT_ONCE) == AT_ONCE.within(LONG) == AT_ONCE


def test_hurry_shortens_what_is_being_ended(tmp_path: Path) -> None:
    code = "trap 'echo told >> told' INT TERM; echo $$ > pids; while :; do sleep 0.02; done"

    async def main() -> float:
        async with ProcessSupervisor() as supervisor:
            async with running(code, tmp_path, supervisor=supervisor, grace=LONG) as scope:
                await until(lambda: pids(tmp_path))
                scope.cancel()
                with anyio.CancelScope(shield=True):
                    await until((tmp_path / "told").exists)
                started = time.monotonic()
                supervisor.tighten_deadline(AT_ONCE)
            return time.monotonic() - started

    assert anyio.run(main) < 5
    assert [pid for pid in pids(tmp_path) if lives(pid)] == []
