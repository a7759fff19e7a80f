"""Runs a program on another host to its end: its output as it arrives, its real exit status, nothing of it left.

What the program gets - environment, directory, code - goes over the channel's input to a small `sh` in front of it,
which then becomes the program. So nothing of it stands in a process list before the program itself does, and the login
shell, whichever it is, has nothing to misread.
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
from .bootstrap_shell import Front, Opening
from .channel import Channel, send
from .helper_shell import Answer, HelperShell, content_of
from .pool import SshPool
from .remote_command import RemoteCommand, Step, code_file, stop_file
from .remote_process_group import RemoteFamily, longest_ending
from .remote_user import Account
from .session import lost
from .shell_quoting import quote
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

    Cancelled, it ends the program and all that came of it before it returns.
    :raises RunbookError: if it can't be started there, or the connection is lost.
    """

    async def start() -> _Run:
        account = await pool.account(target, become)
        account.runs.add(command.mark.run_id)
        run = _Run(account, await account.ready(), command, output)
        await run.start(on_output)
        return run

    run = await pool.on_living(target, start)
    return await run.to_its_end(pool.grace)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOutcome:
    """How a program ended, and what it wrote into the file that was there for it; None if that can't be read."""

    process: ProcessOutcome
    file: bytes | None


@dataclass(slots=True)
class _Run:
    """A program on its way."""

    account: Account
    helper: HelperShell
    command: RemoteCommand
    output: CapturedOutput
    _code_file: str = ""
    _front: Front = field(init=False)
    _since: float = field(init=False)
    _content: Answer | None = None
    _is_ending: bool = False

    async def start(self, on_output: OutputListener | None) -> None:
        """Get a `sh` in front of it, and send all that is to be read.

        :raises ConnectionDied: if nothing was begun because the connection is dead.
        """
        if self.command.needs_file:
            self._code_file = code_file(self.helper.folder)
        line = self.command.line(self.helper.folder, self._code_file)
        if self._code_file:
            await self._send_code()
        self._since = time.monotonic()
        self._front = await self.account.front()
        self._opening.expect(self.output, on_output)
        send(self._front.channel, self.account.input(line + self.command.stdin), is_all=True)

    async def to_its_end(self, grace: Callable[[], Grace]) -> RemoteOutcome:
        """Wait for the program, and for a second at most for what it left in the background."""
        try:
            self._ended.when_closed(self._note_end)
            await self._ended.exited.wait()
            seconds = time.monotonic() - self._since
            if not self._ended.closed.is_set():
                with anyio.move_on_after(HELD_PIPE_TIMEOUT):
                    await self._ended.closed.wait()
            self._check()
            file = await self._file(self._go_on())
        except BaseException:
            await self._end(grace)
            raise
        holds_pipe = not self._ended.closed.is_set()
        self._opening.is_deaf = True
        process = ProcessOutcome(
            pid=self._opening.pid or 0,
            exit_code=self._ended.exit_code,
            signal=self._ended.signal,
            seconds=seconds,
            output=self.output,
            holds_pipe=holds_pipe,
        )
        return RemoteOutcome(process=process, file=file)

    def _check(self) -> None:
        """:raises RunbookError: unless the program itself ran and ended."""
        name = self.account.session.name
        if self._opening.error is not None:
            raise self._opening.error
        if not self._ended.has_status:
            raise lost(name, self._ended.error or self.account.session.error)
        if self._opening.step != Step.READY:
            said = self.output.tail(Stream.STDERR)
            raise not_started(name, self.command, self._opening.step, self._ended, said or self._opening.noise)

    def _note_end(self) -> None:
        """Go on as soon as nothing comes of the program any more, before whoever waits for that has woken up."""
        if self._ended.has_status and self._opening.step == Step.READY and not self._is_ending:
            self._go_on()

    def _go_on(self) -> Answer:
        """Begin, once, with what comes after the program; gives what the content of its file will be in.

        First the next login, then the file: whoever waits for that may keep our thread waiting as soon as it is there.
        """
        if self._content is None:
            self._content = Answer()
            self.account.note_end()
            asyncio.get_running_loop().call_soon(self._ask, self._content)
        return self._content

    def _ask(self, answer: Answer) -> None:
        self.helper.ask(content_of(self._file_word), answer)

    async def _file(self, answer: Answer) -> bytes | None:
        """What the program left in its file; the file goes without being waited for."""
        status, content = await self.helper.answered(answer)
        self._tidy_up(is_urgent=status != 0 or bool(content))
        return content if status == 0 else None

    async def _end(self, grace: Callable[[], Grace]) -> None:
        """End the program and its family; where the connection is lost, the host's helper shell does it itself."""
        self._is_ending = True
        with anyio.move_on_after(longest_ending(grace()), shield=True) as ending, suppress(RunbookError):
            await self._keep_from_starting()
            if self._opening.pid is not None:
                await RemoteFamily.of_execution(self.helper, self.command.mark, self._opening.pid).end(grace)
                self._tidy_up()
            with anyio.move_on_after(HELD_PIPE_TIMEOUT):
                await self._ended.closed.wait()
        if ending.cancelled_caught:
            self.account.session.hang_up()
        self._opening.is_deaf = True
        self._front.channel.close()
        self.account.note_end()

    async def _keep_from_starting(self) -> None:
        if not self._opening.started.is_set():
            await self.helper.run(f": >{quote(stop_file(self.helper.folder, self._opening.nonce))}")
            with anyio.move_on_after(_START_GRACE):
                await self._opening.started.wait()

    async def _send_code(self) -> None:
        path = self._code_file
        exit_code, said = await self.account.run(f"exec cat >{quote(path)}", self.command.encoded)
        if exit_code != 0:
            self.helper.send(f"rm -f {quote(path)}")
            name, hint = self.account.session.name, "is its /tmp full?"
            raise BlockFailed(f"the code can't be written to {path} on {name}: {shorten(said, 200)}", hint=hint)

    def _tidy_up(self, *, is_urgent: bool = True) -> None:
        """Remove the script's files; at once, where they hold something."""
        if is_urgent or self._code_file:
            self.helper.send(f"rm -rf {self._file_word} {quote(self._code_file) if self._code_file else ''}")
        else:
            self.helper.discard(self._file_word)

    @property
    def _opening(self) -> Opening:
        return self._front.opening

    @property
    def _ended(self) -> Channel:
        return self._front.ended

    @property
    def _file_word(self) -> str:
        return f"{quote(self.helper.folder)}/{self._opening.pid}.vars"


def not_started(name: str, command: RemoteCommand, step: str | None, ended: Channel, said: str) -> BlockFailed:
    """What kept the `sh` in front of a program from becoming it."""
    if step == Step.DIRECTORY:
        hint = "a directory block, or the block's own directory, says it"
        return BlockFailed(f"the directory {command.cwd} can't be entered on {name}", hint=hint, said=said)
    if step == Step.PROGRAM:
        programs = " or ".join(f'"{program}"' for program in command.programs)
        hint = "install it there; a login's PATH is not that of a terminal: a path such as /opt/x/bin/y works, too"
        return BlockFailed(f"there is no program {programs} on {name}", hint=hint, said=said)
    if step == Step.FOLDER:
        hint = "is its /tmp full, or was it emptied? Scripts leave their variables there"
        return BlockFailed(f"no file for output variables can be made on {name}", hint=hint, said=said)
    how = ended.signal or f"exit code {ended.exit_code}"
    hint = "its login shell, or sudo, ended before it ran our command"
    return BlockFailed(f"nothing was run on {name}: {how}", hint=hint, said=said)
