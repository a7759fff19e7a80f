"""Other users to run programs as, through sudo; the same here and on other hosts."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from ...errors import BlockFailed
from ...text import shorten

_HINT = "become: {user: ..., password: ...} gives sudo one from a secret; or let the user run sh without (NOPASSWD)"
_SIGNAL_TIMEOUT = 1.0
_ASKS = re.compile(r"^sudo: a (password|terminal) is required", re.MULTILINE)

Asked = Callable[[Sequence[str]], Awaitable[tuple[int | None, str]]]


@dataclass(frozen=True, slots=True)
class Become:
    """Another user to run programs as. password: for sudo, where it asks for one."""

    user: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SudoSignaller:
    """Sends signals to another user's processes as that user. command, first_input: those of `sudo_command`."""

    command: Sequence[str]
    first_input: bytes = field(repr=False)

    def __call__(self, number: signal.Signals, groups: Collection[int]) -> None:
        whom = " ".join(f"-{group}" for group in groups)
        script = f"kill -s {number.name[3:]} -- {whom}; kill -s CONT -- {whom}"
        with suppress(OSError, subprocess.TimeoutExpired):
            argv = [*self.command, "sh", "-c", script]
            subprocess.run(argv, input=self.first_input, capture_output=True, check=False, timeout=_SIGNAL_TIMEOUT)


class LocalSudo:
    """The commands that make other users of us on this machine; each is found out once."""

    def __init__(self) -> None:
        self._commands: dict[Become, tuple[Sequence[str], bytes]] = {}

    async def command(self, become: Become) -> tuple[Sequence[str], bytes]:
        """The command in front of ``sh``, and what it reads before that does.

        :raises BlockFailed: if sudo does not let us.
        """
        if become not in self._commands:
            self._commands[become] = await sudo_command(become, "this machine", _asked_here)
        return self._commands[become]


async def _asked_here(words: Sequence[str]) -> tuple[int | None, str]:
    ran = await anyio.run_process(words, stdin=subprocess.DEVNULL, check=False)
    return ran.returncode, ran.stderr.decode(errors="replace")


async def sudo_command(become: Become, host: str, asked: Asked) -> tuple[Sequence[str], bytes]:
    """The command in front of ``sh``, and what it reads before that does: the password, where it asks for one.

    Whether it asks has to be known: where it does not, the password would be taken for the script.
    asked: runs a command; gives its exit code, and what it said on stderr.
    :raises BlockFailed: if sudo does not let us.
    """
    exit_code, said = await asked(["env", "LC_ALL=C", *_sudo(become, "-k", "-n"), "sh", "-c", ":"])
    if exit_code == 0:
        return _sudo(become, "-n"), b""
    if exit_code == 127:
        raise BlockFailed(f"there is no sudo on {host}", hint="install it there, or be the other user", said=said)
    if not _ASKS.search(said):
        raise no_sudo(become, host, said)
    if become.password is None:
        raise BlockFailed(f"sudo on {host} asks for a password to become {become.user}", hint=_HINT)
    return _sudo(become, "-k", "-S", "-p", ""), become.password.encode() + b"\n"


def no_sudo(become: Become, host: str, said: str) -> BlockFailed:
    """What to say where sudo refuses."""
    message = f"sudo on {host} does not let us become {become.user}: {shorten(said, 200)}"
    return BlockFailed(message, hint=_HINT, said=said)


def _sudo(become: Become, *options: str) -> Sequence[str]:
    return ("sudo", *options, "-H", "-u", become.user, "--")
