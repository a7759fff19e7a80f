"""Runs a program to its end: output as it arrives, the real exit status, and nothing left of it when cancelled."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from .captured_output import CapturedOutput, Stream
from .process_group import DEFAULT_GRACE, Grace, ProcessGroup, ProcessGroupRegistry, ProcessLabel, Signaller
from .spawn import spawn_errors, spawn_process
from .supervisor import ProcessSupervisor

OutputListener = Callable[[Stream, bytes], None]
HELD_PIPE_TIMEOUT = 1.0
"""Seconds to wait for the end of the output once the program has ended: a background process may hold the pipe."""
READ_SIZE = 1 << 16
READS_PER_WAKEUP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutcome:
    """How a process ended.

    exit_code: None if a signal ended it. signal: the signal's name, such as ``SIGKILL``.
    seconds: from its start to its own end.
    holds_pipe: True if what it left in the background still had stdout or stderr open `HELD_PIPE_TIMEOUT` later.
    """

    pid: int
    exit_code: int | None
    signal: str | None
    seconds: float
    output: CapturedOutput
    holds_pipe: bool


async def run_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes | None = None,
    output: CapturedOutput | None = None,
    on_output: OutputListener | None = None,
    grace: Grace = DEFAULT_GRACE,
    supervisor: ProcessSupervisor | None = None,
    label: ProcessLabel | None = None,
    signaller: Signaller | None = None,
) -> ProcessOutcome:
    """Run a program in a session of its own, and wait for its end and the end of its output.

    It waits for the end of the output for `HELD_PIPE_TIMEOUT` at most. If cancelled, it ends the program and everything
    that came from it before it returns.
    env: the whole environment; the label's variables are added.
    stdin: the bytes that the program reads; None: nothing.
    output: where the output is collected. Pass one to have the output when the wait is cancelled.
    on_output: called with the output as it arrives.
    supervisor: keeps running what the program leaves in the background, drains its pipes, and ends it with its run.
        Without one, it writes to a closed pipe and is never ended.
    signaller: sends signals to processes of another user.
    :raises BlockFailed: if the program can't be started, or its output can't be kept.
    """
    await checkpoint_if_cancelled()
    label = ProcessLabel(run_id="") if label is None else label
    output = CapturedOutput() if output is None else output
    process_groups = ProcessGroupRegistry() if supervisor is None else supervisor.process_groups
    process_group = process_groups.add(label, signaller)
    try:
        with _Child(argv, cwd, {**env, **label.environment}, stdin, _listener(output, on_output)) as child:
            process_groups.record_start(process_group, child.pid)
            try:
                await child.run()
            except BaseException:
                await child.end(process_groups, process_group, grace)
                raise
            holds_pipe = child.detach_pipes(supervisor)
            return child.outcome(output, holds_pipe=holds_pipe)
    finally:
        process_groups.record_end(process_group)


def _listener(output: CapturedOutput, on_output: OutputListener | None) -> OutputListener:
    if on_output is None:
        return output.append

    def listen(stream: Stream, data: bytes) -> None:
        output.append(stream, data)
        on_output(stream, data)

    return listen


class _Child:
    """A started process: its pipes and its end are on one selector, so that one wait serves all of them."""

    def __init__(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: bytes | None, listener: OutputListener
    ) -> None:
        self._listener = listener
        self._is_ending = False
        self._exit_code: int | None = None
        self._since = time.monotonic()
        self._seconds = 0.0
        with spawn_errors(argv, cwd=cwd, env=env):
            self._selector = selectors.DefaultSelector()
            try:
                self._popen, self._watch = spawn_process(argv, cwd=cwd, env=env, has_stdin=stdin is not None)
            except BaseException:
                self._selector.close()
                raise
        self.pid = self._popen.pid
        self._outputs: set[IO[bytes]] = set()
        self._enlarged: set[IO[bytes]] = set()
        self._selector.register(self._watch, selectors.EVENT_READ, self._record_exit)
        self._open_output(self._popen.stdout, Stream.STDOUT)
        self._open_output(self._popen.stderr, Stream.STDERR)
        self._open_input(self._popen.stdin, stdin)

    async def run(self) -> None:
        """Serve the process until it has ended, then its pipes for `HELD_PIPE_TIMEOUT`."""
        while self._exit_code is None:
            await self._serve_next()
        self._serve()
        with anyio.move_on_after(HELD_PIPE_TIMEOUT):
            while self._outputs:
                await self._serve_next()

    async def end(self, process_groups: ProcessGroupRegistry, process_group: ProcessGroup, grace: Grace) -> None:
        """End the process and everything that came from it, and read the rest of its output."""
        self._is_ending = True
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._serve_forever)
                await process_groups.end([process_group], grace)
                tasks.cancel_scope.cancel()
        for _ in range(3):  # what was left in the pipes, the end of the pipes, the end of the process
            self._serve()

    def detach_pipes(self, supervisor: ProcessSupervisor | None) -> bool:
        """Give the pipes that are still held open to the supervisor; return True if there were any."""
        held = bool(self._outputs)
        while self._outputs and supervisor is not None:
            pipe = self._outputs.pop()
            self._selector.unregister(pipe)
            supervisor.drain(pipe)
        return held

    def outcome(self, output: CapturedOutput, *, holds_pipe: bool) -> ProcessOutcome:
        assert self._exit_code is not None, "it has not ended"
        exit_code, signal_name = split_returncode(self._exit_code)
        return ProcessOutcome(
            pid=self.pid,
            exit_code=exit_code,
            signal=signal_name,
            seconds=self._seconds,
            output=output,
            holds_pipe=holds_pipe,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._selector.close()
        self._popen.poll()  # reaps it if its end was not recorded: no other code asks for it any more
        for pipe in (*self._outputs, self._popen.stdin, self._watch):
            if pipe is not None:
                pipe.close()

    async def _serve_next(self) -> None:
        await anyio.wait_readable(self._selector.fileno())
        self._serve()

    async def _serve_forever(self) -> None:
        while self._selector.get_map():
            await self._serve_next()

    def _serve(self) -> None:
        for key, _ in self._selector.select(0):
            key.data()

    def _open_output(self, pipe: IO[bytes] | None, stream: Stream) -> None:
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        self._outputs.add(pipe)
        self._selector.register(pipe, selectors.EVENT_READ, partial(self._read, pipe, stream))

    def _open_input(self, pipe: IO[bytes] | None, data: bytes | None) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self._unwritten = memoryview(data or b"")
            self._selector.register(pipe, selectors.EVENT_WRITE, partial(self._write, pipe))

    def _read(self, pipe: IO[bytes], stream: Stream) -> None:
        with suppress(BlockingIOError):
            for _ in range(READS_PER_WAKEUP):
                data = os.read(pipe.fileno(), READ_SIZE)
                if not data:
                    self._close(pipe)
                    self._outputs.remove(pipe)
                    return
                self._deliver(stream, data)
                if len(data) < READ_SIZE:
                    return
                self._enlarge_pipe(pipe)

    def _enlarge_pipe(self, pipe: IO[bytes]) -> None:
        """Let a process that filled its pipe write more at a time, which saves nine of ten waits on both sides."""
        if pipe not in self._enlarged and sys.platform == "linux":
            self._enlarged.add(pipe)
            with suppress(OSError):  # the kernel limits the sum of all pipes of a user
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, READ_SIZE * READS_PER_WAKEUP)

    def _deliver(self, stream: Stream, data: bytes) -> None:
        """Pass data to the listener.

        Once the listener has failed it gets no more. Its failure is raised, except while the process is being ended.
        """
        try:
            self._listener(stream, data)
        except Exception:
            self._listener = _ignore
            if not self._is_ending:
                raise

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            self._unwritten = self._unwritten[os.write(pipe.fileno(), self._unwritten) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unwritten = memoryview(b"")
        if not self._unwritten:
            self._close(pipe)

    def _record_exit(self) -> None:
        self._seconds = time.monotonic() - self._since
        self._selector.unregister(self._watch)
        self._exit_code = self._popen.returncode = self._watch.exit_code()

    def _close(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        pipe.close()


def _ignore(stream: Stream, data: bytes) -> None:
    """Drop output."""


def split_returncode(returncode: int) -> tuple[int | None, str | None]:
    """Return the exit code, or the name of the signal; one of them is None. returncode: as `subprocess` has it."""
    return (returncode, None) if returncode >= 0 else (None, _signal_name(-returncode))


def _signal_name(number: int) -> str:
    """Return the name of a signal, such as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
