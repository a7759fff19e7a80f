"""A user on a host: how commands are run as that user, the helper shell, and a spare shell for the next script."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from ...errors import BlockFailed, RunbookError
from ..process.captured_output import CapturedOutput, Stream
from ..process.sudo import Become, sudo_command, sudo_refused
from .bootstrap_shell import BootstrapReader, BootstrapShell
from .channel import CommandChannel, send_input
from .helper_shell import HelperShell
from .remote_command import WRAPPER, bootstrap_script
from .session import ConnectionDied, SshSession, connection_lost_error
from .shell_quoting import shell_join

StartSoon = Callable[[Callable[[anyio.Event], Coroutine[object, object, None]], anyio.Event], object]
_POSIX_SHELLS = ("bash", "dash", "sh", "ash", "ksh")


class RemoteUser:
    """One user on one host, for as long as the connection lives.

    runs: ids of the runs that have done something as this user. start_soon: starts a background task.
    """

    def __init__(self, session: SshSession, become: Become | None, start_soon: StartSoon) -> None:
        self.session = session
        self.helper: HelperShell | None = None
        self.runs: set[str] = set()
        self._become = become
        self._start_soon = start_soon
        self._shells_requested = 0
        self._spare: BootstrapShell | None = None
        self._spare_opening: anyio.Event | None = None
        self._scripts_ended = 0
        self._prefix: Sequence[str] = ()
        self._first_input = b""
        self._lock = anyio.Lock()

    async def ensure_helper(self) -> HelperShell:
        """Return the helper shell of this user, and start it if it is not running.

        :raises ConnectionDied: if the connection turns out to be dead.
        :raises RunbookError: if it can't be started: the host has no shell, or sudo refuses.
        """
        if self.helper is not None and self.helper.is_alive:
            return self.helper
        async with self._lock:
            if self.helper is None or not self.helper.is_alive:
                if self._become is not None:
                    await self._probe_sudo(self._become)
                self.helper = await self._start_helper()
            return self.helper

    async def _start_helper(self) -> HelperShell:
        try:
            return await HelperShell.start(self.session, self.command("exec sh"), self._first_input)
        except BlockFailed as error:
            if self._become is None or not self.session.is_alive:
                raise
            raise sudo_refused(self._become, self.session.name, error.detail) from error

    async def bootstrap_shell(self) -> BootstrapShell:
        """Return a `sh` of this user that waits for the line with its program.

        :raises ConnectionDied: if the connection turns out to be dead.
        :raises BlockFailed: if the host allows no session.
        """
        self._shells_requested += 1
        if self._spare_opening is not None:
            await self._spare_opening.wait()
        spare, self._spare = self._spare, None
        if spare is not None and spare.is_fresh:
            return spare
        if spare is not None:
            spare.channel.close()
        return await self._open_bootstrap_shell()

    def record_script_end(self) -> None:
        """Record the end of a script, and open a spare shell for the next one.

        A user that has run one script only gets no spare shell. An older spare shell is closed: the script may have
        changed the files that a login reads.
        """
        self._drop_spare()
        self._scripts_ended += 1
        needs_spare = self._shells_requested > 1 and self._become is None and self.session.allows_spares
        if needs_spare and self._spare_opening is None:
            self._spare_opening = anyio.Event()
            self._start_soon(self._open_spare, self._spare_opening)

    async def _open_spare(self, opened: anyio.Event) -> None:
        scripts_ended = self._scripts_ended
        try:
            with suppress(RunbookError, ConnectionDied):  # the next script meets the same error itself
                self._spare = await self._open_bootstrap_shell(drop=self._drop_spare)
            is_outdated = scripts_ended != self._scripts_ended  # another script has ended meanwhile
            if is_outdated or not self.session.allows_spares:
                self._drop_spare()
        finally:
            self._spare_opening = None
            opened.set()

    def _drop_spare(self) -> None:
        if self._spare is not None:
            self._spare.channel.close()
            self._spare = None

    async def _open_bootstrap_shell(self, drop: Callable[[], object] | None = None) -> BootstrapShell:
        reader = BootstrapReader()
        command_channel = CommandChannel(reader.received)
        command_channel.add_close_callback(reader.started.set)
        channel = await self.session.open_channel(
            self.command(bootstrap_script(reader.nonce)), command_channel, drop=drop
        )
        return BootstrapShell(reader, command_channel, channel)

    def command(self, script: str) -> str:
        """Return the command that runs a script as this user. The script must not contain a single quote.

        Any login shell can read it. If the login shell can run the script itself, no other shell is started for it.
        """
        if self._prefix:
            return shell_join([*self._prefix, "sh", "-c", script])
        login_shell = "" if self.helper is None else self.helper.login_shell.rpartition("/")[2]
        return script if login_shell in _POSIX_SHELLS else f"exec sh -c '{script}'"

    def input(self, data: bytes) -> bytes:
        """Return the bytes to send so that the command reads this data: sudo's password goes first."""
        return self._first_input + data

    async def run(self, line: str, data: bytes) -> tuple[int | None, str]:
        """Run a line of `sh` with data as its input; return its exit code and stderr. Its stdout is dropped.

        :raises ConnectionDied: if the connection turns out to be dead.
        :raises BlockFailed: if the connection is lost meanwhile.
        """
        result = await self._run_to_end(
            self.command(WRAPPER), self.input(line.encode(errors="surrogateescape") + b"\n" + data)
        )
        return result.exit_code, result.stderr

    async def aclose(self) -> None:
        """Close the helper shell, which removes its files."""
        if self.helper is not None and self.helper.is_alive and self.session.is_alive:
            await self.helper.aclose(is_clean=not self.runs)

    async def _probe_sudo(self, become: Become) -> None:
        async def run_probe(words: Sequence[str]) -> tuple[int | None, str]:
            result = await self._run_to_end(f"exec {shell_join(words)}")
            return result.exit_code, result.stderr

        self._prefix, self._first_input = await sudo_command(become, self.session.name, run_probe)

    async def _run_to_end(self, command: str, data: bytes = b"") -> _CommandResult:
        output = CapturedOutput()
        command_channel = CommandChannel(output.append)
        channel = await self.session.open_channel(command, command_channel)
        try:
            send_input(channel, data, with_eof=True)
            await command_channel.closed.wait()
        finally:
            channel.close()
        if not command_channel.has_status:
            raise connection_lost_error(self.session.name, command_channel.error)
        return _CommandResult(command_channel.exit_code, output.tail(Stream.STDERR))


@dataclass(frozen=True, slots=True)
class _CommandResult:
    exit_code: int | None
    stderr: str
