"""Programs in terminals of their own: how they are started and ended, and what is left."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
import psutil
import pytest

from pytest_runbook.errors import BlockFailed
from pytest_runbook.resources.process.process_group import ProcessLabel
from pytest_runbook.resources.process.supervisor import ProcessSupervisor
from pytest_runbook.resources.terminal.local_pty import LocalPty
from pytest_runbook.resources.terminal.pty import PtySize, PtyStore, drive_shell
from pytest_runbook.resources.terminal.shell_driver import ShellDriver

ResultT = TypeVar("ResultT")


@dataclass
class ReceivedOutput:
    """The output of a terminal."""

    output: bytearray = field(default_factory=bytearray)

    def __call__(self, data: bytes) -> None:
        self.output += data

    async def wait_for(self, pty: LocalPty, text: bytes) -> None:
        with anyio.fail_after(20):
            while text not in self.output:
                await pty.wait(1.0)


def with_pty(
    script: str,
    work: Callable[[LocalPty, ReceivedOutput], Awaitable[ResultT]],
    *,
    supervisor: ProcessSupervisor | None = None,
    on_output: Callable[[bytes], object] | None = None,
) -> ResultT:
    """Run a script of Python in a terminal, and work with it."""

    async def main() -> ResultT:
        received = ReceivedOutput()
        async with supervisor or ProcessSupervisor() as opened:
            pty = LocalPty(
                [sys.executable, "-c", script],
                cwd=Path.cwd(),
                env=dict(os.environ),
                size=PtySize(30, 90),
                on_output=on_output or received,
                supervisor=opened,
                label=ProcessLabel(run_id="run"),
            )
            async with pty:
                return await work(pty, received)

    return anyio.run(main)


async def to_the_end(pty: LocalPty, received: ReceivedOutput) -> str:
    await drive_shell(pty, ShellDriver([], None))
    return received.output.decode()


def test_a_program_leads_a_session_whose_terminal_it_has() -> None:
    script = "import os; print(os.getsid(0) == os.getpid(), os.tcgetpgrp(0) == os.getpgrp(), os.ctermid())"

    assert with_pty(script, to_the_end) == "True True /dev/tty\r\n"


def test_it_has_the_size_and_no_descriptors_but_three() -> None:
    script = "import os; print(os.get_terminal_size(), [fd for fd in range(3, 200) if os.path.exists(f'/dev/fd/{fd}')])"

    output = with_pty(script, to_the_end)

    assert output.startswith("os.terminal_size(columns=90, lines=30) [")
    assert output.count(",") <= 2


def test_its_exit_code_and_signal_are_its_own() -> None:
    async def outcome(pty: LocalPty, received: ReceivedOutput) -> tuple[int | None, str | None]:
        await to_the_end(pty, received)
        return pty.outcome.exit_code, pty.outcome.signal

    assert with_pty("raise SystemExit(7)", outcome) == (7, None)
    assert with_pty("import os; os.kill(os.getpid(), 15)", outcome) == (None, "SIGTERM")


def test_all_output_before_the_end_is_received() -> None:
    assert with_pty("print('x' * 300_000)", to_the_end).count("x") == 300_000


def test_a_change_of_size_is_reported() -> None:
    script = (
        "import os, signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])\n"
        "print('ready', flush=True); signal.sigwait([signal.SIGWINCH]); print(os.get_terminal_size())"
    )

    async def work(pty: LocalPty, received: ReceivedOutput) -> str:
        await received.wait_for(pty, b"ready")
        pty.resize(PtySize(11, 22))
        return await to_the_end(pty, received)

    assert "columns=22, lines=11" in with_pty(script, work)


def test_more_can_be_typed_than_a_terminal_takes_at_once() -> None:
    script = "import sys; print(sum(len(line) for line in iter(sys.stdin.readline, 'end\\n')))"

    async def work(pty: LocalPty, received: ReceivedOutput) -> str:
        pty.write(b"0123456789\r" * 20_000 + b"end\r")
        return await to_the_end(pty, received)

    assert with_pty(script, work).endswith("220000\r\n")


def test_left_while_it_runs_it_is_ended_with_its_children() -> None:
    script = (
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print('pid', child.pid, 'ok', flush=True); time.sleep(600)"
    )

    async def work(pty: LocalPty, received: ReceivedOutput) -> int:
        await received.wait_for(pty, b"ok")
        return int(received.output.split()[1])

    assert not psutil.pid_exists(with_pty(script, work))


def test_cancelled_in_a_flood_it_ends() -> None:
    async def work(pty: LocalPty, received: ReceivedOutput) -> bool:
        with anyio.move_on_after(0.3) as scope:
            await to_the_end(pty, received)
        return scope.cancelled_caught

    assert with_pty("while True: print('x' * 1000)", work)


def test_a_listener_that_fails_ends_it_with_its_error() -> None:
    def fail(data: bytes) -> None:
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        with_pty("while True: print('x' * 1000)", to_the_end, on_output=fail)


def test_nothing_is_left_open_where_it_can_not_be_started() -> None:
    async def main() -> tuple[int, int]:
        before = psutil.Process().num_fds()
        async with ProcessSupervisor() as supervisor:
            with pytest.raises(BlockFailed, match='no program "fush"'):
                LocalPty(
                    ["fush"],
                    cwd=Path.cwd(),
                    env=dict(os.environ),
                    size=PtySize(),
                    on_output=ReceivedOutput(),
                    supervisor=supervisor,
                    label=ProcessLabel(run_id="run"),
                )
        return before, psutil.Process().num_fds()

    before, after = anyio.run(main)

    assert before == after


@pytest.mark.parametrize(("rows", "cols"), [(0, 80), (24, 0), (70_000, 80), (-1, 80)])
def test_a_size_that_is_none_is_refused(rows: int, cols: int) -> None:
    with pytest.raises(ValueError, match="no size of a terminal"):
        PtyStore().resize_pty("any", rows=rows, cols=cols)


def test_a_terminal_that_is_not_open_is_none() -> None:
    store = PtyStore()

    assert store.ids == ()
    with pytest.raises(KeyError):
        store.write_pty("any", b"x")
