"""Runs scripts as another user of this machine, with sudo."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..execution.context import ExecutionContext
from ..resources.process.captured_output import CapturedOutput
from ..resources.process.interpreters import Interpreter
from ..resources.process.output_variables import OutputVariablesFile
from ..resources.process.process_group import ProcessLabel
from ..resources.process.runner import OutputListener, ProcessOutcome, run_process
from ..resources.process.sudo import Become, SudoSignaller
from ..resources.ssh.remote_command import WRAPPER, checked_name
from ..resources.ssh.shell_quoting import NEWLINE, shell_join, shell_quote


async def run_as(
    context: ExecutionContext,
    become: Become,
    interpreter: Interpreter,
    code: str,
    stdin: bytes,
    output: CapturedOutput,
    on_output: OutputListener,
) -> tuple[ProcessOutcome, bytes]:
    """Run a script with sudo; return its outcome and the content of its output variables file.

    :raises RunbookError: if sudo refuses, or the script can't be started.
    """
    prefix, first_input = await context.resources.sudo.command(become)
    process_label = ProcessLabel(run_id=context.run_id, execution_id=context.handle.id)
    with tempfile.TemporaryDirectory(prefix="runbook-") as name:
        folder = Path(name)
        hidden = context.is_secret(code)
        with OutputVariablesFile(folder) as file, interpreter.command(code, folder, is_secret=hidden) as command:
            _grant_access(folder)
            environment = {
                **_declared_environment(context),
                **file.environment,
                **process_label.environment,
                **command.environment,
            }
            outcome = await run_process(
                # The environment and the command go over stdin: arguments of a process are visible to all users.
                [*prefix, "sh", "-c", WRAPPER],
                cwd=Path(context.resolver.cwd),
                env=context.resolver.program_env(),
                stdin=first_input + _exec_line(environment, command.argv) + stdin,
                output=output,
                on_output=on_output,
                supervisor=context.resources.processes,
                label=process_label,
                signaller=SudoSignaller(prefix, first_input) if os.geteuid() else None,
            )
            return outcome, file.content()


def _declared_environment(context: ExecutionContext) -> Mapping[str, str]:
    """Return the variables of the runbook and those given to it. sudo drops the rest of the environment."""
    inherited = {name: str(value.value) for name, value in context.resolver.provided_env.items()}
    return {**inherited, **context.resolver.block_env()}


def _grant_access(folder: Path) -> None:
    """Let the other user open the files."""
    folder.chmod(0o711)  # others can open the files by name, but not list the folder
    for path in folder.iterdir():
        path.chmod(0o666)


def _exec_line(environment: Mapping[str, str], argv: list[str]) -> bytes:
    exports = (f"export {checked_name(name)}={shell_quote(value)};" for name, value in environment.items())
    line = f"{NEWLINE}=${{IFS#??}};{''.join(exports)}exec {shell_join(argv)}\n"
    return line.encode(errors="surrogateescape")
