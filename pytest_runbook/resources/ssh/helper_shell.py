"""The helper shell: stays open on a host, holds the scripts' files, watches their processes and removes what is left.

It is there before a script starts, so that ending a script needs no new session. When its connection is lost, it ends
what still runs.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import asyncssh

from ...errors import BlockFailed, RunbookError
from ...text import shorten
from ..process.captured_output import Stream
from ..process.output_variables import SIZE_LIMIT
from .channel import CommandChannel, send_input
from .session import SshSession, connection_lost_error

START_TIMEOUT = 30.0
MAX_GARBAGE = 20  # files that are removed by one command
# When its input ends or its connection is lost, the shell terminates what still runs, removes its folder, and kills
# what is left two seconds later. The files of running scripts are named after their POSIX groups. A process that has
# left its group is found by the folder's name in its environment. `HelperShell.close` sets _runbook_q: there is nothing
# to find.
_SETUP = """\
_runbook_d=${TMPDIR:-/tmp}/runbook-NONCE
_runbook_end() {
trap - EXIT HUP TERM
for _runbook_f in "$_runbook_d"/*.vars; do
_runbook_p=${_runbook_f##*/}; _runbook_p=${_runbook_p%.vars}
kill -s TERM -- "-$_runbook_p" 2>/dev/null && _runbook_l="$_runbook_l -$_runbook_p"
done
[ -n "$_runbook_q" ] || for _runbook_p in $(grep -alsF "=$_runbook_d/" /proc/[0-9]*/environ); do
_runbook_p=${_runbook_p#/proc/}; _runbook_p=${_runbook_p%/environ}
kill -s TERM "$_runbook_p" 2>/dev/null && _runbook_l="$_runbook_l $_runbook_p"
done
rm -rf "$_runbook_d"
if [ -n "$_runbook_l" ]; then sleep 2; kill -s KILL -- $_runbook_l 2>/dev/null; fi
exit 0
}
trap _runbook_end EXIT HUP TERM
umask 077
mkdir "$_runbook_d" && cd / && printf '\\n%s\\n%s\\n' "$SHELL" "$_runbook_d"
"""


def print_file_command(word: str) -> str:
    """Return the command that prints an output-variable file; it fails if something other than a file is there."""
    return f"if [ -f {word} ]; then test ! -s {word} || head -c {SIZE_LIMIT + 1} {word}; else test ! -e {word}; fi"


@dataclass(slots=True)
class HelperReply:
    """The reply to a command.

    ready: set when output and status are here. status: -1 if the shell ended before it replied.
    """

    ready: anyio.Event = field(default_factory=anyio.Event)
    output: bytes = b""
    status: int = -1


class HelperShell:
    """Runs short commands one after the other; the replies come in the same order.

    folder: on the host, for the scripts' files; removed with the shell. login_shell: the path of the user's shell.
    """

    def __init__(self, session: SshSession) -> None:
        self.folder = ""
        self.login_shell = ""
        self._session = session
        self._nonce = secrets.token_hex(16)
        self._sentinel = f"\n{self._nonce} ".encode()
        self._numbers: Iterator[int] = itertools.count()
        self._replies: dict[int, HelperReply] = {}
        self._garbage: list[str] = []
        self._pending = bytearray()
        self._stderr = bytearray()
        self._command_channel = CommandChannel(self._received)
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    @classmethod
    async def start(cls, session: SshSession, command: str, first_input: bytes) -> HelperShell:
        """Start the helper shell on a host.

        :raises RunbookError: if no shell answers there, or it can't create its folder.
        """
        shell = cls(session)
        try:
            shell._channel = await session.open_channel(command, shell._command_channel, is_permanent=True)
            shell._command_channel.add_close_callback(shell._wake_waiters)
            send_input(shell._channel, first_input)
            await shell._set_up()
        except BaseException:
            shell.close()
            raise
        return shell

    @property
    def is_alive(self) -> bool:
        return not self._command_channel.closed.is_set()

    async def run(self, command: str) -> tuple[int, bytes]:
        """Run a shell command; return its exit code and its output on both streams.

        It goes on if the wait is cancelled.
        :raises RunbookError: if the connection is lost, or the shell has ended.
        """
        reply = HelperReply()
        self.submit(command, reply)
        return await self.wait_for(reply)

    def submit(self, command: str, reply: HelperReply) -> None:
        """Send a command for whose reply `wait_for` waits later."""
        if self.is_alive:
            number = next(self._numbers)
            self._replies[number] = reply
            self.send(f"{{ {command}\n}} 2>&1 </dev/null; printf '\\n%s %s %s\\n' {self._nonce} {number} $?")
        else:
            reply.ready.set()

    async def wait_for(self, reply: HelperReply) -> tuple[int, bytes]:
        """Wait for the reply to a submitted command; return as `run` does.

        :raises RunbookError: if the connection is lost, or the shell has ended.
        """
        await reply.ready.wait()
        if reply.status < 0:
            raise self._ended_error()
        return reply.status, reply.output

    def send(self, command: str) -> None:
        """Send a command without a reply."""
        if self._channel is not None and self.is_alive:
            send_input(self._channel, command.encode(errors="surrogateescape") + b"\n")

    def remove_later(self, words: str) -> None:
        """Remove files with the next batch, because each removal is a process on the host."""
        self._garbage.append(words)
        if len(self._garbage) >= MAX_GARBAGE:
            self.send(f"rm -rf {' '.join(self._garbage)}")
            self._garbage.clear()

    def close(self, *, is_clean: bool = False) -> None:
        """Let the shell end what is left and exit. is_clean: nothing is left, so it need not search."""
        if self._channel is not None:
            send_input(self._channel, b"_runbook_q=1\n" if is_clean else b"", with_eof=True)

    async def aclose(self, *, is_clean: bool) -> None:
        """Close the shell and wait until it has exited."""
        self.close(is_clean=is_clean)
        await self._command_channel.closed.wait()

    async def _set_up(self) -> None:
        with anyio.move_on_after(START_TIMEOUT):
            status, output = await self.run(_SETUP.replace("NONCE", self._nonce))
            if status:
                raise self._folder_error(output)
            *_, self.login_shell, self.folder = output.decode(errors="surrogateescape").rstrip("\n").split("\n")
            return
        raise self._shell_error(f"no answer within {START_TIMEOUT:.0f} s")

    def _wake_waiters(self) -> None:
        for reply in self._replies.values():
            reply.ready.set()

    def _ended_error(self) -> RunbookError:
        if not self._command_channel.has_status:
            return connection_lost_error(self._session.name, self._session.error)
        how = self._command_channel.signal or f"exit code {self._command_channel.exit_code}"
        return self._shell_error(f"it ended with {how}")

    def _received(self, stream: Stream, data: bytes) -> None:
        if stream is Stream.STDERR:
            self._stderr += data[: 4096 - len(self._stderr)]
            return
        self._pending += data
        while (start := self._pending.find(self._sentinel)) >= 0:
            after = start + len(self._sentinel)
            end = self._pending.find(b"\n", after)
            if end < 0:
                return
            number, status = map(int, self._pending[after:end].split())
            reply = self._replies.pop(number, None)
            if reply is not None:
                reply.output, reply.status = bytes(self._pending[:start]), status
                reply.ready.set()
            del self._pending[: end + 1]

    def _folder_error(self, output: bytes) -> BlockFailed:
        text = shorten(output.decode(errors="replace"), 200)
        hint = "make room in its /tmp: scripts leave their variables there"
        return BlockFailed(f"no folder for scripts can be made on {self._session.name}: {text}", hint=hint)

    def _shell_error(self, reason: str) -> BlockFailed:
        detail = (self._stderr + self._pending).decode(errors="replace")
        hint = "the user's login shell there must run commands, and find sh: look at its rc files"
        return BlockFailed(f"no shell on {self._session.name} runs our commands: {reason}", hint=hint, detail=detail)
