"""The bootstrap shell: a small `sh` on a host that waits for one line and becomes the program in it.

It prints a mark of its own before the program starts. What the login shell's rc files print comes before that mark.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

import anyio
import asyncssh

from ..process.captured_output import CapturedOutput, Stream
from ..process.runner import OutputListener
from .channel import CommandChannel

SPARE_LIFETIME = 2.0
"""Seconds for which a waiting login is as good as a new one; after that, rc files may have changed."""
LOGIN_OUTPUT_LIMIT = 1 << 16


class BootstrapReader:
    """Separates the output of the login shell from that of the program, on each stream.

    nonce: the mark; it also names the shell's files.
    step: how far the shell has come. started: set when that is known, or never will be.
    is_detached: True once further output is to be dropped.
    """

    def __init__(self) -> None:
        self.nonce = secrets.token_hex(12)
        self.pid: int | None = None
        self.step: str | None = None
        self.error: Exception | None = None
        self.started = anyio.Event()
        self.is_detached = False
        self._sentinel = self.nonce.encode()
        self._output: CapturedOutput | None = None
        self._listener: OutputListener | None = None
        self._login_output = [bytearray(), bytearray()]
        self._has_started = [False, False]

    def expect(self, output: CapturedOutput, listener: OutputListener | None) -> None:
        """Set where the program's output goes."""
        self._output, self._listener = output, listener

    def received(self, stream: Stream, data: bytes) -> None:
        if not self._has_started[stream]:
            data = self._after_sentinel(stream, data)
        if data and self._output is not None and self.error is None and not self.is_detached:
            try:
                self._output.append(stream, data)
                if self._listener is not None:
                    self._listener(stream, data)
            except Exception as error:  # raised in the waiting task, not in asyncssh's callback
                self.error = error

    @property
    def login_output(self) -> str:
        """The output of the login, before the mark."""
        return bytes(self._login_output[0] + self._login_output[1]).decode(errors="replace")

    def _after_sentinel(self, stream: Stream, data: bytes) -> bytes:
        """Return what follows the line of the mark: ``MARK`` on stderr, ``MARK PID STEP`` on stdout."""
        login_output = self._login_output[stream]
        login_output += data
        start = login_output.find(self._sentinel)
        end = login_output.find(b"\n", start) if start >= 0 else -1
        if start < 0:
            del login_output[:-LOGIN_OUTPUT_LIMIT]
        if end < 0:
            return b""
        line, rest = login_output[start:end].decode(), bytes(login_output[end + 1 :])
        del login_output[start:]
        self._has_started[stream] = True
        if stream is Stream.STDOUT:
            _, pid, self.step = line.split()
            self.pid = int(pid)
            self.started.set()
        return rest


@dataclass(frozen=True, slots=True)
class BootstrapShell:
    """A bootstrap shell that waits. since: when it was opened, on the clock of `time.monotonic`."""

    reader: BootstrapReader
    command_channel: CommandChannel
    channel: asyncssh.SSHClientChannel[bytes]
    since: float = field(default_factory=time.monotonic)

    @property
    def is_fresh(self) -> bool:
        """True if it still waits, and its login was recent enough."""
        return not self.command_channel.exited.is_set() and time.monotonic() - self.since < SPARE_LIFETIME
