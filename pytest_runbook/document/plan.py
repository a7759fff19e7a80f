"""What would run where, told without touching anything: no connection, no program, no question, no secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..blocks.behavior import BlockBehavior
from ..blocks.planned_work import Intent
from ..context.items import DocumentVar, DocumentVars
from ..context.plan_resolver import TURNS, Legend, PlanResolver
from ..context.storage import MemoryStorage
from ..errors import ContextError, Refused, RunbookError, TemplateError
from ..execution.context import ExecutionContext
from ..execution.sub_runbooks import ChildReference
from ..messages.channel import Silence
from ..model.runbook import BlockSpec, Condition, Runbook, type_for_people
from ..policy.effect_limit import EffectLimit
from ..policy.effects import Effect
from ..policy.permissions import refusal_of, refused_effect, undeclared_secret
from ..resources.process.interpreters import find_program
from ..secrets.masker import Redactor
from ..secrets.provenance import ContextValue, Reads, Source
from ..secrets.references import secret_names
from ..templates import Expression
from ..templates.name_references import names_under
from ..templates.preview import OPEN, NotKnown, is_known, placeholder
from .document import Document
from .inputs import Inputs, given_from_outside
from .run import RunbookRun
from .sub_runbooks import SubRunbooks
from .template_check import texts_in

if TYPE_CHECKING:
    from .runtime import Runtime

_PLACEHOLDER = re.compile(r"⟨([^⟨⟩]*)⟩")
_ANY_VARIABLE = re.compile(r"\bvar\.(\w+)")
Read = Callable[[Path, str], Runbook]


class PlanRedactor(Redactor):
    """Knows no secret by what only stands for it."""

    def add(self, value: str, name: str) -> None:
        if is_known(value):
            super().add(value, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProblem:
    """What is wrong, where, and what to do about it."""

    message: str
    place: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBlock:
    """What one block would do.

    action: run, skip or refuse; why: the reason where it does not run, the condition on which it does.
    does: its work, rendered as far as it is known. unknown: who gives what is not, by the name that stands there.
    secrets: the names of those that it reads. sets: the variables that it leaves. limit: its deadline in seconds.
    blocks: those of the runbook that it runs.
    """

    number: int
    name: str
    type: str
    place: str
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunbookPlan:
    """What one runbook would do. limit: the deadline of all its blocks but the clean-ups, in seconds, if it has one."""

    path: str
    name: str
    cell: str | None
    environment: str | None
    limit: float | None
    requires: tuple[str, ...]
    blocks: tuple[PlannedBlock, ...]
    problems: tuple[PlannedProblem, ...]

    @property
    def all_problems(self) -> tuple[PlannedProblem, ...]:
        return (*self.problems, *(problem for block in self.blocks for problem in problems_of_block(block)))

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def problems_of_block(block: PlannedBlock) -> Iterator[PlannedProblem]:
    """Those of a block, and of the blocks that it runs."""
    yield from block.problems
    for inner in block.blocks:
        yield from problems_of_block(inner)


@dataclass(slots=True)
class _Seen:
    """What was seen of one block. texts: all of its texts, as far as they are known."""

    refusal: Refused | None
    effect: Effect | None = None
    intent: Intent = field(default_factory=Intent)
    texts: list[str] = field(default_factory=list)
    problems: list[PlannedProblem] = field(default_factory=list)


class _PlannedDocument(Document):
    """A document of which nothing has run: outputs are known when they are there."""

    def output(self, block_id: str) -> Mapping[str, object] | None:
        raise NotKnown(f"{OPEN}the output{placeholder('')[1:]}", f"the run of block {block_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Looks through runbooks.

    read: reads a runbook that another one runs. others: who may give variables that nothing in a file sets.
    answers_others: who may answer blocks that ask, beside what is known; None: nobody.
    """

    runtime: Runtime
    read: Read
    others: str | None = None
    answers_others: str | None = None

    def plan(
        self, runbook: Runbook, inputs: Inputs, *, left_out: Mapping[str, str] | None = None, cell: str | None = None
    ) -> RunbookPlan:
        """What a runbook would do. left_out: what became of blocks that are not to run, by id. cell: of its matrix."""
        settings = self.runtime.settings
        others = "a runbook that this one needs" if runbook.needs else self.others
        fixtures = {*runbook.wanted_fixtures, *(name for spec in runbook.blocks for name in spec.rules.fixtures)}
        legend = Legend(others=others, fixtures=frozenset(fixtures))
        outside = PlanResolver.of(given_from_outside(runbook, inputs, settings), legend)
        children = SubRunbooks(self.runtime, inputs, self.read, (runbook,))
        pages = _Pages(self, runbook, inputs, children, outside, legend, (runbook,), None)
        blocks, problems = pages.blocks(left_out or {})
        undeclared = (undeclared_secret(named, pages.document.secrets) for named in runbook.requires)
        problems = (*(_told(error) for error in undeclared if error is not None), *problems)
        return RunbookPlan(
            path=str(runbook.place),
            name=runbook.name,
            cell=cell,
            environment=settings.environment,
            limit=runbook.timeouts.total,
            requires=tuple(named.name for named in runbook.requires),
            blocks=blocks,
            problems=problems,
        )


class _Pages:
    """One runbook, looked through from top to bottom."""

    def __init__(
        self,
        planner: Planner,
        runbook: Runbook,
        inputs: Inputs,
        children: SubRunbooks,
        outside: PlanResolver,
        legend: Legend,
        lineage: tuple[Runbook, ...],
        limit: EffectLimit | None,
    ) -> None:
        self._planner = planner
        self._runtime = planner.runtime
        self._runbook = runbook
        self._inputs = inputs
        self._children = children
        self._legend = legend
        self._lineage = lineage
        self.document = _PlannedDocument(
            runbook,
            self._runtime,
            "plan",
            inputs,
            Silence(),
            children,
            storage=MemoryStorage(),
            outside=outside,
            limit=limit,
        )
        self._run = RunbookRun(self.document, self._runtime)
        self._read_names = frozenset(_ANY_VARIABLE.findall(repr(runbook.blocks)))

    def blocks(self, left_out: Mapping[str, str]) -> tuple[tuple[PlannedBlock, ...], tuple[PlannedProblem, ...]]:
        """All blocks that do work, and what is wrong with what stands between them."""
        self._run.leave_out(left_out)
        planned, problems = [], []
        told: set[str] = set()
        for spec in self._runbook.blocks:
            if self.document.number(spec):
                block = self._block(spec, left_out.get(spec.id))
                error = self.document.context_error_above(spec.id)
                if error is not None and str(error) not in told:
                    told.add(str(error))
                    problems.append(self._problem(error, spec))
                planned.append(block)
            elif self._planner.answers_others is not None and spec.type == "local-var":
                self._leave(spec, [str(spec.props.get("name"))], self._planner.answers_others)
        return tuple(sorted(planned, key=lambda block: block.number)), tuple(problems)

    def _block(self, spec: BlockSpec, fate: str | None) -> PlannedBlock:
        document = self.document
        limit = self._runtime.block_limit(self._runbook, spec)
        context = document.executions.context(spec.id, limit)
        seen = self._seen(spec, context)
        action, why = self._action(spec, fate, seen.refusal)
        sets, inner = self._sets(spec), tuple[PlannedBlock, ...]()
        if action == "run":
            inner = self._inner(spec, context, seen)
            why = self._condition(spec, context)
            self._leave(spec, sets, document.label(spec))
        elif seen.refusal is not None or spec.rules.skip is not None:
            self._run.leave_out({spec.id: "is refused" if seen.refusal else "is skipped"})
        names = dict.fromkeys(_PLACEHOLDER.findall("\n".join(seen.texts)))
        return PlannedBlock(
            number=document.number(spec),
            name=spec.name,
            type=type_for_people(spec.type),
            place=str(spec.place),
            action=action,
            why=why,
            is_cleanup=spec.rules.is_cleanup,
            effects=str(seen.effect.level) if seen.effect else None,
            effects_reason=seen.effect.reason if seen.effect else None,
            does=seen.intent.does,
            where=seen.intent.where,
            limit=limit.seconds,
            loop=_loop(spec),
            unknown=self._unknown(names),
            secrets=self._secrets(spec, names),
            sets=tuple(sets),
            problems=tuple(dict.fromkeys(seen.problems)) if action == "run" else (),
            blocks=inner,
        )

    def _seen(self, spec: BlockSpec, context: ExecutionContext) -> _Seen:
        """What can be seen of a block; where the context above it is wrong, that is told and nothing else."""
        behavior = self.document.behavior(spec.id)
        seen = _Seen(refusal=refusal_of(self._runbook, spec, behavior, self._runtime.settings))
        if behavior is None or self.document.context_error_above(spec.id) is not None:
            return seen
        try:
            context.resolver = self.document.executions.in_scope(spec, context.resolver)
            self._look(seen, behavior, context)
        except Refused as refusal:
            seen.refusal = seen.refusal or refusal
        except NotKnown as unknown:
            seen.texts.append(unknown.text)
        except RunbookError as error:
            seen.problems.append(self._problem(error, spec))
        except Exception as error:  # a block type that does not expect to be asked so early
            seen.intent = Intent(does=f"(it can't be told before it runs: {error})")
        seen.texts += (seen.intent.does, seen.intent.where or "", *self._rendered(spec, context, seen.problems))
        seen.problems += self._faults(spec, context, seen.intent)
        return seen

    def _look(self, seen: _Seen, behavior: BlockBehavior, context: ExecutionContext) -> None:
        """Ask its behaviour; what it says first stays, whatever comes after it."""
        seen.effect = behavior.effects(context)
        seen.refusal = seen.refusal or refused_effect(context.limit, seen.effect)
        seen.intent = behavior.plan(context)
        main = self._runtime.registry.catalog[context.spec.type].main
        if not seen.intent.does and seen.intent.problem is None and main is not None:
            seen.intent = replace(seen.intent, does=context.render(main))
        for url in filter(is_known, seen.intent.urls):
            self._runtime.resources.allowed.check_url(url)

    def _rendered(self, spec: BlockSpec, context: ExecutionContext, problems: list[PlannedProblem]) -> list[str]:
        """All texts of a block, as far as they are known; a problem for each that can't be rendered."""
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
        """Who gives what is not known, as far as that is not said by its name."""
        givers = {name: self._legend.givers.get(name, "the run") for name in names if not name.startswith("secret.")}
        return {name: giver for name, giver in givers.items() if giver != TURNS}

    def _action(self, spec: BlockSpec, fate: str | None, refusal: Refused | None) -> tuple[str, str | None]:
        """What becomes of it, and why."""
        if fate is not None:
            return "skip", fate
        if spec.rules.skip is not None:
            return "skip", spec.rules.skip.reason
        if refusal is not None:
            return "refuse", refusal.message
        gap = self._run.gap_above(spec)
        return ("run", None) if gap is None else ("skip", gap.reason)

    def _condition(self, spec: BlockSpec, context: ExecutionContext) -> str | None:
        """On what it hangs whether it runs, as far as that is open."""
        condition = spec.rules.when
        if condition is None:
            return None
        explanation = Expression(condition.source).explain(context.resolver.names(Reads()))
        if explanation.error is not None:
            return f"when {condition.source}"
        return f"when {condition.source}: {'true' if explanation.holds else 'false, as things are'}"

    def _faults(self, spec: BlockSpec, context: ExecutionContext, intent: Intent) -> Iterator[PlannedProblem]:
        """What is wrong beside what its behaviour says."""
        if intent.problem is not None and self._planner.answers_others is None:
            yield PlannedProblem(message=intent.problem, place=str(spec.place), hint=intent.hint)
        program, env = intent.program, context.resolver.program_env()
        if program is not None and not _is_here(program, Path(context.resolver.cwd), env.get("PATH")):
            hint = "install it, or map it to another one: --runbook-interpreter"
            yield PlannedProblem(message=f"there is no {program} here", place=str(spec.place), hint=hint)
        names = context.resolver.names(Reads())
        own = {capture.name for capture in spec.rules.captures}
        for condition in _conditions(spec):
            for name in sorted(names_under("var", condition.source, is_expression=True) or ()):
                if name not in own and self._is_undefined(names, name):
                    error = TemplateError(f"var.{name} is undefined", name=f"var.{name}", place=condition.place)
                    yield self._problem(self.document.explained(error, spec), spec)

    @staticmethod
    def _is_undefined(names: Mapping[str, object], name: str) -> bool:
        try:
            variables = names["var"]
            assert isinstance(variables, Mapping), "it is a namespace"
            variables[name]
        except KeyError:
            return True
        except NotKnown:
            return False
        return False

    def _sets(self, spec: BlockSpec) -> list[str]:
        """The variables that it leaves, as far as its file says so."""
        named = [capture.name for capture in spec.rules.captures]
        variable = spec.props.get("outputVariable")
        named += [variable] if isinstance(variable, str) and variable and is_known(variable) else []
        if spec.type == "dropdown" and isinstance(spec.props.get("name"), str):
            named.append(str(spec.props["name"]))
        written = (name for name in sorted(self._read_names) if spec.may_set(name) and _writes(spec, name))
        is_exporting = spec.props.get("exportVars") is True
        exported = (name for name in sorted(self._read_names) if is_exporting and self._is_open(spec, name))
        return list(dict.fromkeys((*named, *written, *exported)))

    def _is_open(self, spec: BlockSpec, name: str) -> bool:
        return name not in self.document.resolver_above(spec.id).vars

    def _leave(self, spec: BlockSpec, names: list[str], by: str) -> None:
        """Let the blocks below see that it will set these variables, where they do not know them already."""
        passive = self.document.declared_variables(spec.id)
        values = tuple(
            DocumentVar(name, ContextValue(placeholder(f"var.{name}"), Source(by, spec.place)))
            for name in names
            if name not in passive
        )
        for value in values:
            self._legend.givers[f"var.{value.name}"] = f"{by} ({spec.place})"
        if values:
            self.document.update_active_context(spec.id, lambda left: left.insert(DocumentVars(values)))

    def _inner(self, spec: BlockSpec, context: ExecutionContext, seen: _Seen) -> tuple[PlannedBlock, ...]:
        """The blocks of the runbook that it runs."""
        path = seen.intent.path
        if path is None or not is_known(path) or not isinstance(context.resolver, PlanResolver):
            return ()
        try:
            runbook = self._children.find(context, ChildReference(path=path, uri="", id="", name=""))
        except RunbookError as error:
            seen.problems.append(self._problem(error, spec))
            return ()
        lineage = (*self._lineage, runbook)
        children = SubRunbooks(self._runtime, self._inputs, self._planner.read, lineage)
        pages = _Pages(
            self._planner, runbook, self._inputs, children, context.resolver, self._legend, lineage, context.limit
        )
        blocks, faults = pages.blocks({})
        seen.problems += faults
        if pages.gap is not None:
            self._run.leave_out({spec.id: f"is not whole: {pages.gap}"})
        return blocks

    @property
    def gap(self) -> str | None:
        return self._run.gap

    def _secrets(self, spec: BlockSpec, names: Mapping[str, None]) -> tuple[str, ...]:
        """The names of the secrets that it reads, or that stand in what others declare for it."""
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
        place = error.place or spec.place
        return PlannedProblem(message=error.message, place=str(place), hint=error.hint)


def _told(error: RunbookError) -> PlannedProblem:
    return PlannedProblem(message=error.message, place=str(error.place), hint=error.hint)


def _with_hint(error: ContextError, hint: str | None) -> ContextError:
    """The same error with another hint."""
    told = error.located()
    told.hint = hint
    return told


def _writes(spec: BlockSpec, name: str) -> bool:
    """True if its code holds what sets that variable, as far as one can see."""
    return re.search(rf"\b{re.escape(name)}(=|<<)", str(spec.props.get("code"))) is not None


def _is_here(program: str, cwd: Path, path: str | None) -> bool:
    return not is_known(program) or find_program(program, cwd=cwd, path=path) is not None


def _conditions(spec: BlockSpec) -> Iterator[Condition]:
    rules = spec.rules
    yield from (*rules.assertions, *rules.warnings, *(capture.expression for capture in rules.captures))
    if rules.when is not None:
        yield rules.when
    if rules.loop is not None and isinstance(rules.loop.over, Condition):
        yield rules.loop.over


def _loop(spec: BlockSpec) -> str | None:
    loop = spec.rules.loop
    if loop is None:
        return None
    over = loop.over
    return f"for each {loop.name} of {over.source if isinstance(over, Condition) else over}"
