"""Runs commands that print secrets, such as those of password stores and vaults, each once a run."""

from __future__ import annotations

import os
import shlex

import anyio

from ...errors import BlockFailed
from ...secrets.masker import Masker
from ...secrets.sources import SecretCommand, without_newline
from ...text import shorten, show_limit
from .captured_output import CapturedOutput, Stream
from .runner import ProcessOutcome, run_process
from .supervisor import ProcessSupervisor

_STDERR_LIMIT = 200


class SecretCommandRunner:
    """Runs secret commands and keeps their output or their failure, so that each runs at most once."""

    def __init__(self, supervisor: ProcessSupervisor) -> None:
        self._supervisor = supervisor
        self._printed: dict[SecretCommand, str | BlockFailed] = {}
        self._locks: dict[SecretCommand, anyio.Lock] = {}

    async def run(self, command: SecretCommand) -> bool:
        """Run the command if it has not been run; return False if it had been.

        If it is cancelled, the command is ended, and the next call runs it again.
        """
        if command in self._printed:
            return False
        async with self._locks.setdefault(command, anyio.Lock()):
            if command not in self._printed:
                try:
                    self._printed[command] = await self._run_command(command)
                except BlockFailed as error:
                    self._printed[command] = error
        return True

    def printed(self, command: SecretCommand) -> str:
        """Return the secret that a command printed.

        :raises BlockFailed: if the command failed.
        """
        found = self._printed[command]
        if isinstance(found, BlockFailed):
            raise found
        return found

    async def _run_command(self, command: SecretCommand) -> str:
        output = CapturedOutput()
        with anyio.move_on_after(command.timeout):
            outcome = await run_process(
                command.argv, cwd=command.folder, env=os.environ, output=output, supervisor=self._supervisor
            )
            return _read_secret(command, outcome)
        hint = f"does it wait for input? {_manual_run_hint(command)}; a slow one may have a timeout of its own"
        raise BlockFailed(f"the command {command} did not end within {show_limit(command.timeout)}", hint=hint)


def _read_secret(command: SecretCommand, outcome: ProcessOutcome) -> str:
    if outcome.exit_code != 0:
        ending = f"was ended by {outcome.signal}" if outcome.signal else f"ended with exit code {outcome.exit_code}"
        stderr = _last_stderr_line(outcome.output)
        raise BlockFailed(f"the command {command} {ending}{stderr and f': {stderr}'}", hint=_manual_run_hint(command))
    try:
        return without_newline(
            b"".join(data for stream, data in outcome.output.chunks if stream is Stream.STDOUT).decode()
        )
    except UnicodeDecodeError as error:
        hint = "a secret is a text; let the command encode it as base64"
        raise BlockFailed(f"the command {command} printed no text in UTF-8", hint=hint) from error


def _last_stderr_line(output: CapturedOutput) -> str:
    """Return the last line of stderr, with every line of stdout masked, which may be half a secret."""
    masker = Masker()
    for line in output.stdout.splitlines():
        masker.add(line, "")
    lines = masker.mask(output.tail(Stream.STDERR)).split("\n")
    return shorten(next((line for line in reversed(lines) if line.strip()), ""), _STDERR_LIMIT)


def _manual_run_hint(command: SecretCommand) -> str:
    shown = command.argv[2] if command.argv[:2] == ("sh", "-c") else shlex.join(command.argv)
    return f"run it by hand, as the same user and without a terminal: {shown}"
