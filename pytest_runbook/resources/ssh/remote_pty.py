"""Runs a program in a terminal on another host: starts it, types into it, and ends everything that came from it."""

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
from ..terminal.pty import HANGUP_GRACE, PtyOutcome, PtySize
from ..terminal.shell_driver import TerminalSnapshot
from ..terminal.shells import TerminalShell
from .bootstrap_shell import LOGIN_OUTPUT_LIMIT
from .channel import CommandChannel, send_input
from .helper_shell import HelperShell, print_file_command
from .pool import SshPool
from .remote_command import RemoteCommand, Step, bootstrap_setup
from .remote_process import start_error
from .remote_process_group import RemoteProcessGroup, max_end_seconds
from .remote_user import RemoteUser
from .session import connection_lost_error
from .shell_quoting import shell_quote
from .target import Target

TERM = "xterm-256color"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalCommand(RemoteCommand):
    """A shell to start in a terminal, as the file that a small `sh` evaluates before it becomes the shell.

    prompt_mark: the beginning of the shell's marks. shell: how it is started, once its folder is known.
    """

    prompt_mark: str | None
    shell: TerminalShell = field(default_factory=lambda: TerminalShell(argv=()))

    def with_shell_files(self, folder: PurePosixPath) -> TerminalCommand:
        """Return the command with the shell's start-up files in that folder."""
        shell = TerminalShell.of(self.interpreter, self.prompt_mark, self.env, folder)
        return replace(self, shell=shell, env={**self.env, **shell.environment})

    def script(self, nonce: str, folder: str) -> str:
        """Return everything that the `sh` evaluates.

        :raises BlockFailed: if something in it can't be passed to a program.
        """
        shell_folder = f"{folder}/{nonce}.shell"
        files = (
            f"printf %s {shlex.quote(text)} >{shell_quote(str(path))}\n" for path, text in self.shell.files.items()
        )
        line = self.line(folder).decode(errors="surrogateescape")
        return f"(umask 077; mkdir {shell_quote(shell_folder)}\n{''.join(files)})\n{bootstrap_setup(nonce)}\n{line}"

    def _command(self, code_file: str) -> Command:
        return Command(list(self.shell.argv))


class RemotePty:
    """A program in a terminal on a host, for as long as the context is open.

    If the context is left while the program still runs, as when it is cancelled, the program and everything that came
    from it are ended.
    on_output: called with the output as it arrives.
    file: the content of the output-variable file, once the context is left; None if it can't be read.
    """

    def __init__(
        self,
        remote_user: RemoteUser,
        helper: HelperShell,
        grace: Callable[[], Grace],
        on_output: Callable[[bytes], object],
    ) -> None:
        self.file: bytes | None = b""
        self._remote_user = remote_user
        self._helper = helper
        self._grace = grace
        self._on_output = on_output
        self._nonce = secrets.token_hex(12)
        self._sentinel = re.compile(rb"%b (\d+) (\w+)\r?\n" % self._nonce.encode())
        self._login_output = bytearray()
        self._pid: int | None = None
        self._step = ""
        self._error: Exception | None = None
        self._since = self._last_event = time.monotonic()
        self._changed = anyio.Event()
        self._command_channel = CommandChannel(lambda _, data: self._receive(data))
        self._command_channel.add_close_callback(self._notify)

    @classmethod
    async def open(
        cls,
        pool: SshPool,
        target: Target,
        command: TerminalCommand,
        size: PtySize,
        on_output: Callable[[bytes], object],
    ) -> Self:
        """Start a program on a host.

        :raises RunbookError: if the host can't be reached.
        """

        async def start() -> Self:
            remote_user = await pool.remote_user(target)
            remote_user.runs.add(command.label.run_id)
            pty = cls(remote_user, await remote_user.ensure_helper(), pool.grace, on_output)
            await pty._start(command, size)
            return pty

        return await pool.with_reconnect(target, start)

    async def _start(self, command: TerminalCommand, size: PtySize) -> None:
        """Start the program with a file that the `sh` evaluates.

        Typed, it would be shown, and be too long for the terminal's lines.
        """
        self._command = command.with_shell_files(PurePosixPath(self._helper.folder, f"{self._nonce}.shell"))
        path = f"{self._helper.folder}/{self._nonce}.start"
        text = self._command.script(self._nonce, self._helper.folder)
        status, output = await self._helper.run(f"cat >{shell_quote(path)} <<'{self._nonce}'\n{text}\n{self._nonce}")
        if status != 0:
            self._helper.send(f"rm -f {shell_quote(path)}")
            reason, hint = shorten(output.decode(errors="replace"), 200), "is its /tmp full?"
            raise BlockFailed(f"{path} can't be written on {self._remote_user.session.name}: {reason}", hint=hint)
        self._channel = await self._remote_user.session.open_channel(
            self._remote_user.command(f'. "{path}"'),
            self._command_channel,
            term_type=TERM,
            term_size=(size.cols, size.rows),
        )

    @property
    def has_ended(self) -> bool:
        return self._command_channel.closed.is_set()

    @property
    def outcome(self) -> PtyOutcome:
        """How the program ended."""
        return PtyOutcome(
            exit_code=self._command_channel.exit_code,
            signal=self._command_channel.signal,
            seconds=self._last_event - self._since,
        )

    def snapshot(self) -> TerminalSnapshot:
        return TerminalSnapshot(silence=time.monotonic() - self._last_event)

    async def wait(self, at_most: float) -> None:
        with anyio.move_on_after(at_most):
            await self._changed.wait()
        self._changed = anyio.Event() if not self._command_channel.closed.is_set() else self._changed
        if self._error is not None:
            raise self._error

    def write(self, data: bytes) -> None:
        self._last_event = time.monotonic()
        send_input(self._channel, data)

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
        self._remote_user.record_script_end()

    def _check(self) -> None:
        name = self._remote_user.session.name
        if not self._command_channel.has_status:
            raise connection_lost_error(name, self._command_channel.error or self._remote_user.session.error)
        if self._step != Step.READY:
            detail = self._login_output.decode(errors="replace")
            raise start_error(name, self._command, self._step, self._command_channel, detail)

    async def _end(self) -> None:
        """End the program and its process group. If the connection is lost, the host's helper shell does so itself."""
        with anyio.move_on_after(max_end_seconds(HANGUP_GRACE), shield=True) as ending, suppress(RunbookError):
            if self._pid is not None:
                process_group = RemoteProcessGroup.of_execution(self._helper, self._command.label, self._pid)
                await process_group.end(lambda: HANGUP_GRACE.within(self._grace()))
                self._tidy_up()
        if ending.cancelled_caught:
            self._remote_user.session.abort()

    async def _read_file(self) -> bytes | None:
        status, content = await self._helper.run(
            print_file_command(f"{shell_quote(self._helper.folder)}/{self._pid}.vars")
        )
        self._tidy_up()
        return content if status == 0 else None

    def _tidy_up(self) -> None:
        folder = shell_quote(self._helper.folder)
        self._helper.send(f"rm -rf {folder}/{self._pid}.vars {folder}/{self._nonce}.*")

    def _receive(self, data: bytes) -> None:
        self._last_event = time.monotonic()
        if not self._step:
            data = self._after_sentinel(data)
        if data and self._error is None:
            try:
                self._on_output(data)
            except Exception as error:  # raised in the waiting task, not in asyncssh's callback
                self._error = error
        self._notify()

    def _after_sentinel(self, data: bytes) -> bytes:
        """Return what follows the line in which the `sh` reports its step. Output of rc files comes before it."""
        self._login_output += data
        match = self._sentinel.search(self._login_output)
        if match is None:
            del self._login_output[:-LOGIN_OUTPUT_LIMIT]
            return b""
        self._pid, self._step = int(match[1]), match[2].decode()
        rest = bytes(self._login_output[match.end() :])
        del self._login_output[match.start() :]
        return rest

    def _notify(self) -> None:
        self._changed.set()


async def login_shell(pool: SshPool, target: Target) -> str:
    """Return the login shell of the user on the host.

    :raises RunbookError: if the host can't be reached.
    """

    async def query() -> str:
        remote_user = await pool.remote_user(target)
        _, output = await (await remote_user.ensure_helper()).run('printf %s "$SHELL"')
        return output.decode(errors="surrogateescape")

    return await pool.with_reconnect(target, query)
