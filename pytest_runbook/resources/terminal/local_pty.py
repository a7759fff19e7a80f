"""Runs a program in a terminal of its own on this machine, with a session and a controlling terminal."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import selectors
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from ..process.interpreters import find_program
from ..process.process_group import ProcessLabel, send_signal
from ..process.runner import READ_SIZE, READS_PER_WAKEUP, split_returncode
from ..process.spawn import spawn_errors, watch_exit
from ..process.supervisor import ProcessSupervisor
from .pty import HANGUP_GRACE, PtyOutcome, PtySize
from .shell_driver import TerminalSnapshot

KILL_AFTER = 0.25
# The first terminal that a session's leader opens becomes the session's controlling terminal. This shell opens it and
# then becomes the program. So no Python code runs between fork and exec, which is not safe with several threads.
_LAUNCHER = ("/bin/sh", "-c", ': <"$0"; exec "$@"')


class LocalPty:
    """A program in a terminal, for as long as the context is open.

    If the context is left while the program still runs, as when it is cancelled, the program and everything that came
    from it are hung up on, terminated and killed.
    env: the whole environment; the label's variables are added.
    on_output: called with the output as it arrives.
    supervisor: keeps running what the program leaves in the background when it ends by itself, and ends it with its
    run.
        Only the terminal is taken from it, by the system.
    :raises BlockFailed: if the program can't be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        size: PtySize,
        on_output: Callable[[bytes], object],
        supervisor: ProcessSupervisor,
        label: ProcessLabel,
    ) -> None:
        self._on_output = on_output
        self._supervisor = supervisor
        self._unwritten = b""
        self._exit_code: int | None = None
        self._is_drained = self._is_ending = False
        self._seconds = 0.0
        self._kill_at = math.inf
        self._waiting = anyio.CancelScope()
        self._process_group = supervisor.process_groups.add(label)
        with ExitStack() as opened:
            opened.callback(supervisor.process_groups.record_end, self._process_group)
            with spawn_errors(argv, cwd=cwd, env=env):
                _check_program(argv[0], cwd, env)
                self._open(argv, cwd, {**env, **label.environment}, size, opened)
            self._closing = opened.pop_all()

    def _open(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], size: PtySize, opened: ExitStack) -> None:
        self._device = _Device()
        opened.callback(self._device.close)
        self._device.resize(size)
        self._selector = selectors.DefaultSelector()
        opened.callback(self._selector.close)
        self._since = self._last_event = time.monotonic()
        self._popen = self._device.start(argv, cwd, env)
        self._supervisor.process_groups.record_start(self._process_group, self._popen.pid)
        opened.callback(self._popen.poll)
        self._watch = watch_exit(self._popen.pid)
        opened.callback(self._watch.close)
        self._selector.register(self._watch, selectors.EVENT_READ, self._record_exit)
        self._selector.register(self._device.master, selectors.EVENT_READ, self._serve_terminal)

    @property
    def outcome(self) -> PtyOutcome:
        """How the program ended."""
        assert self._exit_code is not None, "it has not ended"
        exit_code, signal_name = split_returncode(self._exit_code)
        return PtyOutcome(exit_code=exit_code, signal=signal_name, seconds=self._seconds)

    @property
    def has_ended(self) -> bool:
        return self._exit_code is not None and self._is_drained

    def snapshot(self) -> TerminalSnapshot:
        return TerminalSnapshot(
            silence=time.monotonic() - self._last_event,
            awaits_input=self._device.awaits_input,
            has_unread_input=bool(self._unwritten) or self._device.has_unread,
            is_shell_in_foreground=self._device.foreground in (None, self._popen.pid),
        )

    async def wait(self, at_most: float) -> None:
        until = min(anyio.current_time() + at_most, self._kill_at)
        with anyio.CancelScope(deadline=until) as self._waiting:
            await anyio.wait_readable(self._selector.fileno())
        if anyio.current_time() >= self._kill_at:
            send_signal(signal.SIGKILL, self._supervisor.process_groups.living([self._process_group]))
        self._serve()

    def write(self, data: bytes) -> None:
        self._last_event = time.monotonic()
        self._unwritten += data
        self._flush_input()

    def resize(self, size: PtySize) -> None:
        self._device.resize(size)

    def kill(self) -> None:
        send_signal(signal.SIGHUP, self._supervisor.process_groups.living([self._process_group]))
        self._kill_at = anyio.current_time() + KILL_AFTER
        self._waiting.deadline = min(self._waiting.deadline, self._kill_at)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        with self._closing:
            if not self.has_ended:
                await self._end()

    async def _end(self) -> None:
        """End the program and everything that came from it, and read the rest of its output."""
        self._is_ending = True
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._serve_until_end)
                await self._supervisor.process_groups.end([self._process_group], HANGUP_GRACE)
                tasks.cancel_scope.cancel()
        self._serve()

    async def _serve_until_end(self) -> None:
        while not self.has_ended:
            await self.wait(math.inf)

    def _serve(self) -> None:
        for key, _ in self._selector.select(0):
            key.data()
        if self._exit_code is not None and not self._is_drained:
            self._drain()

    def _serve_terminal(self) -> None:
        self._flush_input()
        for _ in range(READS_PER_WAKEUP):
            if not self._read():
                return

    def _read(self) -> bool:
        """Read a piece of output; return False if there is none now."""
        data = self._device.read()
        if data:
            self._last_event = time.monotonic()
            self._deliver(data)
        return bool(data)

    def _deliver(self, data: bytes) -> None:
        """Pass output to the listener.

        Once the listener has failed it gets no more. Its failure is raised, except while the program is being ended.
        """
        try:
            self._on_output(data)
        except Exception:
            self._on_output = _ignore
            if not self._is_ending:
                raise

    def _drain(self) -> None:
        """Read what was written before the end."""
        self._selector.unregister(self._device.master)
        self._device.close_slave()
        while self._read():
            pass
        self._is_drained = True

    def _flush_input(self) -> None:
        if self._unwritten:
            self._unwritten = self._unwritten[self._device.write(self._unwritten) :]
        if not self._is_drained:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unwritten else 0)
            self._selector.modify(self._device.master, events, self._serve_terminal)

    def _record_exit(self) -> None:
        self._seconds = time.monotonic() - self._since
        self._selector.unregister(self._watch)
        self._exit_code = self._popen.returncode = self._watch.exit_code()


class _Device:
    """Both ends of a terminal: the master, which we use, and the slave, which is the program's.

    The slave stays open here, too, to read the terminal's state.
    """

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        self._name = os.ttyname(self._slave)
        self._has_slave = True
        os.set_blocking(self.master, False)

    def start(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a program with this as its controlling terminal."""
        end = self._slave
        return subprocess.Popen(
            [*_LAUNCHER, self._name, *argv],
            stdin=end,
            stdout=end,
            stderr=end,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )

    @property
    def awaits_input(self) -> bool:
        local = termios.tcgetattr(self._slave)[3]
        return not (local & termios.ICANON and local & termios.ECHO)

    @property
    def has_unread(self) -> bool:
        (count,) = struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, b"\0" * 4))
        return bool(count)

    @property
    def foreground(self) -> int | None:
        """The POSIX group that gets what is typed; None if the system does not know it."""
        try:
            return os.tcgetpgrp(self.master)
        except OSError:
            return None

    def resize(self, size: PtySize) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.cols, 0, 0))

    def read(self) -> bytes:
        """Return output; empty if there is none now, or if the slave is closed."""
        try:
            return os.read(self.master, READ_SIZE)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):  # EIO: no process has the slave open
                raise
            return b""

    def write(self, data: bytes) -> int:
        """Return the number of bytes that were written; data for a closed slave is dropped."""
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return len(data)

    def close_slave(self) -> None:
        """Close our copy of the slave, so that the master shows when the programs have closed theirs."""
        if self._has_slave:
            self._has_slave = False
            os.close(self._slave)

    def close(self) -> None:
        self.close_slave()
        os.close(self.master)


def _check_program(program: str, cwd: Path, env: Mapping[str, str]) -> None:
    """Raise the error that a start without `_LAUNCHER` would raise."""
    if not cwd.is_dir() or find_program(program, cwd=cwd, path=env.get("PATH")) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _ignore(data: bytes) -> None:
    """Drop output."""
