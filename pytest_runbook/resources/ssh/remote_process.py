"""Runs a program on another host to its end: its output as it arrives, its real exit status, nothing of it left.

What the program gets - environment, directory, code - goes over the channel's input to a small `sh` in front of it,
which then becomes the program. So nothing of it stands in a process list before the program itself does, and the login
shell, whichever it is, has nothing to misread. All that the login shell's rc files print comes before our marks.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

import anyio
import asyncssh

from ...errors import BlockFailed, RunbookError
from ..captured_output import CapturedOutput, Stream
from ..process_family import Grace, Mark
from ..processes import HELD_PIPE_TIMEOUT, OutputListener, ProcessOutcome
from .account import Account, Become
from .channel import Channel
from .helper_shell import HelperShell
from .pool import SshPool, Target
from .quoting import NEWLINE, quote, quote_all
from .remote_family import RemoteFamily
from .session import lost

WRAPPER = 'IFS= read -r _runbook;eval "$_runbook"'
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_NOISE = 1 << 16
_START_GRACE = 0.5
_END_TIMEOUT = 5.0


class _Step(StrEnum):
    """How far the `sh` in front of the program came."""

    FOLDER = "folder"
    DIRECTORY = "directory"
    PROGRAM = "program"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCommand:
    """A program to run on a host.

    programs: what has to be there for it: names or paths. cwd: None: where a login begins.
    env: besides what a login gives. folder_variables: those that get the path of a fresh, empty file.
    """

    argv: Sequence[str]
    programs: Sequence[str]
    cwd: str | None
    env: Mapping[str, str]
    mark: Mark
    folder_variables: Sequence[str] = ()
    stdin: bytes | None = None

    def line(self, nonce: str, folder: str) -> bytes:
        """The line that the `sh` in front of it evaluates.

        :raises BlockFailed: if something in it can't be handed to a program.
        """
        file = f"{quote(folder + '/')}$$.vars"
        environment = {**self.env, **self.mark.environment}
        parts = [
            f"{NEWLINE}=${{IFS#??}}",
            f"[ ! -e {quote(stop_file(folder, nonce))} ] || exit 1",
            f"printf '%s\\n' {nonce} >&2",
            f"printf '%s ' {nonce} $$",
            f"printf '' >{file} || {_stop(_Step.FOLDER)}",
            *(f"export {name}={file}" for name in self.folder_variables),
            *(f"export {_checked_name(name)}={quote(value)}" for name, value in environment.items()),
            *([] if self.cwd is None else [f"cd -- {quote(self.cwd)} >/dev/null || {_stop(_Step.DIRECTORY)}"]),
            *(f"command -v {quote(program)} >/dev/null 2>&1 || {_stop(_Step.PROGRAM)}" for program in self.programs),
            f"printf '%s\\n' {_Step.READY}",
            f"exec {quote_all(self.argv)}",
        ]
        line = ";".join(parts)
        if "\0" in line:
            raise BlockFailed("a NUL can't be in a command, a folder or a variable", hint="encode it, or use stdin")
        return line.encode(errors="surrogateescape") + b"\n"


def stop_file(folder: str, nonce: str) -> str:
    """The file that keeps a program from being started that was cancelled before."""
    return f"{folder}/{nonce}.stop"


def _stop(step: _Step) -> str:
    return f"{{ printf '%s\\n' {step};exit 1; }}"


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        hint = "letters, digits and underscores, no digit first"
        raise BlockFailed(f'"{name}" can\'t be the name of a variable on another host', hint=hint)
    return name


@dataclass(slots=True)
class _Opening:
    """Parts what the login shell says from what the program says, on each stream.

    step: how far the `sh` came. started: set when that is known, or never will be. is_deaf: nobody listens any more.
    """

    output: CapturedOutput
    listener: OutputListener | None
    nonce: str = field(default_factory=lambda: secrets.token_hex(12))
    pid: int | None = None
    is_deaf: bool = False
    step: str | None = None
    error: Exception | None = None
    started: anyio.Event = field(default_factory=anyio.Event)
    _noise: list[bytearray] = field(default_factory=lambda: [bytearray(), bytearray()])
    _begun: list[bool] = field(default_factory=lambda: [False, False])

    def received(self, stream: Stream, data: bytes) -> None:
        if not self._begun[stream]:
            data = self._after_mark(stream, data)
        if data and self.error is None and not self.is_deaf:
            try:
                self.output.append(stream, data)
                if self.listener is not None:
                    self.listener(stream, data)
            except Exception as error:  # it is raised by the one who waits
                self.error = error

    @property
    def noise(self) -> str:
        """What came before our marks."""
        return bytes(self._noise[0] + self._noise[1]).decode(errors="replace")

    def _after_mark(self, stream: Stream, data: bytes) -> bytes:
        noise = self._noise[stream]
        noise += data
        tail = rb"\n" if stream is Stream.STDERR else rb" (\d+) (\w+)\n"
        nonce = self.nonce.encode()
        mark = re.search(nonce + tail, bytes(noise))
        if mark is None:
            if nonce not in noise:
                del noise[:-_MOST_NOISE]
            return b""
        rest = bytes(noise[mark.end() :])
        del noise[mark.start() :]
        self._begun[stream] = True
        if stream is Stream.STDOUT:
            self.pid, self.step = int(mark[1]), mark[2].decode()
            self.started.set()
        return rest


async def run_remote(
    pool: SshPool,
    target: Target,
    become: Become | None,
    command: RemoteCommand,
    *,
    output: CapturedOutput,
    on_output: OutputListener | None,
    grace: Grace,
) -> RemoteOutcome:
    """Run a program on a host.

    Cancelled, it ends the program and all that came of it before it returns.
    :raises RunbookError: if it can't be started there, or the connection is lost.
    """

    async def start() -> _Run:
        account = await pool.account(target, become)
        account.runs.add(command.mark.run_id)
        run = _Run(account, await account.ready(), command, _Opening(output, on_output))
        await run.start()
        return run

    run = await pool.on_living(target, start)
    return await run.to_its_end(grace)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOutcome:
    """How a program ended, and what it wrote into the file that was there for it."""

    process: ProcessOutcome
    file: bytes


@dataclass(slots=True)
class _Run:
    """A program on its way."""

    account: Account
    helper: HelperShell
    command: RemoteCommand
    opening: _Opening
    _since: float = field(default_factory=time.monotonic)
    _ended: Channel = field(init=False)
    _channel: asyncssh.SSHClientChannel[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self._ended = Channel(self.opening.received)
        self._ended.when_closed(self.opening.started.set)

    async def start(self) -> None:
        """Open the channel and send all that is to be read.

        :raises ConnectionDied: if nothing was begun because the connection is dead.
        """
        line = self.command.line(self.opening.nonce, self.helper.folder)
        self._channel = await self.account.session.open_channel(self.account.command(WRAPPER), self._ended)
        self._channel.write(self.account.input(line + (self.command.stdin or b"")))
        self._channel.write_eof()

    async def to_its_end(self, grace: Grace) -> RemoteOutcome:
        """Wait for the program, and for a second at most for what it left in the background."""
        try:
            await self._ended.exited.wait()
            seconds = time.monotonic() - self._since
            with anyio.move_on_after(HELD_PIPE_TIMEOUT):
                await self._ended.closed.wait()
            self._check()
            file = await self._file()
        except BaseException:
            await self._end(grace)
            raise
        holds_pipe = not self._ended.closed.is_set()
        self.opening.is_deaf = True
        process = ProcessOutcome(
            pid=self.opening.pid or 0,
            exit_code=self._ended.exit_code,
            signal=self._ended.signal,
            seconds=seconds,
            output=self.opening.output,
            holds_pipe=holds_pipe,
        )
        return RemoteOutcome(process=process, file=file)

    def _check(self) -> None:
        """:raises RunbookError: unless the program itself ran and ended."""
        name = self.account.session.name
        if self.opening.error is not None:
            raise self.opening.error
        if not self._ended.has_status:
            raise lost(name, self._ended.error or self.account.session.error)
        if self.opening.step != _Step.READY:
            raise self._not_started(name)

    def _not_started(self, name: str) -> BlockFailed:
        said = self.opening.output.tail(Stream.STDERR)
        programs = " or ".join(f'"{program}"' for program in self.command.programs)
        if self.opening.step == _Step.DIRECTORY:
            hint = "a directory block, or the block's own directory, says it"
            return BlockFailed(f"the directory {self.command.cwd} can't be entered on {name}", hint=hint, said=said)
        if self.opening.step == _Step.PROGRAM:
            hint = "install it there; a login's PATH is not that of a terminal: a path such as /opt/x/bin/y works, too"
            return BlockFailed(f"there is no program {programs} on {name}", hint=hint, said=said)
        if self.opening.step == _Step.FOLDER:
            hint = "is its /tmp full, or was it emptied? Scripts leave their variables there"
            return BlockFailed(f"no file for output variables can be made on {name}", hint=hint, said=said)
        how = self._ended.signal or f"exit code {self._ended.exit_code}"
        hint = "its login shell, or sudo, ended before it ran our command"
        return BlockFailed(f"nothing was run on {name}: {how}", hint=hint, said=said or self.opening.noise)

    async def _file(self) -> bytes:
        """What the program left in its file; the file goes without being waited for."""
        _, content = await self.helper.run(f"test ! -s {self._file_word} || cat {self._file_word}")
        self.helper.send(f"rm -rf {self._file_word}")
        return content

    async def _end(self, grace: Grace) -> None:
        """End the program and its family; where the connection is lost, the host's helper shell does it itself."""
        with anyio.move_on_after(_most(grace), shield=True), suppress(RunbookError):
            await self._keep_from_starting()
            if self.opening.pid is not None:
                await RemoteFamily.of_execution(self.helper, self.command.mark, self.opening.pid).end(grace)
                self.helper.send(f"rm -rf {self._file_word}")
            with anyio.move_on_after(HELD_PIPE_TIMEOUT):
                await self._ended.closed.wait()
        self.opening.is_deaf = True
        self._channel.close()

    async def _keep_from_starting(self) -> None:
        if not self.opening.started.is_set():
            await self.helper.run(f": >{quote(stop_file(self.helper.folder, self.opening.nonce))}")
            with anyio.move_on_after(_START_GRACE):
                await self.opening.started.wait()

    @property
    def _file_word(self) -> str:
        return f"{quote(self.helper.folder)}/{self.opening.pid}.vars"


def _most(grace: Grace) -> float:
    """The longest that ending a program may take, in seconds."""
    return grace.interrupt + grace.terminate + _END_TIMEOUT
