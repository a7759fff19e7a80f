"""Running programs as another user with sudo, on this machine and on other hosts."""

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
_PASSWORD_REQUIRED = re.compile(r"^sudo: a (password|terminal) is required", re.MULTILINE)

RunProbe = Callable[[Sequence[str]], Awaitable[tuple[int | None, str]]]


@dataclass(frozen=True, slots=True)
class Become:
    """Another user to run programs as. password: for sudo, where sudo requires one."""

    user: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SudoSignaller:
    """Sends signals to another user's processes as that user. command, first_input: as `sudo_command` returns them."""

    command: Sequence[str]
    first_input: bytes = field(repr=False)

    def __call__(self, number: signal.Signals, pgids: Collection[int]) -> None:
        targets = " ".join(f"-{pgid}" for pgid in pgids)
        script = f"kill -s {number.name[3:]} -- {targets}; kill -s CONT -- {targets}"
        with suppress(OSError, subprocess.TimeoutExpired):
            argv = [*self.command, "sh", "-c", script]
            subprocess.run(argv, input=self.first_input, capture_output=True, check=False, timeout=_SIGNAL_TIMEOUT)


class LocalSudo:
    """The sudo commands of this machine, each determined once."""

    def __init__(self) -> None:
        self._commands: dict[Become, tuple[Sequence[str], bytes]] = {}

    async def command(self, become: Become) -> tuple[Sequence[str], bytes]:
        """Return the command in front of ``sh``, and the input that sudo itself reads first.

        :raises BlockFailed: if sudo refuses.
        """
        if become not in self._commands:
            self._commands[become] = await sudo_command(become, "this machine", _probe_locally)
        return self._commands[become]


async def _probe_locally(words: Sequence[str]) -> tuple[int | None, str]:
    completed = await anyio.run_process(words, stdin=subprocess.DEVNULL, check=False)
    return completed.returncode, completed.stderr.decode(errors="replace")


async def sudo_command(become: Become, host: str, run_probe: RunProbe) -> tuple[Sequence[str], bytes]:
    """Return the command in front of ``sh``, and the input that sudo itself reads first.

    That input is the password, if sudo requires one. Whether it does must be known: if it does not, the password would
    be taken for a line of the script.
    run_probe: runs a command and returns its exit code and stderr.
    :raises BlockFailed: if sudo refuses.
    """
    exit_code, stderr = await run_probe(["env", "LC_ALL=C", *_sudo(become, "-k", "-n"), "sh", "-c", ":"])
    if exit_code == 0:
        return _sudo(become, "-n"), b""
    if exit_code == 127:  # the shell's code for a command that is not found
        raise BlockFailed(f"there is no sudo on {host}", hint="install it there, or be the other user", detail=stderr)
    if not _PASSWORD_REQUIRED.search(stderr):
        raise sudo_refused(become, host, stderr)
    if become.password is None:
        raise BlockFailed(f"sudo on {host} asks for a password to become {become.user}", hint=_HINT)
    return _sudo(become, "-k", "-S", "-p", ""), become.password.encode() + b"\n"


def sudo_refused(become: Become, host: str, stderr: str) -> BlockFailed:
    """Return the error for a refusal by sudo."""
    message = f"sudo on {host} refuses to run programs as {become.user}: {shorten(stderr, 200)}"
    return BlockFailed(message, hint=_HINT, detail=stderr)


def _sudo(become: Become, *options: str) -> Sequence[str]:
    return ("sudo", *options, "-H", "-u", become.user, "--")
