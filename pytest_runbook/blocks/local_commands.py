"""Commands that blocks run on this machine to learn something: a dropdown's options, what a cluster holds."""

from __future__ import annotations

from pathlib import Path

from ..execution.context import ExecutionContext
from ..resources.process.captured_output import CapturedOutput
from ..resources.process.process_group import ProcessLabel
from ..resources.process.runner import ProcessOutcome, run_process
from .program_report import describe_local_location


async def run_command(context: ExecutionContext, command: str, output: CapturedOutput) -> ProcessOutcome:
    """Run a command with the block's `interpreter`, in its directory and environment; cancelled, it ends it.

    output: where its output goes, for reports also while it runs.
    :raises BlockFailed: if it can't be started.
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
