"""Plans a run: what each block would do. Nothing is connected to, started or asked, and no secret is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..blocks.behavior import BlockBehavior
from ..blocks.planned_work import PlannedWork
from ..context.items import DocumentVar, DocumentVars
from ..context.plan_resolver import ITERATIONS, PlanResolver, Unknowns
from ..context.storage import MemoryStorage
from ..errors import ContextError, Refused, RunbookError, TemplateError
from ..execution.child_runbooks import ChildReference
from ..execution.context import ExecutionContext
from ..messages.channel import NullChannel
from ..model.block_expressions import conditions_of
from ..model.runbook import BlockSpec, Condition, Runbook, display_type
from ..policy.effects import Effect, EffectLimit, refused_effect
from ..policy.permissions import refusal_of
from ..policy.requirements import undeclared_secret
from ..resources.process.interpreters import find_program
from ..secrets.masker import Masker
from ..secrets.provenance import ContextValue, Origin, ReadLog
from ..secrets.references import secret_names
from ..templates import Expression
from ..templates.name_references import names_under
from ..templates.preview import PLACEHOLDER_OPEN, UnknownValue, is_known, placeholder
from .document import Document
from .inputs import Inputs, resolver_from_inputs
from .run import RunbookRun
from .sub_runbooks import RunbookReader, SubRunbooks
from .template_check import texts_in

if TYPE_CHECKING:
    from .runtime import Runtime

_PLACEHOLDER = re.compile(r"⟨([^⟨⟩]*)⟩")
_ANY_VARIABLE = re.compile(r"\bvar\.(\w+)")


class PlanMasker(Masker):
    """A masker that does not add placeholders as secrets: what is not known needs no mask."""

    def add(self, value: str, name: str) -> None:
        if is_known(value):
            super().add(value, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProblem:
    """A problem of a plan: what is wrong, where, and what to do about it."""

    message: str
    location: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBlock:
    """The plan of one block.

    action: run, skip or refuse. why: the reason if it does not run, else the condition under which it does.
    does: its work, rendered as far as its values are known. unknown: the origins of unknown values, by their
    placeholders.
    secrets: the names of the secrets that it reads. sets: the variables that it sets. limit: its deadline in seconds.
    blocks: those of its sub-runbook. prose: by key, not masked yet.
    """

    number: int
    name: str
    type: str
    location: str
    action: str
    why: str | None
    is_cleanup: bool
    effects: str | None
    effects_reason: str | None
    does: str
    where: str | None
    limit: float
    loop: str | None
    unknown: Mapping[str, str]
    secrets: tuple[str, ...]
    sets: tuple[str, ...]
    problems: tuple[PlannedProblem, ...]
    blocks: tuple[PlannedBlock, ...] = ()
    prose: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookPlan:
    """The plan of one runbook.

    limit: the deadline of all its blocks but the clean-ups, in seconds; None if it has none. prose: its own, by key.
    """

    path: str
    name: str
    cell: str | None
    environment: str | None
    limit: float | None
    requires: tuple[str, ...]
    blocks: tuple[PlannedBlock, ...]
    problems: tuple[PlannedProblem, ...]
    prose: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_problems(self) -> tuple[PlannedProblem, ...]:
        return (*self.problems, *(problem for block in self.blocks for problem in problems_of_block(block)))

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def problems_of_block(block: PlannedBlock) -> Iterator[PlannedProblem]:
    """Yield the problems of a block, and of the blocks of its sub-runbook."""
    yield from block.problems
    for inner in block.blocks:
        yield from problems_of_block(inner)


@dataclass(slots=True)
class _BlockPreview:
    """The preview of one block. texts: all of its texts, rendered as far as their values are known."""

    refusal: Refused | None
    effect: Effect | None = None
    planned_work: PlannedWork = field(default_factory=PlannedWork)
    texts: list[str] = field(default_factory=list)
    problems: list[PlannedProblem] = field(default_factory=list)


class _PlannedDocument(Document):
    """A document of which no block has run: all outputs are unknown."""

    def output(self, block_id: str) -> Mapping[str, object] | None:
        raise UnknownValue(f"{PLACEHOLDER_OPEN}the output{placeholder('')[1:]}", f"the run of block {block_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes plans of runbooks.

    read: reads a sub-runbook. variable_provider: what may provide variables that nothing in a file sets.
    answer_provider: what may answer blocks without a known answer; None if nothing does.
    """

    runtime: Runtime
    read: RunbookReader
    variable_provider: str | None = None
    answer_provider: str | None = None

    def plan(
        self, runbook: Runbook, inputs: Inputs, *, not_run: Mapping[str, str] | None = None, cell: str | None = None
    ) -> RunbookPlan:
        """Return the plan of a runbook. not_run: reasons of blocks that are not to run, by id. cell: the name of its
        matrix cell.
        """
        settings = self.runtime.settings
        variable_provider = "a runbook that this one needs" if runbook.needs else self.variable_provider
        fixtures = {*runbook.required_fixtures, *(name for spec in runbook.blocks for name in spec.rules.fixtures)}
        unknowns = Unknowns(variable_provider=variable_provider, fixtures=frozenset(fixtures))
        base_resolver = PlanResolver.of(resolver_from_inputs(runbook, inputs, settings), unknowns)
        children = SubRunbooks(self.runtime, inputs, self.read, (runbook,))
        runbook_planner = _RunbookPlanner(self, runbook, inputs, children, base_resolver, unknowns, (runbook,), None)
        blocks, problems = runbook_planner.blocks(not_run or {})
        undeclared = (undeclared_secret(named, runbook_planner.document.secrets) for named in runbook.requires)
        problems = (*(_problem_of(error) for error in undeclared if error is not None), *problems)
        return RunbookPlan(
            path=str(runbook.location),
            name=runbook.name,
            cell=cell,
            environment=settings.environment,
            limit=runbook.timeouts.total,
            requires=tuple(named.name for named in runbook.requires),
            blocks=blocks,
            problems=problems,
            prose=runbook.prose.texts(),
        )


class _RunbookPlanner:
    """Plans one runbook from top to bottom.

    lineage: the runbooks from the outermost to this one.
    """

    def __init__(
        self,
        planner: Planner,
        runbook: Runbook,
        inputs: Inputs,
        children: SubRunbooks,
        base_resolver: PlanResolver,
        unknowns: Unknowns,
        lineage: tuple[Runbook, ...],
        effect_limit: EffectLimit | None,
    ) -> None:
        self._planner = planner
        self._runtime = planner.runtime
        self._runbook = runbook
        self._inputs = inputs
        self._children = children
        self._unknowns = unknowns
        self._lineage = lineage
        self.document = _PlannedDocument(
            runbook,
            self._runtime,
            "plan",
            inputs,
            NullChannel(),
            children,
            storage=MemoryStorage(),
            base_resolver=base_resolver,
            effect_limit=effect_limit,
        )
        self._run = RunbookRun(self.document, self._runtime)
        self._variables_read = frozenset(_ANY_VARIABLE.findall(repr(runbook.blocks)))

    def blocks(self, not_run: Mapping[str, str]) -> tuple[tuple[PlannedBlock, ...], tuple[PlannedProblem, ...]]:
        """Return the planned items, and the problems of the context blocks between them."""
        self._run.mark_not_run(not_run)
        planned, problems = [], []
        reported: set[str] = set()
        for spec in self._runbook.blocks:
            if self.document.number(spec):
                block = self._block(spec, not_run.get(spec.id))
                error = self.document.context_error_above(spec.id)
                if error is not None and str(error) not in reported:
                    reported.add(str(error))
                    problems.append(self._problem(error, spec))
                planned.append(block)
            elif self._planner.answer_provider is not None and spec.type == "local-var":
                self._set_placeholders(spec, [str(spec.props.get("name"))], self._planner.answer_provider)
        return tuple(sorted(planned, key=lambda block: block.number)), tuple(problems)

    def _block(self, spec: BlockSpec, not_run_reason: str | None) -> PlannedBlock:
        document = self.document
        limit = self._runtime.block_limit(self._runbook, spec)
        context = document.executions.context(document.snapshot(spec.id), limit)
        preview = self._preview(spec, context)
        action, why = self._action(spec, not_run_reason, preview.refusal)
        sets, inner = self._sets(spec), tuple[PlannedBlock, ...]()
        if action == "run":
            inner = self._nested_blocks(spec, context, preview)
            why = self._condition(spec, context)
            self._set_placeholders(spec, sets, document.label(spec))
        elif preview.refusal is not None or spec.rules.skip is not None:
            self._run.mark_not_run({spec.id: "is refused" if preview.refusal else "is skipped"})
        names = dict.fromkeys(_PLACEHOLDER.findall("\n".join(preview.texts)))
        return PlannedBlock(
            number=document.number(spec),
            name=spec.name,
            type=display_type(spec.type),
            location=str(spec.location),
            action=action,
            why=why,
            is_cleanup=spec.rules.is_cleanup,
            effects=str(preview.effect.level) if preview.effect else None,
            effects_reason=preview.effect.reason if preview.effect else None,
            does=preview.planned_work.action,
            where=preview.planned_work.where,
            limit=limit.seconds,
            loop=_for_each_text(spec),
            unknown=self._unknown(names),
            secrets=self._secrets(spec, names),
            sets=tuple(sets),
            problems=tuple(dict.fromkeys(preview.problems)) if action == "run" else (),
            blocks=inner,
            prose=spec.rules.prose.texts(),
        )

    def _preview(self, spec: BlockSpec, context: ExecutionContext) -> _BlockPreview:
        """Preview a block. If the context above it has an error, only that is reported."""
        behavior = self.document.behavior(spec.id)
        preview = _BlockPreview(refusal=refusal_of(self._runbook, spec, behavior, self._runtime.settings.permissions))
        if behavior is None or self.document.context_error_above(spec.id) is not None:
            return preview
        try:
            context.resolver = self.document.executions.in_scope(spec, context.resolver)
            self._preview_behavior(preview, behavior, context)
        except Refused as refusal:
            preview.refusal = preview.refusal or refusal
        except UnknownValue as unknown:
            preview.texts.append(unknown.text)
        except RunbookError as error:
            preview.problems.append(self._problem(error, spec))
        except Exception as error:  # a block type that can't be planned, or has a bug
            preview.planned_work = PlannedWork(action=f"(not known before it runs: {error})")
        preview.texts += (
            preview.planned_work.action,
            preview.planned_work.where or "",
            *self._rendered(spec, context, preview.problems),
        )
        preview.problems += self._faults(spec, context, preview.planned_work)
        return preview

    def _preview_behavior(self, preview: _BlockPreview, behavior: BlockBehavior, context: ExecutionContext) -> None:
        """Ask the block type. What is known before an error stays in the preview."""
        preview.effect = behavior.effects(context)
        preview.refusal = preview.refusal or refused_effect(context.effect_limit, preview.effect)
        preview.planned_work = behavior.plan(context)
        main = self._runtime.registry.catalog[context.spec.type].main
        if not preview.planned_work.action and preview.planned_work.problem is None and main is not None:
            preview.planned_work = replace(preview.planned_work, action=context.render(main))
        for url in filter(is_known, preview.planned_work.urls):
            self._runtime.resources.allow_list.check_url(url)

    def _rendered(self, spec: BlockSpec, context: ExecutionContext, problems: list[PlannedProblem]) -> list[str]:
        """Return all texts of a block as far as their values are known.
        Add a problem for each that can't be rendered.
        """
        catalog = self._runtime.registry.catalog
        texts = []
        for prop in catalog[spec.type].props if spec.type in catalog else ():
            for text in texts_in(spec.props.get(prop.name)) if prop.templated else ():
                try:
                    texts.append(context.render_text(text, prop.name))
                except RunbookError as error:
                    problems.append(self._problem(error, spec))
        return texts

    def _unknown(self, names: Mapping[str, None]) -> Mapping[str, str]:
        """Return the origins of unknown values, where their names do not show them."""
        providers = {
            name: self._unknowns.providers.get(name, "the run") for name in names if not name.startswith("secret.")
        }
        return {name: provider for name, provider in providers.items() if provider != ITERATIONS}

    def _action(self, spec: BlockSpec, not_run_reason: str | None, refusal: Refused | None) -> tuple[str, str | None]:
        """Return the action for a block, and its reason."""
        if not_run_reason is not None:
            return "skip", not_run_reason
        if spec.rules.skip is not None:
            return "skip", spec.rules.skip.reason
        if refusal is not None:
            return "refuse", refusal.message
        decision = self._run.not_run_above(spec)
        return ("run", None) if decision is None else ("skip", decision.reason)

    def _condition(self, spec: BlockSpec, context: ExecutionContext) -> str | None:
        """Return the condition under which the block runs; None if it always does."""
        condition = spec.rules.when
        if condition is None:
            return None
        explanation = Expression(condition.source).explain(context.resolver.names(ReadLog()))
        if explanation.error is not None:
            return f"when {condition.source}"
        return f"when {condition.source}: {'true' if explanation.holds else 'false, as things are'}"

    def _faults(
        self, spec: BlockSpec, context: ExecutionContext, planned_work: PlannedWork
    ) -> Iterator[PlannedProblem]:
        """Yield the problems that the block type does not report itself."""
        if planned_work.problem is not None and self._planner.answer_provider is None:
            yield PlannedProblem(message=planned_work.problem, location=str(spec.location), hint=planned_work.hint)
        program, env = planned_work.program, context.resolver.program_env()
        if program is not None and not _is_available(program, Path(context.resolver.cwd), env.get("PATH")):
            hint = "install it, or map it to another one: --runbook-interpreter"
            yield PlannedProblem(message=f"there is no {program} here", location=str(spec.location), hint=hint)
        names = context.resolver.names(ReadLog())
        own = {capture.name for capture in spec.rules.captures}
        for condition in conditions_of(spec):
            for name in sorted(names_under("var", condition.source, is_expression=True) or ()):
                if name not in own and self._is_undefined(names, name):
                    error = TemplateError(f"var.{name} is undefined", name=f"var.{name}", location=condition.location)
                    yield self._problem(self.document.explained(error, spec), spec)

    @staticmethod
    def _is_undefined(names: Mapping[str, object], name: str) -> bool:
        try:
            variables = names["var"]
            assert isinstance(variables, Mapping), "it is a namespace"
            variables[name]
        except KeyError:
            return True
        except UnknownValue:
            return False
        return False

    def _sets(self, spec: BlockSpec) -> list[str]:
        """Return the variables that a block sets, as far as its file shows them."""
        named = [capture.name for capture in spec.rules.captures]
        variable = spec.props.get("outputVariable")
        named += [variable] if isinstance(variable, str) and variable and is_known(variable) else []
        if spec.type == "dropdown" and isinstance(spec.props.get("name"), str):
            named.append(str(spec.props["name"]))
        written = (name for name in sorted(self._variables_read) if spec.may_set(name) and _writes(spec, name))
        is_exporting = spec.props.get("exportVars") is True
        exported = (name for name in sorted(self._variables_read) if is_exporting and self._is_unset_above(spec, name))
        return list(dict.fromkeys((*named, *written, *exported)))

    def _is_unset_above(self, spec: BlockSpec, name: str) -> bool:
        return name not in self.document.resolver_above(spec.id).vars

    def _set_placeholders(self, spec: BlockSpec, names: list[str], provider: str) -> None:
        """Set placeholders for the variables that a block sets, unless it declares them, for the blocks below."""
        passive = self.document.declared_variables(spec.id)
        values = tuple(
            DocumentVar(name, ContextValue(placeholder(f"var.{name}"), Origin(provider, spec.location)))
            for name in names
            if name not in passive
        )
        for value in values:
            self._unknowns.providers[f"var.{value.name}"] = f"{provider} ({spec.location})"
        if values:
            self.document.update_active_context(spec.id, lambda context: context.insert(DocumentVars(values)))

    def _nested_blocks(
        self, spec: BlockSpec, context: ExecutionContext, preview: _BlockPreview
    ) -> tuple[PlannedBlock, ...]:
        """Return the planned blocks of a block's sub-runbook."""
        path = preview.planned_work.path
        if path is None or not is_known(path) or not isinstance(context.resolver, PlanResolver):
            return ()
        try:
            runbook = self._children.find(context, ChildReference(path=path, uri="", id="", name=""))
        except RunbookError as error:
            preview.problems.append(self._problem(error, spec))
            return ()
        lineage = (*self._lineage, runbook)
        children = SubRunbooks(self._runtime, self._inputs, self._planner.read, lineage)
        runbook_planner = _RunbookPlanner(
            self._planner,
            runbook,
            self._inputs,
            children,
            context.resolver,
            self._unknowns,
            lineage,
            context.effect_limit,
        )
        blocks, faults = runbook_planner.blocks({})
        preview.problems += faults
        if runbook_planner.first_not_run is not None:
            self._run.mark_not_run({spec.id: f"is not whole: {runbook_planner.first_not_run}"})
        return blocks

    @property
    def first_not_run(self) -> str | None:
        return self._run.first_not_run

    def _secrets(self, spec: BlockSpec, names: Mapping[str, None]) -> tuple[str, ...]:
        """Return the names of the secrets that a block reads, also through declarations above it."""
        read = {name.removeprefix("secret.") for name in names if name.startswith("secret.")}
        for found in secret_names(spec):
            read |= found or frozenset()
        return tuple(sorted(read))

    def _problem(self, error: RunbookError, spec: BlockSpec) -> PlannedProblem:
        cause = error.__cause__
        if isinstance(error, TemplateError):
            error = self.document.explained(error, spec)
        elif isinstance(error, ContextError) and isinstance(cause, TemplateError):
            error = _with_hint(error, self.document.explained(cause, spec).hint)
        location = error.location or spec.location
        return PlannedProblem(message=error.message, location=str(location), hint=error.hint)


def _problem_of(error: RunbookError) -> PlannedProblem:
    return PlannedProblem(message=error.message, location=str(error.location), hint=error.hint)


def _with_hint(error: ContextError, hint: str | None) -> ContextError:
    """Return a copy of an error with another hint."""
    hinted = error.with_location()
    hinted.hint = hint
    return hinted


def _writes(spec: BlockSpec, name: str) -> bool:
    """Return True if the code of a block seems to set a variable: it has ``name=`` or ``name<<``."""
    return re.search(rf"\b{re.escape(name)}(=|<<)", str(spec.props.get("code"))) is not None


def _is_available(program: str, cwd: Path, path: str | None) -> bool:
    return not is_known(program) or find_program(program, cwd=cwd, path=path) is not None


def _for_each_text(spec: BlockSpec) -> str | None:
    for_each = spec.rules.for_each
    if for_each is None:
        return None
    over = for_each.over
    return f"for each {for_each.name} of {over.source if isinstance(over, Condition) else over}"
