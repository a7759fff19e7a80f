"""A user on a host: how commands are run as that user, and the shell that serves all of its scripts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from ...errors import BlockFailed, RunbookError
from ..process.captured_output import CapturedOutput, Stream
from ..process.sudo import Become, no_sudo, sudo_command
from .bootstrap_shell import Front, Opening
from .channel import Channel, send
from .helper_shell import HelperShell
from .remote_command import WRAPPER, front_script
from .session import ConnectionDied, SshSession, lost
from .shell_quoting import quote_all

StartSoon = Callable[[Callable[[anyio.Event], Coroutine[object, object, None]], anyio.Event], object]
_POSIX_SHELLS = ("bash", "dash", "sh", "ash", "ksh")


class Account:
    """One user on one host, for as long as its connection lives.

    runs: the runs that had something to do as this user. start_soon: has something done that nobody waits for.
    """

    def __init__(self, session: SshSession, become: Become | None, start_soon: StartSoon) -> None:
        self.session = session
        self.helper: HelperShell | None = None
        self.runs: set[str] = set()
        self._become = become
        self._start_soon = start_soon
        self._fronts = 0
        self._spare: Front | None = None
        self._coming_spare: anyio.Event | None = None
        self._ends = 0
        self._prefix: Sequence[str] = ()
        self._first_input = b""
        self._lock = anyio.Lock()

    async def ready(self) -> HelperShell:
        """The helper shell of this user, started now if it is not running.

        :raises ConnectionDied: if the connection turns out to be dead.
        :raises RunbookError: if it can't be: no shell there, sudo refuses.
        """
        if self.helper is not None and self.helper.is_alive:
            return self.helper
        async with self._lock:
            if self.helper is None or not self.helper.is_alive:
                if self._become is not None:
                    await self._find_out_about_sudo(self._become)
                self.helper = await self._started()
            return self.helper

    async def _started(self) -> HelperShell:
        try:
            return await HelperShell.start(self.session, self.command("exec sh"), self._first_input)
        except BlockFailed as error:
            if self._become is None or not self.session.is_alive:
                raise
            raise no_sudo(self._become, self.session.name, error.said) from error

    async def front(self) -> Front:
        """A `sh` of this user that waits for the line to become a program by.

        :raises ConnectionDied: if the connection turns out to be dead.
        :raises BlockFailed: if the host allows no session.
        """
        self._fronts += 1
        if self._coming_spare is not None:
            await self._coming_spare.wait()
        spare, self._spare = self._spare, None
        if spare is not None and spare.is_fresh:
            return spare
        if spare is not None:
            spare.channel.close()
        return await self._opened_front()

    def note_end(self) -> None:
        """A script has ended: have a `sh` wait for the next one ahead of time; where two came, there will be a third.

        One that began before is of no use: the script may have changed what a login reads.
        """
        self._drop_spare()
        self._ends += 1
        is_wanted = self._fronts > 1 and self._become is None and self.session.allows_spares
        if is_wanted and self._coming_spare is None:
            self._coming_spare = anyio.Event()
            self._start_soon(self._open_spare, self._coming_spare)

    async def _open_spare(self, is_there: anyio.Event) -> None:
        ends = self._ends
        try:
            with suppress(RunbookError, ConnectionDied):  # whoever needs one finds out
                self._spare = await self._opened_front(drop=self._drop_spare)
            if ends != self._ends or not self.session.allows_spares:  # it comes too late, or takes somebody's place
                self._drop_spare()
        finally:
            self._coming_spare = None
            is_there.set()

    def _drop_spare(self) -> None:
        if self._spare is not None:
            self._spare.channel.close()
            self._spare = None

    async def _opened_front(self, drop: Callable[[], object] | None = None) -> Front:
        opening = Opening()
        ended = Channel(opening.received)
        ended.when_closed(opening.started.set)
        channel = await self.session.open_channel(self.command(front_script(opening.nonce)), ended, drop=drop)
        return Front(opening, ended, channel)

    def command(self, script: str) -> str:
        """The command that runs a script as this user, in words that any login shell understands: no quote in it.

        A login shell that reads such a script itself need not start another one for it.
        """
        if self._prefix:
            return quote_all([*self._prefix, "sh", "-c", script])
        login_shell = "" if self.helper is None else self.helper.login_shell.rpartition("/")[2]
        return script if login_shell in _POSIX_SHELLS else f"exec sh -c '{script}'"

    def input(self, data: bytes) -> bytes:
        """What to send to that command so that it reads this."""
        return self._first_input + data

    async def run(self, line: str, data: bytes) -> tuple[int | None, str]:
        """Run a line of `sh` on data; gives its exit code and what it said on stderr. Its output goes nowhere.

        :raises ConnectionDied: if the connection turns out to be dead.
        :raises BlockFailed: if it is lost meanwhile.
        """
        ran = await self._ran(self.command(WRAPPER), self.input(line.encode(errors="surrogateescape") + b"\n" + data))
        return ran.exit_code, ran.said

    async def aclose(self) -> None:
        """Have the helper shell tidy up and go."""
        if self.helper is not None and self.helper.is_alive and self.session.is_alive:
            await self.helper.aclose(is_quiet=not self.runs)

    async def _find_out_about_sudo(self, become: Become) -> None:
        async def asked(words: Sequence[str]) -> tuple[int | None, str]:
            ran = await self._ran(f"exec {quote_all(words)}")
            return ran.exit_code, ran.said

        self._prefix, self._first_input = await sudo_command(become, self.session.name, asked)

    async def _ran(self, command: str, data: bytes = b"") -> _Ran:
        output = CapturedOutput()
        ended = Channel(output.append)
        channel = await self.session.open_channel(command, ended)
        try:
            send(channel, data, is_all=True)
            await ended.closed.wait()
        finally:
            channel.close()
        if not ended.has_status:
            raise lost(self.session.name, ended.error)
        return _Ran(ended.exit_code, output.tail(Stream.STDERR))


@dataclass(frozen=True, slots=True)
class _Ran:
    exit_code: int | None
    said: str
