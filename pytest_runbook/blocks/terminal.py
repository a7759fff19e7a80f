"""Terminal blocks: type commands into an interactive shell, on this machine or on another host."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import anyio

from ..context.output import Output
from ..errors import BlockFailed
from ..execution.context import ExecutionContext, WorkResult
from ..execution.result import OutputSection
from ..messages.events import EventKind
from ..policy.effects import Effect
from ..resources.process.captured_output import CapturedOutput, Stream
from ..resources.process.interpreters import Interpreter
from ..resources.process.output_variables import OutputVariablesFile, decode_output_variables
from ..resources.process.process_group import ProcessLabel
from ..resources.ssh.target import Target
from ..resources.terminal.local_pty import LocalPty
from ..resources.terminal.pty import Pty, PtyOutcome, PtySize, drive_shell
from ..resources.terminal.screen import screen_text
from ..resources.terminal.shell_driver import ShellDriver
from ..resources.terminal.shells import line_limit, prepare_shell, prompt_mark_of
from ..text import show_seconds
from .behavior import BlockBehavior
from .planned_work import PlannedWork
from .program_report import MAX_EXCERPT, describe_exit, describe_location, exit_hint
from .remote_access import become_of, run_if_reachable, target_of
from .script import encoded, written_variables

DEFAULT_SHELL = "/bin/sh"
TERMINAL_ENVIRONMENT = {"TERM": "xterm-256color", "ATUIN_DESKTOP_PTY": "true"}
REPLAY_BYTES = 256 * 1024


class Terminal(BlockBehavior):
    """Types its code into a shell in a terminal; outputs its screen and the last command's exit status."""

    uses_host: ClassVar[bool] = True

    @property
    def known_effect(self) -> Effect:
        return self.declared_effect or self.unknown_effect

    def plan(self, context: ExecutionContext) -> PlannedWork:
        shell = str(self.spec.props.get("type") or "")
        if context.resolver.ssh_host is not None and not shell:
            return PlannedWork(
                action=context.render("code"), where=f"{context.resolver.host}, the login shell in a terminal"
            )
        interpreter = context.resources.interpreter(shell or os.environ.get("SHELL", "") or DEFAULT_SHELL)
        program = interpreter.program if context.resolver.ssh_host is None else None
        return PlannedWork(action=context.render("code"), where=_where(context, interpreter), program=program)

    async def execute(self, context: ExecutionContext) -> WorkResult:
        code = context.render("code")
        target = target_of(context)
        if target is not None and become_of(context) is not None:
            raise BlockFailed("a terminal can't become another user", hint="type sudo into it, or use a script")
        report_details = context.report_details
        report_details.did = context.masker.excerpt(code, 80) or "an empty terminal"
        interpreter = await self._interpreter(context, target)
        report_details.where = _where(context, interpreter)
        session = _Session(context, interpreter, _lines(context, code, interpreter))
        report_details.output = session.sections
        outcome, variables = await (session.run() if target is None else self._run_remote(context, target, session))
        return WorkResult(
            output=session.output(outcome),
            variables=variables,
            default_assertion="output.exit_code == 0",
            failure=_failure(outcome),
        )

    async def _interpreter(self, context: ExecutionContext, target: Target | None) -> Interpreter:
        shell = str(self.spec.props.get("type") or "")
        if not shell and target is not None:
            from ..resources.ssh.remote_pty import login_shell

            pool = context.resources.ssh
            shell = await run_if_reachable(context, target, self.label, lambda: login_shell(pool, target))
        elif not shell:
            shell = os.environ.get("SHELL", "")
        return context.resources.interpreter(shell or DEFAULT_SHELL)

    async def _run_remote(
        self, context: ExecutionContext, target: Target, session: _Session
    ) -> tuple[PtyOutcome, dict[str, object]]:
        return await run_if_reachable(context, target, self.label, lambda: session.run_remote(target))


class _Session:
    """One terminal from its opening to its end, with its captured output."""

    def __init__(self, context: ExecutionContext, interpreter: Interpreter, lines: list[str]) -> None:
        self._context = context
        self._interpreter = interpreter
        self._prompt_mark = prompt_mark_of(interpreter, context.resources.folder.name)
        self._driver = ShellDriver(lines, self._prompt_mark)
        self._size = PtySize(_number(context, "rows"), _number(context, "cols"))
        self._captured = CapturedOutput()
        self._started_at = time.monotonic()

    async def run(self) -> tuple[PtyOutcome, dict[str, object]]:
        """Run the code on this machine; return how the shell ended, and the variables that were written.

        :raises BlockFailed: if the shell can't be started, or the code is incomplete.
        """
        context, resources = self._context, self._context.resources
        with resources.output_variables() as file:
            env = await _environment(context, file)
            shell = prepare_shell(self._interpreter, self._prompt_mark, env, resources.folder)
            pty = LocalPty(
                shell.argv,
                cwd=Path(context.resolver.cwd),
                env={**env, **shell.environment},
                size=self._size,
                on_output=self._receive,
                supervisor=resources.processes,
                label=ProcessLabel(run_id=context.run_id, execution_id=context.handle.id),
            )
            async with self._registered(pty), pty:
                await drive_shell(pty, self._driver)
            return self._finish(pty.outcome, file.read)

    async def run_remote(self, target: Target) -> tuple[PtyOutcome, dict[str, object]]:
        """Run the code on another host; return how the shell ended, and the variables that were written.

        :raises RunbookError: if the host can't be reached, the shell can't be started, or the code is incomplete.
        """
        from ..resources.ssh.remote_pty import RemotePty, TerminalCommand  # asyncssh is slow to import

        context = self._context
        command = TerminalCommand(
            interpreter=self._interpreter,
            code="",
            label=ProcessLabel(run_id=context.run_id, execution_id=context.handle.id),
            cwd=context.resolver.remote_cwd,
            env={"ATUIN_DESKTOP_PTY": "true", **context.resolver.block_env()},
            prompt_mark=self._prompt_mark,
        )
        pty = await RemotePty.open(context.resources.ssh, target, command, self._size, self._receive)
        async with self._registered(pty), pty:
            await drive_shell(pty, self._driver)
        return self._finish(pty.outcome, lambda: decode_output_variables(pty.file))

    @asynccontextmanager
    async def _registered(self, pty: Pty) -> AsyncIterator[None]:
        """Register the terminal so that clients can watch it and type into it.

        If cancelled, the progress so far becomes a note of the report.
        """
        context, pty_id = self._context, self._context.handle.id
        details = {
            "pid": pty_id,
            "runbook": context.runbook_id,
            "block": context.spec.id,
            "created_at": int(time.time()),
        }
        context.emit_event(EventKind.PTY_OPENED, details)
        context.send_output(data=details)
        try:
            with context.resources.ptys.registered(pty_id, pty):
                yield
        except anyio.get_cancelled_exc_class():
            context.report_details.notes.append(self._driver.state)
            context.set_output(self.output(None))
            raise
        finally:
            self._record_output(self._driver.feed_eof())
            context.emit_event(EventKind.PTY_CLOSED, {"pty_id": pty_id})

    def _finish(
        self, outcome: PtyOutcome, read: Callable[[], Mapping[str, str]]
    ) -> tuple[PtyOutcome, dict[str, object]]:
        """Return the outcome with the exit status of the last command, if the shell reported one.

        :raises BlockFailed: if the code is incomplete.
        """
        context, driver = self._context, self._driver
        if driver.problem is not None:
            context.set_output(self.output(None))
            hint = "close the quote, the bracket or the here-document; the screen shows what the shell made of it"
            raise BlockFailed(driver.problem, location=context.spec.location_of("code"), hint=hint)
        if driver.status is not None:
            outcome = PtyOutcome(exit_code=driver.status, signal=None, seconds=outcome.seconds)
        context.report_details.exit_code = outcome.exit_code
        context.report_details.did = (
            f"{context.report_details.did} -> {describe_exit(outcome)} in {show_seconds(outcome.seconds)}"
        )
        return outcome, written_variables(read, context, outcome.exit_code)

    def _receive(self, data: bytes) -> None:
        self._record_output(self._driver.feed_data(data))

    def output(self, outcome: PtyOutcome | None) -> Output:
        """Return the block's output. outcome: None if it was cancelled, or the code is incomplete."""
        captured, size = self._captured, self._size
        fields = {
            "output": lambda: captured.stdout,
            "text": lambda: screen_text(captured.stdout, rows=size.rows, cols=size.cols),
            "byte_count": captured.size(),
            "cancelled": outcome is None,
            "exit_code": outcome and outcome.exit_code,
            "signal": outcome and outcome.signal,
            "seconds": time.monotonic() - self._started_at if outcome is None else outcome.seconds,
        }
        return Output(fields, _no_value)

    def sections(self) -> list[OutputSection]:
        """Return the end of the screen's text for reports."""
        captured = self._captured
        text = screen_text(captured.tail(limit=REPLAY_BYTES), rows=self._size.rows, cols=self._size.cols)
        if len(text) <= MAX_EXCERPT and captured.size() <= REPLAY_BYTES:
            return [OutputSection("screen", text)] if text else []
        return [OutputSection("screen", f"[the end of {captured.size()} bytes]\n{text[-MAX_EXCERPT:]}")]

    def _record_output(self, data: bytes) -> None:
        if data:
            self._captured.append(Stream.STDOUT, data)
            self._context.send_output(binary=data)


async def _environment(context: ExecutionContext, file: OutputVariablesFile) -> dict[str, str]:
    inherited = {**await context.resources.base_environment(), **context.resolver.program_env()}
    # LINES and COLUMNS describe the terminal that pytest runs in, not this one.
    inherited = {name: value for name, value in inherited.items() if name not in ("LINES", "COLUMNS")}
    return {**inherited, **TERMINAL_ENVIRONMENT, **context.resolver.block_env(), **file.environment}


def _number(context: ExecutionContext, prop: str) -> int:
    value = context.spec.props[prop]
    assert isinstance(value, int), "the loader checked that"
    return value


def _lines(context: ExecutionContext, code: str, interpreter: Interpreter) -> list[str]:
    """Return the lines to type.

    :raises BlockFailed: if one is too long for a terminal, or can't be encoded.
    """
    location, limit = context.spec.location_of("code"), line_limit(interpreter)
    lines = [line.removesuffix("\r") for line in code.removesuffix("\n").split("\n")] if code else []
    for number, line in enumerate(lines):
        size = len(encoded(line, location.shifted(number)))
        if limit is not None and size > limit:
            message = f"line {number + 1} has {size} bytes; a terminal takes {limit} at most"
            raise BlockFailed(message, location=location, hint="break it with backslashes, or make it a script")
    return lines


def _where(context: ExecutionContext, interpreter: Interpreter) -> str:
    return f"{describe_location(context, interpreter)} in a terminal"


def _failure(outcome: PtyOutcome) -> BlockFailed | None:
    if outcome.exit_code == 0:
        return None
    return BlockFailed(describe_exit(outcome), hint=exit_hint(outcome))


def _no_value() -> object:
    raise ValueError("a terminal has no single value; use output.text, or write a variable to $RUNBOOK_OUTPUT_VARS")
