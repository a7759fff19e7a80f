"""The client side of one SSH channel: output in the order of arrival, and the end of its command."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio
import asyncssh

from ..process.captured_output import Stream

DataReceived = Callable[[Stream, bytes], object]


class CommandChannel(asyncssh.SSHClientSession[bytes]):
    """A command on a host.

    exit_code: None until it has ended, and if a signal ended it. signal: the signal's name, such as ``SIGKILL``.
    exited: set when the command itself has ended. closed: set when no more output can come.
    is_released: True once the channel does not count on its connection any more; `on_released` is called then.
    """

    def __init__(self, received: DataReceived) -> None:
        self.is_released = False
        self.on_released: Callable[[], object] = lambda: None
        self.exit_code: int | None = None
        self.signal: str | None = None
        self.error: Exception | None = None
        self.exited = anyio.Event()
        self.closed = anyio.Event()
        self._received = received
        self._close_callbacks: list[Callable[[], object]] = []
        self._has_eof = False

    @property
    def has_status(self) -> bool:
        """True once the host has reported how the command ended."""
        return self.exit_code is not None or self.signal is not None

    def add_close_callback(self, callback: Callable[[], object]) -> None:
        """Call a callback when no more output can come, before waiting tasks wake up.

        It is called at once if that is so already.
        """
        if self.closed.is_set():
            callback()
        self._close_callbacks.append(callback)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        stream = Stream.STDERR if datatype == asyncssh.EXTENDED_DATA_STDERR else Stream.STDOUT
        self._received(stream, data)

    def eof_received(self) -> bool:
        self._has_eof = True
        self._update_status()
        return True

    def exit_status_received(self, status: int) -> None:
        self.exit_code = status
        self._update_status()

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.signal = f"SIG{signal}" if signal.isalnum() else f"signal {signal}"
        self._update_status()

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self._close()
        self.exited.set()
        self.is_released = True
        self.on_released()

    def _update_status(self) -> None:
        if self.has_status:
            if self._has_eof:
                self._close()
            self.exited.set()

    def _close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            for callback in self._close_callbacks:
                callback()


def send_input(channel: asyncssh.SSHClientChannel[bytes], data: bytes, *, with_eof: bool = False) -> None:
    """Send input to a command, and ignore that it has ended. with_eof: this is all of the input."""
    with suppress(BrokenPipeError):
        channel.write(data)
        if with_eof:
            channel.write_eof()
