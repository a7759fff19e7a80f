"""One SSH connection to one host: its channels, its forwards, and its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import anyio
import asyncssh
from anyio.lowlevel import checkpoint

from ...errors import BlockFailed
from ...text import show_limit
from .channel import CommandChannel
from .config.options import HostOptions
from .login.proxy import end_proxy

CLOSE_TIMEOUT = 2.0
_SLOT_PAUSE = 0.02
_SLOT_GRACE = 5.0  # a host may count a channel so long after its end


class ConnectionDied(Exception):
    """The connection was dead before the host could have begun to do anything, so the work may be tried again."""


class SshSession:
    """An open connection, shared by everything that uses the host.

    name: the host as the runbook writes it. allows_spares: no channel has been refused so far.
    """

    def __init__(self, name: str, options: HostOptions) -> None:
        self.name = name
        self.options = options
        self.ended = anyio.Event()
        self.error: Exception | None = None
        self.allows_spares = True
        self._connection: asyncssh.SSHClientConnection | None = None
        self._channels: set[CommandChannel] = set()
        self._last_release = -math.inf
        self._spares: dict[CommandChannel, Callable[[], object]] = {}
        self._channel_ended = anyio.Event()

    @property
    def connection(self) -> asyncssh.SSHClientConnection:
        """The asyncssh connection."""
        assert self._connection is not None, "not open yet"
        return self._connection

    @property
    def is_alive(self) -> bool:
        return self._connection is not None and not self.ended.is_set()

    def record_open(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection

    def record_end(self, error: Exception | None) -> None:
        """Record that the connection has ended, and why."""
        self.error = error
        self.ended.set()
        self._wake()

    async def open_channel(
        self,
        command: str | None,
        channel: CommandChannel,
        *,
        is_permanent: bool = False,
        drop: Callable[[], object] | None = None,
        **options: Any,
    ) -> asyncssh.SSHClientChannel[bytes]:
        """Start a command, or the login shell, on a channel of its own.

        If the host allows no more channels, wait for the end of one that is open.
        is_permanent: the channel stays open with the connection, so its end is not worth waiting for.
        drop: closes the channel when others need one. It makes the channel a spare one, which is never waited for.
        options: further arguments of asyncssh's `create_session`, such as those of terminals.
        :raises ConnectionDied: if the connection is dead and nothing has begun.
        :raises BlockFailed: if the host allows no channel.
        """
        while True:
            channel_ended = self._channel_ended
            try:
                opened = await self._create_channel(command, channel, options)
            except asyncssh.ChannelOpenError as error:
                await checkpoint()  # asyncssh also raises this on a dead connection, and reports its end later
                if not self.is_alive:
                    raise ConnectionDied from error
                self.allows_spares = False
                if drop is not None or not await self._wait_for_slot(channel_ended):
                    raise self._channel_error(error) from error
            except (OSError, asyncssh.Error) as error:
                raise ConnectionDied from error
            else:
                if not is_permanent and not channel.is_released:
                    self._channels.add(channel)
                    channel.on_released = lambda: self._record_release(channel)
                if drop is not None:
                    self._spares[channel] = drop
                return opened

    async def forward(self, host: str, port: int) -> asyncssh.SSHListener:
        """Open a port of this machine that leads to a port that the host can reach; closed with the connection."""
        return await self.connection.forward_local_port("127.0.0.1", 0, host, port)

    async def forward_socks(self) -> asyncssh.SSHListener:
        """Open a SOCKS proxy on this machine that leads to whatever the host can reach; closed with the connection."""
        return await self.connection.forward_socks("127.0.0.1", 0)

    def abort(self) -> None:
        """Treat the connection as lost, because the host does not answer."""
        self.connection.abort()
        self.record_end(TimeoutError("the host does not answer"))

    async def aclose(self) -> None:
        """Close the connection; abort it if the host does not answer."""
        if self._connection is None:
            return
        with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
            self._connection.close()
            await self._connection.wait_closed()
            await end_proxy(self._connection.get_extra_info("proxy"))
            return
        self._connection.abort()

    async def _create_channel(
        self, command: str | None, channel: CommandChannel, options: dict[str, Any]
    ) -> asyncssh.SSHClientChannel[bytes]:
        with anyio.move_on_after(self.options.connect_timeout):
            opened, _ = await self.connection.create_session(
                lambda: channel,
                command,
                encoding=None,
                env=self.options.set_env or None,
                send_env=self.options.send_env or None,
                **options,
            )
            return opened
        self.abort()
        raise ConnectionDied(f"no answer within {show_limit(self.options.connect_timeout)}")

    async def _wait_for_slot(self, channel_ended: anyio.Event) -> bool:
        """Wait until one more channel may be allowed; return False if there is none to wait for.

        A host counts a channel a moment longer than we do.
        """
        for drop in list(self._spares.values()):
            drop()
        if self._channels or channel_ended.is_set():
            await channel_ended.wait()
        await anyio.sleep(_SLOT_PAUSE)
        return bool(self._channels) or time.monotonic() - self._last_release < _SLOT_GRACE

    def _record_release(self, channel: CommandChannel) -> None:
        self._channels.discard(channel)
        self._spares.pop(channel, None)
        self._last_release = time.monotonic()
        self._wake()

    def _wake(self) -> None:
        """Wake the callers that wait for the end of a channel."""
        self._channel_ended.set()
        self._channel_ended = anyio.Event()

    def _channel_error(self, error: asyncssh.ChannelOpenError) -> BlockFailed:
        hint = "scripts need two sessions on a connection, one to be ended by: MaxSessions in its sshd_config"
        return BlockFailed(f"{self.name} opens no session on our connection: {error.reason}", hint=hint)

    def __repr__(self) -> str:
        return f"<SshSession {self.name} {'open' if self.is_alive else 'closed'}>"


def connection_lost_error(name: str, error: Exception | None) -> BlockFailed:
    """Return the error for work that a lost connection cut off.

    It is not `Unreachable`, because the host may well be reached again.
    """
    reason = f": {error}" if error is not None and str(error) else ""
    return BlockFailed(
        f"the connection to {name} was lost{reason}; what its programs did after that is not known",
        hint="they are ended there as soon as the host notices; look at its network and the log of its sshd",
    )
