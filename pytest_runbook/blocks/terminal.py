"""Terminal: commands that are typed into a shell, as a person would, on this machine."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import anyio

from ..context.output import Output
from ..errors import BlockFailed
from ..execution.context import ExecutionContext, WorkResult
from ..execution.result import Section
from ..messages.events import EventKind
from ..resources.captured_output import CapturedOutput, Stream
from ..resources.interpreters import Interpreter
from ..resources.local_pty import LocalPty
from ..resources.output_variables import OutputVariablesFile
from ..resources.process_family import Mark
from ..resources.pty import PtyOutcome, PtySize, type_code
from ..resources.screen import screen_text
from ..resources.terminal_shells import TerminalShell
from ..resources.typist import Typist
from ..text import shorten, show_seconds
from .behavior import BlockBehavior
from .script import encoded, written_variables

DEFAULT_SHELL = "/bin/sh"
TERMINAL_ENVIRONMENT = {"TERM": "xterm-256color", "ATUIN_DESKTOP_PTY": "true"}
LARGEST_EXCERPT = 16 * 1024
REPLAYED = 256 * 1024
_EXIT_HINTS = {
    126: "the command was found but can't be run",
    127: "a command was not found: look at PATH",
}


class Terminal(BlockBehavior):
    """Types its code into a shell; gives what a person would have seen, and the last command's exit status."""

    uses_host: ClassVar[bool] = True

    async def execute(self, context: ExecutionContext) -> WorkResult:
        if context.resolver.ssh_host is not None:
            raise BlockFailed("terminals on other hosts are not supported yet", hint="use a script")
        code = context.render("code")
        interpreter = context.resources.interpreter(str(self.spec.props.get("type") or _user_shell()))
        findings = context.findings
        findings.where = _where(context, interpreter)
        findings.did = shorten(code, 80) or "an empty terminal"
        session = _Session(context, PtySize(_number(context, "rows"), _number(context, "cols")))
        findings.output = session.sections
        with context.resources.output_variables() as file:
            env = await _environment(context, file)
            shell = context.resources.shells.prepare(interpreter, env)
            outcome = await session.run(shell, env, _lines(context, code, shell))
            findings.exit_code = outcome.exit_code
            findings.did = f"{findings.did} -> {_ending(outcome)} in {show_seconds(outcome.seconds)}"
            variables = written_variables(file.read, context, outcome.exit_code)
        return WorkResult(
            output=session.output(outcome),
            variables=variables,
            requirement="output.exit_code == 0",
            failure=_failure(outcome),
        )


class _Session:
    """One terminal from its opening to its end, with all that was shown in it."""

    def __init__(self, context: ExecutionContext, size: PtySize) -> None:
        self._context = context
        self._size = size
        self._captured = CapturedOutput()
        self._since = time.monotonic()

    async def run(self, shell: TerminalShell, env: Mapping[str, str], lines: list[str]) -> PtyOutcome:
        """Type the lines, and wait for the end.

        :raises BlockFailed: if the shell can't be started, or the code is not whole.
        """
        typist = Typist(lines, shell.mark)
        try:
            outcome = await self._typed(shell, env, typist)
        except anyio.get_cancelled_exc_class():
            self._show(typist.hear_end())
            self._context.findings.notes.append(typist.state)
            self._context.set_output(self.output(None))
            raise
        self._show(typist.hear_end())
        if typist.problem is not None:
            self._context.set_output(self.output(None))
            raise self._incomplete(typist.problem)
        if typist.status is None:
            return outcome
        return PtyOutcome(exit_code=typist.status, signal=None, seconds=outcome.seconds)

    async def _typed(self, shell: TerminalShell, env: Mapping[str, str], typist: Typist) -> PtyOutcome:
        context, pty_id = self._context, self._context.handle.id
        pty = LocalPty(
            shell.argv,
            cwd=Path(context.resolver.cwd),
            env={**env, **shell.environment},
            size=self._size,
            on_output=lambda data: self._show(typist.hear(data)),
            keeper=context.resources.processes,
            mark=Mark(run_id=context.run_id, execution_id=pty_id),
        )
        async with pty:
            with context.resources.ptys.holding(pty_id, pty), self._announced():
                await type_code(pty, typist)
        return pty.outcome

    def output(self, outcome: PtyOutcome | None) -> Output:
        """The block's output. outcome: None if it was cancelled, or could not go on."""
        captured, size = self._captured, self._size
        fields = {
            "output": lambda: captured.stdout,
            "text": lambda: screen_text(captured.stdout, rows=size.rows, cols=size.cols),
            "byte_count": captured.size(),
            "cancelled": outcome is None,
            "exit_code": outcome and outcome.exit_code,
            "signal": outcome and outcome.signal,
            "seconds": time.monotonic() - self._since if outcome is None else outcome.seconds,
        }
        return Output(fields, _no_value)

    def sections(self) -> list[Section]:
        """The end of what was to be seen."""
        captured = self._captured
        text = screen_text(captured.tail(limit=REPLAYED), rows=self._size.rows, cols=self._size.cols)
        if len(text) <= LARGEST_EXCERPT and captured.size() <= REPLAYED:
            return [Section("screen", text)] if text else []
        return [Section("screen", f"[the end of {captured.size()} bytes]\n{text[-LARGEST_EXCERPT:]}")]

    def _show(self, data: bytes) -> None:
        if data:
            self._captured.append(Stream.STDOUT, data)
            self._context.send_output(binary=data)

    @contextmanager
    def _announced(self) -> Iterator[None]:
        """Tell who watches the run of the terminal, and who shows the block which one to show."""
        context = self._context
        pty_id = context.handle.id
        context.emit_event(EventKind.PTY_OPENED, {"pid": pty_id})
        about = {"pid": pty_id, "runbook": context.run_id, "block": context.spec.id, "created_at": int(time.time())}
        context.send_output(data=about)
        try:
            yield
        finally:
            context.emit_event(EventKind.PTY_CLOSED, {"pid": pty_id})

    def _incomplete(self, problem: str) -> BlockFailed:
        hint = "close the quote, the bracket or the here-document; the screen shows what the shell made of it"
        return BlockFailed(problem, place=self._context.spec.place_of("code"), hint=hint)


async def _environment(context: ExecutionContext, file: OutputVariablesFile) -> dict[str, str]:
    """What a program in the terminal gets. The terminal has a size of its own, whatever that of ours is."""
    ours = {**await context.resources.base_environment(), **context.resolver.program_env()}
    ours = {name: value for name, value in ours.items() if name not in ("LINES", "COLUMNS")}
    return {**ours, **TERMINAL_ENVIRONMENT, **context.resolver.block_env(), **file.environment}


def _user_shell() -> str:
    return shlex.quote(os.environ.get("SHELL") or DEFAULT_SHELL)


def _number(context: ExecutionContext, prop: str) -> int:
    value = context.spec.props[prop]
    assert isinstance(value, int), "the loader saw to that"
    return value


def _lines(context: ExecutionContext, code: str, shell: TerminalShell) -> list[str]:
    """The lines to type.

    :raises BlockFailed: if one can't be typed.
    """
    place = context.spec.place_of("code")
    lines = [line.removesuffix("\r") for line in code.removesuffix("\n").split("\n")] if code else []
    for number, line in enumerate(lines):
        size = len(encoded(line, place.below(number)))
        if shell.line_limit is not None and size > shell.line_limit:
            message = f"line {number + 1} has {size} bytes; a terminal takes {shell.line_limit} at most"
            raise BlockFailed(message, place=place, hint="break it with backslashes, or make it a script")
    return lines


def _where(context: ExecutionContext, interpreter: Interpreter) -> str:
    resolver = context.resolver
    whose = f" <- {resolver.cwd_source}" if resolver.cwd_source is not None else ""
    return f"{resolver.host}, cwd {resolver.cwd}{whose}, {' '.join(interpreter.words)} in a terminal"


def _failure(outcome: PtyOutcome) -> BlockFailed | None:
    if outcome.exit_code == 0:
        return None
    return BlockFailed(_ending(outcome), hint=_EXIT_HINTS.get(outcome.exit_code or 0))


def _ending(outcome: PtyOutcome) -> str:
    if outcome.signal is not None:
        return f"ended by {outcome.signal} ({signal.strsignal(signal.Signals[outcome.signal])})"
    return f"exit code {outcome.exit_code}"


def _no_value() -> object:
    raise ValueError("a terminal has no single value; use output.text, or write a variable to $RUNBOOK_OUTPUT_VARS")
