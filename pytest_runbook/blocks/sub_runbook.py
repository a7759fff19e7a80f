"""Sub-runbook: runs another runbook, and takes over what it is told to of what that leaves."""

from __future__ import annotations

from functools import partial

import anyio

from ..context.block_context import BlockContext
from ..context.items import ContextItem, DocumentCwd, DocumentEnvVar, DocumentEnvVars, DocumentVar, DocumentVars
from ..context.resolver import ContextResolver, Values
from ..errors import BlockFailed, NotTried, Refused, RunbookError
from ..execution.context import ExecutionContext, WorkResult
from ..execution.result import BlockResult, Outcome, Section
from ..execution.sub_runbooks import ChildNotFound, ChildOutcome, ChildProgress, ChildRecursion, ChildReference
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..secrets.provenance import ContextValue
from ..text import show_seconds
from .behavior import BlockBehavior
from .planned_work import Intent


class SubRunbook(BlockBehavior):
    """Succeeds when every block of the other runbook does."""

    @property
    def known_effect(self) -> Effect:
        """Its blocks are asked one by one, and are held to what it says itself."""
        return Effect(Effects.READ, "its blocks are asked one by one")

    def plan(self, context: ExecutionContext) -> Intent:
        reference = self._reference(context)
        return Intent(does=f"run {reference}", path=reference.path or None)

    async def execute(self, context: ExecutionContext) -> WorkResult:
        reference = self._reference(context)
        context.findings.did = f"run {reference}"
        context.findings.output = lambda: _sections(context.findings.children)
        context.set_state({"status": "loading"})
        try:
            outcome = await context.children.run_child(context, reference, lambda progress: _show(context, progress))
            self._judge(context, outcome)
            exports = self._exports(context.resolver, outcome.final())
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
            place = self.spec.place_of("runbookPath")
            raise BlockFailed("it names no runbook to run", place=place, hint="give runbookPath")
        return ChildReference(path=path, uri=uri, id=runbook_id, name=name)

    def _judge(self, context: ExecutionContext, outcome: ChildOutcome) -> None:
        """Its outcome is that of its blocks.

        :raises BlockFailed: if one of them failed, or one that had to pass did not run.
        :raises NotTried: if none of them ran.
        """
        context.findings.did = f"run {outcome.shown}: {_counted(outcome.results)}"
        failed = [result for result in outcome.results if result.outcome is Outcome.FAILED]
        if failed:
            message = f"block {failed[0].number} {failed[0].label} of {outcome.shown} failed: {failed[0].message}"
            raise BlockFailed(message, hint=failed[0].hint)
        stops = next((result.stops for result in outcome.results if result.stops), None)
        context.findings.stops = stops or (outcome.gap and f"is not whole: {outcome.gap}")
        if outcome.results and all(result.outcome is Outcome.SKIPPED for result in outcome.results):
            first = outcome.results[0]
            kind = Refused if first.kind == Refused.kind else NotTried
            raise kind(f"nothing of {outcome.shown} ran: {first.message}")
        if outcome.unmet is not None:
            raise BlockFailed(f"{outcome.shown}: {outcome.unmet.message}", hint=outcome.unmet.hint)

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
            exports.insert(DocumentCwd(ContextValue(final.cwd, final.cwd_source or self.source)))
        return exports


def _insert(item: ContextItem, context: BlockContext) -> None:
    context.insert(item)


def _changed(before: Values, after: Values) -> dict[str, ContextValue]:
    return {name: value for name, value in after.items() if name not in before or before[name].value != value.value}


def _show(context: ExecutionContext, progress: ChildProgress) -> None:
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


def _counted(results: tuple[BlockResult, ...]) -> str:
    counts = ((sum(result.outcome is outcome for result in results), outcome) for outcome in Outcome)
    return ", ".join(f"{count} {outcome}" for count, outcome in counts if count) or "it is empty"


def _sections(results: tuple[BlockResult, ...]) -> list[Section]:
    """Each block in a line."""
    return [Section("blocks", "\n".join(map(_line, results)))] if results else []


def _line(result: BlockResult) -> str:
    why = f": {result.message}" if result.message else f" in {show_seconds(result.seconds)}"
    return f"{result.number} {result.name or result.type} {result.outcome}{why}"
