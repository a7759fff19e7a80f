"""Sub-runbook: runs another runbook, and takes over what it is told to of what that leaves."""

from __future__ import annotations

from functools import partial

import anyio

from ..context.block_context import BlockContext
from ..context.items import ContextItem, DocumentCwd, DocumentEnvVar, DocumentEnvVars, DocumentVar, DocumentVars
from ..context.resolver import ContextResolver, Values
from ..errors import BlockFailed, BlockSkipped, Refused, RunbookError
from ..execution.context import ExecutionContext, WorkResult
from ..execution.result import BlockResult, Outcome, OutputSection
from ..execution.sub_runbooks import ChildNotFound, ChildOutcome, ChildProgress, ChildRecursion, ChildReference
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..secrets.provenance import ContextValue
from ..text import show_seconds
from .behavior import BlockBehavior
from .planned_work import PlannedWork


class SubRunbook(BlockBehavior):
    """Succeeds when every block of the other runbook does."""

    @property
    def known_effect(self) -> Effect:
        """Its blocks are asked one by one, and are held to what it says itself."""
        return Effect(Effects.READ, "its blocks are asked one by one")

    def plan(self, context: ExecutionContext) -> PlannedWork:
        reference = self._reference(context)
        return PlannedWork(action=f"run {reference}", path=reference.path or None)

    async def execute(self, context: ExecutionContext) -> WorkResult:
        reference = self._reference(context)
        context.report_details.did = f"run {reference}"
        context.report_details.output = lambda: _sections(context.report_details.children)
        context.set_state({"status": "loading"})
        try:
            outcome = await context.children.run_child(
                context, reference, lambda progress: _show_progress(context, progress)
            )
            self._check_outcome(context, outcome)
            exports = self._exports(context.resolver, outcome.final_resolver())
        except RunbookError as error:
            context.set_state({"status": _status(error)})
            raise
        except anyio.get_cancelled_exc_class():
            context.set_state({"status": "cancelled"})
            raise
        for item in exports:
            context.update_active_context(partial(_insert, item))
        context.set_state({"status": "success"})
        return WorkResult()

    def _reference(self, context: ExecutionContext) -> ChildReference:
        path, uri, runbook_id, name = (
            context.render(prop).strip() for prop in ("runbookPath", "runbookUri", "runbookId", "runbookName")
        )
        if not (path or uri or runbook_id):
            location = self.spec.location_of("runbookPath")
            raise BlockFailed("it names no runbook to run", location=location, hint="give runbookPath")
        return ChildReference(path=path, uri=uri, id=runbook_id, name=name)

    def _check_outcome(self, context: ExecutionContext, outcome: ChildOutcome) -> None:
        """Its outcome is that of its blocks.

        :raises BlockFailed: if one of them failed, or one that had to pass did not run.
        :raises BlockSkipped: if none of them ran.
        """
        context.report_details.did = f"run {outcome.display_path}: {_count_outcomes(outcome.results)}"
        failed = [result for result in outcome.results if result.outcome is Outcome.FAILED]
        if failed:
            message = (
                f"block {failed[0].number} {failed[0].label} of {outcome.display_path} failed: {failed[0].message}"
            )
            raise BlockFailed(message, hint=failed[0].hint)
        stops = next((result.stop_reason for result in outcome.results if result.stop_reason), None)
        context.report_details.stop_reason = stops or (
            outcome.first_not_run and f"is not whole: {outcome.first_not_run}"
        )
        if outcome.results and all(result.outcome is Outcome.SKIPPED for result in outcome.results):
            first = outcome.results[0]
            kind = Refused if first.kind == Refused.kind else BlockSkipped
            raise kind(f"nothing of {outcome.display_path} ran: {first.message}")
        if outcome.required_failure is not None:
            raise BlockFailed(
                f"{outcome.display_path}: {outcome.required_failure.message}", hint=outcome.required_failure.hint
            )

    def _exports(self, entry: ContextResolver, final: ContextResolver) -> BlockContext:
        """What goes on above: what is new or has changed, as far as the block says so."""
        exports, props = BlockContext(), self.spec.props
        if props["exportVars"]:
            changed = _changed(entry.vars, final.vars)
            exports.insert(DocumentVars(tuple(DocumentVar(name, value) for name, value in changed.items())))
        if props["exportEnv"]:
            changed = _changed(entry.env, final.env)
            exports.insert(DocumentEnvVars(tuple(DocumentEnvVar(name, value) for name, value in changed.items())))
        if props["exportCwd"] and final.cwd != entry.cwd:
            exports.insert(DocumentCwd(ContextValue(final.cwd, final.cwd_origin or self.origin)))
        return exports


def _insert(item: ContextItem, context: BlockContext) -> None:
    context.insert(item)


def _changed(before: Values, after: Values) -> dict[str, ContextValue]:
    return {name: value for name, value in after.items() if name not in before or before[name].value != value.value}


def _show_progress(context: ExecutionContext, progress: ChildProgress) -> None:
    context.set_state(
        {
            "status": "running",
            "totalBlocks": progress.total,
            "completedBlocks": progress.completed,
            "currentBlockName": progress.current,
        }
    )


def _status(error: RunbookError) -> object:
    """What the block shows of a failure, in the format's words."""
    if isinstance(error.__cause__, ChildNotFound):
        return "notFound"
    return "recursionDetected" if isinstance(error.__cause__, ChildRecursion) else {"failed": {"error": error.message}}


def _count_outcomes(results: tuple[BlockResult, ...]) -> str:
    counts = ((sum(result.outcome is outcome for result in results), outcome) for outcome in Outcome)
    return ", ".join(f"{count} {outcome}" for count, outcome in counts if count) or "it is empty"


def _sections(results: tuple[BlockResult, ...]) -> list[OutputSection]:
    """Each block in a line."""
    return [OutputSection("blocks", "\n".join(map(_line, results)))] if results else []


def _line(result: BlockResult) -> str:
    why = f": {result.message}" if result.message else f" in {show_seconds(result.seconds)}"
    return f"{result.number} {result.name or result.type} {result.outcome}{why}"
