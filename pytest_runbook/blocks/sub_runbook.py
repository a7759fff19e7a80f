"""Sub-runbook blocks: run another runbook, and export the context that it leaves as far as the props ask for."""

from __future__ import annotations

from functools import partial

import anyio

from ..context.block_context import BlockContext
from ..context.items import ContextItem, DocumentCwd, DocumentEnvVar, DocumentEnvVars, DocumentVar, DocumentVars
from ..context.resolver import ContextResolver, Values
from ..errors import BlockFailed, BlockSkipped, Refused, RunbookError
from ..execution.child_runbooks import ChildNotFound, ChildOutcome, ChildProgress, ChildRecursion, ChildReference
from ..execution.context import ExecutionContext, WorkResult
from ..execution.result import BlockResult, Outcome, OutputSection
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..secrets.provenance import ContextValue
from ..text import show_seconds
from .behavior import BlockBehavior
from .planned_work import PlannedWork


class SubRunbook(BlockBehavior):
    """Runs another runbook and succeeds if all of its blocks do."""

    @property
    def known_effect(self) -> Effect:
        """Reading: each block of the other runbook is checked itself, and held to this block's `effects` as well."""
        return Effect(Effects.READ, "each of its blocks is checked itself")

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
        """Derive the block's outcome from those of the other runbook's blocks.

        :raises BlockFailed: if one of them failed, or a required one did not pass.
        :raises BlockSkipped: if none of them ran; `Refused` if the first was refused.
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
        """Return the context to export: what is new or has changed, of the kinds that the props name."""
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
    """Return the state of the block after a failure, in the runbook format's terms."""
    if isinstance(error.__cause__, ChildNotFound):
        return "notFound"
    return "recursionDetected" if isinstance(error.__cause__, ChildRecursion) else {"failed": {"error": error.message}}


def _count_outcomes(results: tuple[BlockResult, ...]) -> str:
    counts = ((sum(result.outcome is outcome for result in results), outcome) for outcome in Outcome)
    return ", ".join(f"{count} {outcome}" for count, outcome in counts if count) or "it is empty"


def _sections(results: tuple[BlockResult, ...]) -> list[OutputSection]:
    """Return one line for each block."""
    return [OutputSection("blocks", "\n".join(map(_line, results)))] if results else []


def _line(result: BlockResult) -> str:
    why = f": {result.message}" if result.message else f" in {show_seconds(result.seconds)}"
    return f"{result.number} {result.name or result.type} {result.outcome}{why}"
