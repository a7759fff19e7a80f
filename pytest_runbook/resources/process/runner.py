"""Runs a program to its end: its output as it arrives, its real exit status, and nothing of it left on cancellation."""

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
_READ_SIZE = 1 << 16
_READS_PER_WAKEUP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutcome:
    """How a process ended.

    exit_code: None where a signal ended it.
    signal: its name, such as ``SIGKILL``.
    seconds: from its start to its own end.
    holds_pipe: True if what it left in the background still had stdout or stderr open a second later.
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
    """Run a program in a session of its own, and wait for its end and, for a second at most, for that of its output.

    Cancelled, it ends the program and all that came of it before it returns.
    env: all of its environment; the mark is added.
    stdin: what it reads; None: nothing.
    output: where its output goes, for a caller who needs what there is when the wait is cancelled.
    on_output: is told of the output as it arrives.
    supervisor: lets live what the program leaves in the background, reads its pipes on, and ends it with its run.
    Without
        one, what is left in the background writes to a closed pipe, and nobody ends it.
    signaller: sends it the signals that we may not.
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
    """A started process: its pipes and its end, all on one selector, so that one wait serves them."""

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
        """Serve the process until it has ended, and its pipes for a second more."""
        while self._exit_code is None:
            await self._serve_next()
        self._serve()
        with anyio.move_on_after(HELD_PIPE_TIMEOUT):
            while self._outputs:
                await self._serve_next()

    async def end(self, process_groups: ProcessGroupRegistry, process_group: ProcessGroup, grace: Grace) -> None:
        """End the process and all that came of it, and take its last words."""
        self._is_ending = True
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._serve_forever)
                await process_groups.end([process_group], grace)
                tasks.cancel_scope.cancel()
        for _ in range(3):  # what was in the pipes at the end, their ends, and the end of the process
            self._serve()

    def detach_pipes(self, supervisor: ProcessSupervisor | None) -> bool:
        """Give the pipes that are still held to the keeper. True if there were any."""
        held = bool(self._outputs)
        while self._outputs and supervisor is not None:
            pipe = self._outputs.pop()
            self._selector.unregister(pipe)
            supervisor.drain(pipe)
        return held

    def outcome(self, output: CapturedOutput, *, holds_pipe: bool) -> ProcessOutcome:
        assert self._exit_code is not None, "it has not ended"
        killed = self._exit_code < 0
        return ProcessOutcome(
            pid=self.pid,
            exit_code=None if killed else self._exit_code,
            signal=signal_name(-self._exit_code) if killed else None,
            seconds=self._seconds,
            output=output,
            holds_pipe=holds_pipe,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._selector.close()
        self._popen.poll()  # if its end was not noted, this is the last that asks for it
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
            for _ in range(_READS_PER_WAKEUP):
                data = os.read(pipe.fileno(), _READ_SIZE)
                if not data:
                    self._close(pipe)
                    self._outputs.remove(pipe)
                    return
                self._deliver(stream, data)
                if len(data) < _READ_SIZE:
                    return
                self._enlarge_pipe(pipe)

    def _enlarge_pipe(self, pipe: IO[bytes]) -> None:
        """Let a process that filled its pipe write more at a time: a tenth of the waits on both sides."""
        if pipe not in self._enlarged and sys.platform == "linux":
            self._enlarged.add(pipe)
            with suppress(OSError):  # there is a limit for each user
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _READ_SIZE * _READS_PER_WAKEUP)

    def _deliver(self, stream: Stream, data: bytes) -> None:
        """Hand on what was read; once that has failed, or while all is ending, nothing may come of a failure."""
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
    """Take the output of a process whose output nobody wants any more."""


def signal_name(number: int) -> str:
    """The name of a signal, such as ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
