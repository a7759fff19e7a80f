"""Script blocks: run code with an interpreter, on this machine or on another host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from ..context.output import Output
from ..errors import BlockFailed, Location
from ..execution.context import ExecutionContext, WorkResult
from ..policy.effects import Effect
from ..resources.process.captured_output import CapturedOutput, Stream
from ..resources.process.interpreters import Interpreter
from ..resources.process.output_variables import decode_output_variables
from ..resources.process.process_group import ProcessLabel
from ..resources.process.runner import OutputListener, ProcessOutcome, run_process
from ..resources.process.sudo import Become
from ..resources.ssh.remote_command import RemoteCommand
from ..resources.ssh.target import Target
from ..text import show_seconds
from .become import run_as
from .behavior import BlockBehavior
from .planned_work import PlannedWork
from .program_report import describe_exit, describe_location, exit_hint, output_sections
from .remote_access import become_of, run_if_reachable, target_of


class Script(BlockBehavior):
    """Runs its code, outputs exit code and streams, and sets the variables that the program wrote."""

    uses_host: ClassVar[bool] = True

    @property
    def known_effect(self) -> Effect:
        return self.declared_effect or self.unknown_effect

    def plan(self, context: ExecutionContext) -> PlannedWork:
        interpreter = context.resources.interpreter(str(self.spec.props["interpreter"]))
        program = interpreter.program if context.resolver.ssh_host is None else None
        return PlannedWork(
            action=context.render("code"), where=describe_location(context, interpreter), program=program
        )

    async def execute(self, context: ExecutionContext) -> WorkResult:
        variable = context.render("outputVariable").strip()
        code = context.render("code")
        encoded(code, self.spec.location_of("code"))  # fails here, with the line, if it can't be written as bytes
        interpreter = context.resources.interpreter(str(self.spec.props["interpreter"]))
        output = CapturedOutput()
        stdin = _stdin(context)
        target = target_of(context)
        context.report_details.where = describe_location(context, interpreter)
        context.report_details.did = context.masker.excerpt(code, 80) or "an empty script"
        context.report_details.output = lambda: output_sections(output)
        become = become_of(context)
        if target is not None:
            outcome, variables = await self._run_remote(context, target, become, interpreter, code, stdin, output)
        elif become is not None:
            forward_output = _output_forwarder(context)
            outcome, content = await run_as(context, become, interpreter, code, stdin or b"", output, forward_output)
            self._report_exit(context, outcome)
            variables = written_variables(lambda: decode_output_variables(content), context, outcome.exit_code)
        else:
            outcome, variables = await self._run(context, interpreter, code, stdin, output)
        if variable:
            variables[variable] = output.stdout.rstrip("\n")
        return WorkResult(
            output=_output(outcome),
            variables=variables,
            default_assertion="output.exit_code == 0",
            failure=_failure(outcome),
        )

    async def _run(
        self,
        context: ExecutionContext,
        interpreter: Interpreter,
        code: str,
        stdin: bytes | None,
        output: CapturedOutput,
    ) -> tuple[ProcessOutcome, dict[str, object]]:
        resources = context.resources
        hidden = context.is_secret(code)
        with (
            resources.output_variables() as file,
            interpreter.command(code, resources.folder, is_secret=hidden) as command,
        ):
            inherited = {**await resources.base_environment(), **context.resolver.program_env()}
            outcome = await run_process(
                command.argv,
                cwd=Path(context.resolver.cwd),
                env={**inherited, **file.environment, **command.environment},
                stdin=stdin,
                output=output,
                on_output=_output_forwarder(context),
                supervisor=resources.processes,
                label=ProcessLabel(run_id=context.run_id, execution_id=context.handle.id),
            )
            self._report_exit(context, outcome)
            return outcome, written_variables(file.read, context, outcome.exit_code)

    async def _run_remote(
        self,
        context: ExecutionContext,
        target: Target,
        become: Become | None,
        interpreter: Interpreter,
        code: str,
        stdin: bytes | None,
        output: CapturedOutput,
    ) -> tuple[ProcessOutcome, dict[str, object]]:
        from ..resources.ssh.remote_process import run_remote  # asyncssh is slow to import

        command = RemoteCommand(
            interpreter=interpreter,
            code=code,
            is_secret=context.is_secret(code),
            label=ProcessLabel(run_id=context.run_id, execution_id=context.handle.id),
            cwd=context.resolver.remote_cwd,
            env=context.resolver.block_env(),
            stdin=stdin or b"",
        )
        outcome = await run_if_reachable(
            context,
            target,
            self.label,
            lambda: run_remote(
                context.resources.ssh,
                target,
                become,
                command,
                output=output,
                on_output=_output_forwarder(context),
            ),
        )
        self._report_exit(context, outcome.process)
        variables = written_variables(lambda: decode_output_variables(outcome.file), context, outcome.process.exit_code)
        return outcome.process, variables

    def _report_exit(self, context: ExecutionContext, outcome: ProcessOutcome) -> None:
        report_details = context.report_details
        report_details.exit_code = outcome.exit_code
        report_details.did = f"{report_details.did} -> {describe_exit(outcome)} in {show_seconds(outcome.seconds)}"


def _stdin(context: ExecutionContext) -> bytes | None:
    declared = context.spec.rules.scope.stdin
    if declared is None:
        return None
    return encoded(context.render_text(str(declared.value), "stdin"), declared.location)


def encoded(text: str, location: Location) -> bytes:
    """Encode a text for a program. Bytes that were not valid UTF-8 when they were read are restored.

    :raises BlockFailed: if the text holds half of a surrogate pair.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise BlockFailed(f"{text[error.start]!r} is half a character, and no UTF-8", location=location) from error


def written_variables(
    read: Callable[[], Mapping[str, str]], context: ExecutionContext, exit_code: int | None
) -> dict[str, object]:
    """Return the variables that the program wrote.

    :raises BlockFailed: if they can't be read. After a program that failed this is only a note: its failure counts.
    """
    try:
        return dict(read())
    except BlockFailed as error:
        if exit_code == 0:
            raise
        context.report_details.notes.append(error.message)
        return {}


def _output_forwarder(context: ExecutionContext) -> OutputListener:
    def listen(stream: Stream, data: bytes) -> None:
        if stream is Stream.STDOUT:
            context.send_output(stdout=data)
        else:
            context.send_output(stderr=data)

    return listen


def _output(outcome: ProcessOutcome) -> Output:
    captured = outcome.output

    def text(stream: Stream | None) -> str | None:
        if captured.size() == 0:
            return None
        return captured.combined if stream is None else (captured.stdout, captured.stderr)[stream]

    fields = {
        "exit_code": outcome.exit_code,
        "stdout": lambda: text(Stream.STDOUT),
        "stderr": lambda: text(Stream.STDERR),
        "combined": lambda: text(None),
        "signal": outcome.signal,
        "seconds": outcome.seconds,
    }
    return Output(fields, lambda: _one_line(captured.stdout))


def _one_line(stdout: str) -> str:
    text = stdout.rstrip("\n")
    if not text:
        raise ValueError("the script printed nothing; use output.stdout")
    lines = text.count("\n") + 1
    if lines > 1:
        raise ValueError(f"the script printed {lines} lines, not one; use output.stdout, or output.stdout | lines")
    return text


def _failure(outcome: ProcessOutcome) -> BlockFailed | None:
    if outcome.exit_code == 0:
        return None
    return BlockFailed(describe_exit(outcome), hint=exit_hint(outcome), detail=outcome.output.tail(Stream.STDERR))
