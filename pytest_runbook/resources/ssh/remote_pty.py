"""A program in a terminal on another host: started, typed into, and ended with all that came of it."""

from __future__ import annotations

import re
import secrets
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from types import TracebackType
from typing import Self

import anyio

from ...errors import BlockFailed, RunbookError
from ...text import shorten
from ..process.interpreters import Command
from ..process.process_group import Grace
from ..terminal.pty import PtyOutcome, PtySize
from ..terminal.shell_driver import Look
from ..terminal.shells import TerminalShell
from .channel import Channel, send
from .helper_shell import HelperShell, content_of
from .pool import SshPool
from .remote_command import RemoteCommand, Step, setup
from .remote_process import not_started
from .remote_process_group import RemoteFamily, longest_ending
from .remote_user import Account
from .session import lost
from .shell_quoting import quote
from .target import Target

TERM = "xterm-256color"
_HANGUP = Grace(hangup=2.0, interrupt=0.0)
_MOST_NOISE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalCommand(RemoteCommand):
    """A shell to start in a terminal, as what a small `sh` there evaluates before it becomes the shell.

    prompt_mark: what the shell's marks begin with. shell: how it is started, once its folder is known.
    """

    prompt_mark: str | None
    shell: TerminalShell = field(default_factory=lambda: TerminalShell(argv=()))

    def prepared(self, folder: PurePosixPath) -> TerminalCommand:
        """The same with the shell's own files in that folder."""
        shell = TerminalShell.of(self.interpreter, self.prompt_mark, self.env, folder)
        return replace(self, shell=shell, env={**self.env, **shell.environment})

    def script(self, nonce: str, folder: str) -> str:
        """All that the `sh` is to evaluate.

        :raises BlockFailed: if something in it can't be handed to a program.
        """
        own = f"{folder}/{nonce}.shell"
        files = (f"printf %s {shlex.quote(text)} >{quote(str(path))}\n" for path, text in self.shell.files.items())
        line = self.line(folder).decode(errors="surrogateescape")
        return f"(umask 077; mkdir {quote(own)}\n{''.join(files)})\n{setup(nonce)}\n{line}"

    def _command(self, code_file: str) -> Command:
        return Command(list(self.shell.argv))


class RemotePty:
    """A program in a terminal on a host, for as long as the context is open.

    Left while it still runs - cancelled, say - the program is ended with all that came of it.
    on_output: is told of its output as it arrives.
    file: what was written into the file for variables, once the context is left.
    """

    def __init__(
        self, account: Account, helper: HelperShell, grace: Callable[[], Grace], on_output: Callable[[bytes], object]
    ) -> None:
        self.file: bytes | None = b""
        self._account = account
        self._helper = helper
        self._grace = grace
        self._on_output = on_output
        self._nonce = secrets.token_hex(12)
        self._mark = re.compile(rb"%b (\d+) (\w+)\r?\n" % self._nonce.encode())
        self._noise = bytearray()
        self._pid: int | None = None
        self._step = ""
        self._error: Exception | None = None
        self._since = self._last_event = time.monotonic()
        self._news = anyio.Event()
        self._ended = Channel(lambda _, data: self._receive(data))
        self._ended.when_closed(self._note_news)

    @classmethod
    async def open(
        cls,
        pool: SshPool,
        target: Target,
        command: TerminalCommand,
        size: PtySize,
        on_output: Callable[[bytes], object],
    ) -> Self:
        """Start it on a host.

        :raises RunbookError: if the host can't be reached.
        """

        async def start() -> Self:
            account = await pool.account(target)
            account.runs.add(command.mark.run_id)
            pty = cls(account, await account.ready(), pool.grace, on_output)
            await pty._start(command, size)
            return pty

        return await pool.on_living(target, start)

    async def _start(self, command: TerminalCommand, size: PtySize) -> None:
        """What the `sh` is to evaluate is in a file: the terminal would show it, and has too short lines for it."""
        self._command = command.prepared(PurePosixPath(self._helper.folder, f"{self._nonce}.shell"))
        path = f"{self._helper.folder}/{self._nonce}.start"
        text = self._command.script(self._nonce, self._helper.folder)
        status, said = await self._helper.run(f"cat >{quote(path)} <<'{self._nonce}'\n{text}\n{self._nonce}")
        if status != 0:
            self._helper.send(f"rm -f {quote(path)}")
            reason, hint = shorten(said.decode(errors="replace"), 200), "is its /tmp full?"
            raise BlockFailed(f"{path} can't be written on {self._account.session.name}: {reason}", hint=hint)
        self._channel = await self._account.session.open_channel(
            self._account.command(f'. "{path}"'), self._ended, term_type=TERM, term_size=(size.cols, size.rows)
        )

    @property
    def has_ended(self) -> bool:
        return self._ended.closed.is_set()

    @property
    def outcome(self) -> PtyOutcome:
        """How it ended."""
        return PtyOutcome(
            exit_code=self._ended.exit_code, signal=self._ended.signal, seconds=self._last_event - self._since
        )

    def look(self) -> Look:
        return Look(silence=time.monotonic() - self._last_event)

    async def wait(self, at_most: float) -> None:
        with anyio.move_on_after(at_most):
            await self._news.wait()
        self._news = anyio.Event() if not self._ended.closed.is_set() else self._news
        if self._error is not None:
            raise self._error

    def write(self, data: bytes) -> None:
        self._last_event = time.monotonic()
        send(self._channel, data)

    def resize(self, size: PtySize) -> None:
        self._channel.change_terminal_size(size.cols, size.rows)

    def kill(self) -> None:
        if self._pid is not None:
            self._helper.send(f"kill -HUP -{self._pid}; (sleep 0.25; kill -KILL -{self._pid}) 2>/dev/null &")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if kind is None and self.has_ended:
            self._check()
            self.file = await self._read_file()
        else:
            await self._end()
        self._channel.close()
        self._account.note_end()

    def _check(self) -> None:
        name = self._account.session.name
        if not self._ended.has_status:
            raise lost(name, self._ended.error or self._account.session.error)
        if self._step != Step.READY:
            said = self._noise.decode(errors="replace")
            raise not_started(name, self._command, self._step, self._ended, said)

    async def _end(self) -> None:
        """End the program and its family; where the connection is lost, the host's helper shell does it itself."""
        with anyio.move_on_after(longest_ending(_HANGUP), shield=True) as ending, suppress(RunbookError):
            if self._pid is not None:
                family = RemoteFamily.of_execution(self._helper, self._command.mark, self._pid)
                await family.end(lambda: _HANGUP.within(self._grace()))
                self._tidy_up()
        if ending.cancelled_caught:
            self._account.session.hang_up()

    async def _read_file(self) -> bytes | None:
        status, content = await self._helper.run(content_of(f"{quote(self._helper.folder)}/{self._pid}.vars"))
        self._tidy_up()
        return content if status == 0 else None

    def _tidy_up(self) -> None:
        folder = quote(self._helper.folder)
        self._helper.send(f"rm -rf {folder}/{self._pid}.vars {folder}/{self._nonce}.*")

    def _receive(self, data: bytes) -> None:
        self._last_event = time.monotonic()
        if not self._step:
            data = self._after_mark(data)
        if data and self._error is None:
            try:
                self._on_output(data)
            except Exception as error:  # it is raised by the one who waits
                self._error = error
        self._note_news()

    def _after_mark(self, data: bytes) -> bytes:
        """What comes after the `sh` said how far it came; before it, rc files may have said something."""
        self._noise += data
        mark = self._mark.search(self._noise)
        if mark is None:
            del self._noise[:-_MOST_NOISE]
            return b""
        self._pid, self._step = int(mark[1]), mark[2].decode()
        rest = bytes(self._noise[mark.end() :])
        del self._noise[mark.start() :]
        return rest

    def _note_news(self) -> None:
        self._news.set()


async def login_shell(pool: SshPool, target: Target) -> str:
    """The shell of whoever logs in there.

    :raises RunbookError: if the host can't be reached.
    """

    async def ask() -> str:
        account = await pool.account(target)
        _, said = await (await account.ready()).run('printf %s "$SHELL"')
        return said.decode(errors="surrogateescape")

    return await pool.on_living(target, ask)
