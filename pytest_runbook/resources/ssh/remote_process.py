"""Runs a program on another host to its end: output as it arrives, the real exit status, nothing of it left.

What the program gets - environment, directory, code - goes over the channel's input to a bootstrap shell, which then
becomes the program. So nothing of it is in a process list before the program itself is, and the login shell, whichever
it is, has nothing to misread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from ...errors import BlockFailed, RunbookError
from ...text import shorten
from ..process.captured_output import CapturedOutput, Stream
from ..process.process_group import Grace
from ..process.runner import HELD_PIPE_TIMEOUT, OutputListener, ProcessOutcome
from ..process.sudo import Become
from .bootstrap_shell import BootstrapReader, BootstrapShell
from .channel import CommandChannel, send_input
from .helper_shell import HelperReply, HelperShell, print_file_command
from .pool import SshPool
from .remote_command import RemoteCommand, Step, code_file, stop_file
from .remote_process_group import RemoteProcessGroup, max_end_seconds
from .remote_user import RemoteUser
from .session import connection_lost_error
from .shell_quoting import shell_quote
from .target import Target

_START_GRACE = 0.5


async def run_remote(
    pool: SshPool,
    target: Target,
    become: Become | None,
    command: RemoteCommand,
    *,
    output: CapturedOutput,
    on_output: OutputListener | None = None,
) -> RemoteOutcome:
    """Run a program on a host.

    If cancelled, it ends the program and everything that came from it before it returns.
    :raises RunbookError: if the program can't be started there, or the connection is lost.
    """

    async def start() -> _Run:
        remote_user = await pool.remote_user(target, become)
        remote_user.runs.add(command.label.run_id)
        run = _Run(remote_user, await remote_user.ensure_helper(), command, output)
        await run.start(on_output)
        return run

    run = await pool.with_reconnect(target, start)
    return await run.wait(pool.grace)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOutcome:
    """How a program ended, and the content of its output-variable file. file: None if the file can't be read."""

    process: ProcessOutcome
    file: bytes | None


@dataclass(slots=True)
class _Run:
    """One run of a program."""

    remote_user: RemoteUser
    helper: HelperShell
    command: RemoteCommand
    output: CapturedOutput
    _code_file: str = ""
    _shell: BootstrapShell = field(init=False)
    _since: float = field(init=False)
    _file_reply: HelperReply | None = None
    _is_ending: bool = False

    async def start(self, on_output: OutputListener | None) -> None:
        """Get a bootstrap shell and send it everything that it reads.

        :raises ConnectionDied: if the connection is dead and nothing has begun.
        """
        if self.command.needs_file:
            self._code_file = code_file(self.helper.folder)
        line = self.command.line(self.helper.folder, self._code_file)
        if self._code_file:
            await self._send_code()
        self._since = time.monotonic()
        self._shell = await self.remote_user.bootstrap_shell()
        self._reader.expect(self.output, on_output)
        send_input(self._shell.channel, self.remote_user.input(line + self.command.stdin), with_eof=True)

    async def wait(self, grace: Callable[[], Grace]) -> RemoteOutcome:
        """Wait for the program, and then for `HELD_PIPE_TIMEOUT` at most for what it left in the background."""
        try:
            self._command_channel.add_close_callback(self._on_channel_closed)
            await self._command_channel.exited.wait()
            seconds = time.monotonic() - self._since
            if not self._command_channel.closed.is_set():
                with anyio.move_on_after(HELD_PIPE_TIMEOUT):
                    await self._command_channel.closed.wait()
            self._check()
            file = await self._collect_file(self._request_file())
        except BaseException:
            await self._end(grace)
            raise
        holds_pipe = not self._command_channel.closed.is_set()
        self._reader.is_detached = True
        process = ProcessOutcome(
            pid=self._reader.pid or 0,
            exit_code=self._command_channel.exit_code,
            signal=self._command_channel.signal,
            seconds=seconds,
            output=self.output,
            holds_pipe=holds_pipe,
        )
        return RemoteOutcome(process=process, file=file)

    def _check(self) -> None:
        """Check that the program itself ran and ended.

        :raises RunbookError: if it did not.
        """
        name = self.remote_user.session.name
        if self._reader.error is not None:
            raise self._reader.error
        if not self._command_channel.has_status:
            raise connection_lost_error(name, self._command_channel.error or self.remote_user.session.error)
        if self._reader.step != Step.READY:
            detail = self.output.tail(Stream.STDERR)
            raise start_error(
                name, self.command, self._reader.step, self._command_channel, detail or self._reader.login_output
            )

    def _on_channel_closed(self) -> None:
        """Request the file as soon as the channel is closed, before the waiting task wakes up."""
        if self._command_channel.has_status and self._reader.step == Step.READY and not self._is_ending:
            self._request_file()

    def _request_file(self) -> HelperReply:
        """Do once what comes after the program: open a spare shell, and request the output-variable file.

        The spare shell goes first: once the file is here, the waiting task may keep the event loop busy.
        """
        if self._file_reply is None:
            self._file_reply = HelperReply()
            self.remote_user.record_script_end()
            asyncio.get_running_loop().call_soon(self._submit_read, self._file_reply)
        return self._file_reply

    def _submit_read(self, reply: HelperReply) -> None:
        self.helper.submit(print_file_command(self._file_word), reply)

    async def _collect_file(self, reply: HelperReply) -> bytes | None:
        """Return the content of the file, and have it removed without waiting."""
        status, content = await self.helper.wait_for(reply)
        self._tidy_up(is_urgent=status != 0 or bool(content))
        return content if status == 0 else None

    async def _end(self, grace: Callable[[], Grace]) -> None:
        """End the program and its process group. If the connection is lost, the host's helper shell does so itself."""
        self._is_ending = True
        with anyio.move_on_after(max_end_seconds(grace()), shield=True) as ending, suppress(RunbookError):
            await self._prevent_start()
            if self._reader.pid is not None:
                await RemoteProcessGroup.of_execution(self.helper, self.command.label, self._reader.pid).end(grace)
                self._tidy_up()
            with anyio.move_on_after(HELD_PIPE_TIMEOUT):
                await self._command_channel.closed.wait()
        if ending.cancelled_caught:
            self.remote_user.session.abort()
        self._reader.is_detached = True
        self._shell.channel.close()
        self.remote_user.record_script_end()

    async def _prevent_start(self) -> None:
        if not self._reader.started.is_set():
            await self.helper.run(f": >{shell_quote(stop_file(self.helper.folder, self._reader.nonce))}")
            with anyio.move_on_after(_START_GRACE):
                await self._reader.started.wait()

    async def _send_code(self) -> None:
        path = self._code_file
        exit_code, stderr = await self.remote_user.run(f"exec cat >{shell_quote(path)}", self.command.encoded)
        if exit_code != 0:
            self.helper.send(f"rm -f {shell_quote(path)}")
            name, hint = self.remote_user.session.name, "is its /tmp full?"
            raise BlockFailed(f"the code can't be written to {path} on {name}: {shorten(stderr, 200)}", hint=hint)

    def _tidy_up(self, *, is_urgent: bool = True) -> None:
        """Remove the script's files; at once if they hold anything."""
        if is_urgent or self._code_file:
            self.helper.send(f"rm -rf {self._file_word} {shell_quote(self._code_file) if self._code_file else ''}")
        else:
            self.helper.remove_later(self._file_word)

    @property
    def _reader(self) -> BootstrapReader:
        return self._shell.reader

    @property
    def _command_channel(self) -> CommandChannel:
        return self._shell.command_channel

    @property
    def _file_word(self) -> str:
        return f"{shell_quote(self.helper.folder)}/{self._reader.pid}.vars"


def start_error(
    name: str, command: RemoteCommand, step: str | None, command_channel: CommandChannel, detail: str
) -> BlockFailed:
    """Return the error for a bootstrap shell that did not become its program."""
    if step == Step.DIRECTORY:
        hint = "it comes from a directory block or the block's own directory"
        return BlockFailed(f"the directory {command.cwd} can't be entered on {name}", hint=hint, detail=detail)
    if step == Step.PROGRAM:
        programs = " or ".join(f'"{program}"' for program in command.programs)
        hint = "install it there; a login's PATH is not that of a terminal: a path such as /opt/x/bin/y works, too"
        return BlockFailed(f"there is no program {programs} on {name}", hint=hint, detail=detail)
    if step == Step.FOLDER:
        hint = "is its /tmp full, or was it emptied? Scripts leave their variables there"
        return BlockFailed(f"no file for output variables can be made on {name}", hint=hint, detail=detail)
    how = command_channel.signal or f"exit code {command_channel.exit_code}"
    hint = "its login shell, or sudo, ended before it ran our command"
    return BlockFailed(f"nothing was run on {name}: {how}", hint=hint, detail=detail)
