"""Describes a program that a block ran, for reports: where it ran, how it ended and what it printed."""

from __future__ import annotations

import signal
from typing import Protocol

from ..execution.context import ExecutionContext
from ..execution.result import OutputSection
from ..resources.process.captured_output import CapturedOutput, Stream
from ..resources.process.interpreters import Interpreter

MAX_EXCERPT = 16 * 1024
_EXIT_HINTS = {
    126: "the command was found but can't be run",
    127: "a command was not found: look at PATH",
}


class ExitStatus(Protocol):
    """The end of a program. exit_code: None where a signal ended it. signal: its name, such as ``SIGKILL``."""

    @property
    def exit_code(self) -> int | None: ...
    @property
    def signal(self) -> str | None: ...


def describe_exit(outcome: ExitStatus) -> str:
    """Return the exit code or the signal that ended the program, for a message."""
    if outcome.signal is not None:
        return f"ended by {outcome.signal} ({signal.strsignal(signal.Signals[outcome.signal])})"
    return f"exit code {outcome.exit_code}"


def exit_hint(outcome: ExitStatus) -> str | None:
    """Return a hint for the exit codes that shells give a meaning to."""
    return _EXIT_HINTS.get(outcome.exit_code or 0)


def describe_location(context: ExecutionContext, interpreter: Interpreter) -> str:
    """Return host, directory with its origin, and interpreter, for a program that runs on the block's host."""
    resolver = context.resolver
    origin = f" <- {resolver.cwd_origin}" if resolver.cwd_origin is not None else ""
    cwd = resolver.cwd if resolver.ssh_host is None else resolver.remote_cwd or "of the login"
    return f"{resolver.host}, cwd {cwd}{origin}, {' '.join(interpreter.words)}"


def describe_local_location(context: ExecutionContext, interpreter: Interpreter) -> str:
    """Return directory and interpreter of a program that runs on this machine, whatever the block's host is."""
    return f"local, cwd {context.resolver.cwd}, {' '.join(interpreter.words)}"


def output_sections(output: CapturedOutput) -> list[OutputSection]:
    """Return the end of stderr and of stdout, each where there is any."""
    named = (("stderr", Stream.STDERR), ("stdout", Stream.STDOUT))
    return [OutputSection(name, _excerpt(output, stream)) for name, stream in named if output.size(stream)]


def _excerpt(output: CapturedOutput, stream: Stream) -> str:
    size = output.size(stream)
    text = output.tail(stream, limit=MAX_EXCERPT)
    return text if size <= MAX_EXCERPT else f"[the last {MAX_EXCERPT // 1024} KiB of {size} bytes]\n{text}"
