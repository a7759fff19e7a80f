"""Runs the commands of blocks that always work on this machine: a dropdown's options, kubectl."""

from __future__ import annotations

from pathlib import Path

from ..execution.context import ExecutionContext
from ..resources.process.captured_output import CapturedOutput
from ..resources.process.process_group import ProcessLabel
from ..resources.process.runner import ProcessOutcome, run_process
from .program_report import describe_local_location


async def run_command(context: ExecutionContext, command: str, output: CapturedOutput) -> ProcessOutcome:
    """Run a command with the block's `interpreter`, directory and environment. If cancelled, the command is ended.

    output: receives the output; reports read it while the command runs, too.

    :raises BlockFailed: if the command can't be started.
    """
    resources = context.resources
    interpreter = resources.interpreter(str(context.spec.props["interpreter"]))
    context.report_details.where = describe_local_location(context, interpreter)
    with interpreter.command(command, resources.folder, is_secret=context.is_secret(command)) as started:
        outcome = await run_process(
            started.argv,
            cwd=Path(context.resolver.cwd),
            env={**await resources.base_environment(), **context.resolver.program_env(), **started.environment},
            output=output,
            supervisor=resources.processes,
            label=ProcessLabel(run_id=context.run_id, execution_id=context.handle.id),
        )
    context.report_details.exit_code = outcome.exit_code
    return outcome
