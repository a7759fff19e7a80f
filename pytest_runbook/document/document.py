"""All blocks of one runbook in order, with what each tells the blocks below it.

Contexts are folded from the top as far as somebody asks and kept, so that a change costs only what lies below it and a
block costs the same wherever it stands. Everything happens in the event loop's thread, between two awaits: a block that
runs sees the snapshot that it was started with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..blocks.behavior import BlockBehavior
from ..context.block_context import BlockContext
from ..context.items import (
    BlockExecutionOutput,
    DocumentCwd,
    DocumentEnvVar,
    DocumentSshHost,
    DocumentVar,
)
from ..context.json_form import context_from_json, context_to_json
from ..context.local_values import Answers, EnvironmentAnswers, LocalValues
from ..context.resolver import LOCAL, NOTHING, ContextResolver, ResolvedContext, Values
from ..context.secrets import Secrets
from ..context.storage import StoredContext, stamp_of
from ..context.values import ContextValue, Source
from ..errors import ContextError, TemplateError
from ..execution.context import ContextChange, ExecutionContext, WorkResult
from ..execution.handle import ExecutionHandle
from ..execution.lifecycle import BlockRunner, Limit
from ..messages.channel import ClientMessageChannel, Silence
from ..messages.client import BlockContextUpdate, BlockExecutionOutputChanged
from ..model.catalog import BlockCatalog
from ..model.runbook import BlockSpec, Given, Runbook
from .changes import first_change
from .doc_view import DocView, nodes_by_name
from .workspace import default_directory, workspace_root

if TYPE_CHECKING:
    from .runtime import Runtime


ABOVE_ALL = -1
"""Where an error in the file's own variables stands: above its first block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is given to a runbook from outside.

    fixed: variables of options and matrix cells: stronger than what the file says. vars: weaker than that.
    env: environment beside the process's own. answers: layers, the strongest first.
    fixtures: what templates read as ``fixture.NAME``.
    """

    fixed: Values = field(default_factory=dict)
    vars: Values = field(default_factory=dict)
    env: Values = field(default_factory=dict)
    answers: tuple[Values, ...] = ()
    fixtures: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Station:
    """One block at its place in the document.

    behavior: None for a type that nothing runs yet.
    """

    spec: BlockSpec
    behavior: BlockBehavior | None
    local_values: LocalValues
    active: BlockContext
    passive: BlockContext = field(default_factory=BlockContext)


class Document:
    """One runbook, open.

    runbook: what its file says now. run_id: unique to this opening; what it starts is known by it.
    fates: what became of blocks that left nothing, by id, to explain what is undefined: "was skipped".
    """

    def __init__(self, runbook: Runbook, runtime: Runtime, run_id: str, inputs: Inputs, channel: ClientMessageChannel):
        self.runbook = runbook
        self.run_id = run_id
        self.fates: dict[str, str] = {}
        self._runtime = runtime
        self._inputs = inputs
        self._channel = channel
        self._running: dict[str, ExecutionHandle] = {}
        self._told: dict[str, ResolvedContext] = {}
        self._seen: set[str] = set()
        self._stations: list[Station] = []
        self._above: list[ContextResolver] = []
        self._errors: dict[int, ContextError] = {}
        self._load(runbook, {})

    # What blocks see

    @property
    def names_read(self) -> frozenset[str]:
        """The dotted names that anything in this document has read: ``var.region``."""
        return frozenset(self._seen)

    @property
    def items(self) -> tuple[BlockSpec, ...]:
        """The blocks that do work, in the order of a run: clean-ups come last."""
        return self._items

    def spec(self, block_id: str) -> BlockSpec:
        return self._stations[self._index[block_id]].spec

    def behavior(self, block_id: str) -> BlockBehavior | None:
        """What runs the block; None for a type that nothing runs yet."""
        return self._stations[self._index[block_id]].behavior

    def resolver_above(self, block_id: str) -> ContextResolver:
        """What a block sees: the fold over all blocks above it."""
        index = self._index[block_id]
        return self._with_roots(self._fold_to(index), self._stations[index])

    def resolved_context(self, block_id: str) -> ResolvedContext:
        """The same as plain data."""
        return self.resolver_above(block_id).snapshot()

    def context_error_above(self, block_id: str) -> ContextError | None:
        """The first error among the contexts that a block would stand on."""
        index = self._index[block_id]
        self._fold_to(index)
        first = min(self._errors, default=index)
        return self._errors[first] if first < index else None

    def output(self, block_id: str) -> Mapping[str, object] | None:
        """A block's ``output``, None if it left none."""
        index = self._index.get(block_id)
        if index is None:
            return None
        item = self._stations[index].active.get(BlockExecutionOutput)
        return None if item is None else item.fields

    def label(self, spec: BlockSpec) -> str:
        """How people call a block: ``block 3 "Build"``."""
        number = self._index[spec.id] + 1
        return f'block {number} "{spec.name}"' if spec.name else f"block {number} ({spec.type})"

    def final_variables(self) -> dict[str, object]:
        """The variables as they stand below the last block."""
        return {name: value.value for name, value in self._fold_to(len(self._stations)).vars.items()}

    def number(self, spec: BlockSpec) -> int:
        """A block's 1-based position among the items of a run."""
        return self._numbers[spec.id]

    # What changes it

    def put_document(self, runbook: Runbook) -> int | None:
        """Take a new version of the file, also while blocks run; gives the index of the first block that was touched.

        What blocks left stays with them, as long as they are there; a block that runs goes on as it was started.
        """
        changed = first_change(self.runbook, runbook)
        kept = {station.spec.id: station.active for station in self._stations}
        self._load(runbook, kept)
        for block_id in kept.keys() - self._index.keys():
            self._runtime.storage.delete(runbook.id, block_id)
        if changed is not None:
            self._tell_contexts()
        return changed

    def rebuild_contexts(self, start: int = 0) -> None:
        """Evaluate the contexts again, from a block's index on."""
        self._forget_from(start)
        self._tell_contexts()

    def update_active_context(self, block_id: str, change: ContextChange) -> None:
        """Change what a block left; the blocks below see it at once. Nothing happens if the block is gone."""
        index = self._index.get(block_id)
        if index is None:
            return
        station = self._stations[index]
        before = station.active.get(BlockExecutionOutput)
        change(station.active)
        if station.active.get(BlockExecutionOutput) is not before:
            self._channel.send(BlockExecutionOutputChanged(block_id))
        self._learn_secrets(station.active)
        self.rebuild_contexts(index)

    def update_passive_context(self, block_id: str, change: ContextChange) -> None:
        """Change what a block declares, until something above it changes."""
        index = self._index[block_id]
        self._fold_to(index + 1)
        station = self._stations[index]
        change(station.passive)
        self._above[index + 1 :] = [self._above[index].fold(station.passive).fold(station.active)]
        self._tell_contexts()

    def clear_active_context(self, block_id: str) -> None:
        """Take away what a block left, stored or not."""
        index = self._index.get(block_id)
        if index is None or not len(self._stations[index].active):
            return
        self._stations[index].active = BlockContext()
        self._runtime.storage.delete(self.runbook.id, block_id)
        self._channel.send(BlockExecutionOutputChanged(block_id))
        self.rebuild_contexts(index)

    def reset(self) -> None:
        """Take away what any block left, outputs included."""
        for station in self._stations:
            station.active = BlockContext()
        self.fates.clear()
        self._runtime.storage.delete_for_document(self.runbook.id)
        self.rebuild_contexts()

    def set_fixtures(self, fixtures: Mapping[str, object]) -> None:
        """Give templates further fixture values."""
        if fixtures:
            self._inputs = replace(self._inputs, fixtures={**self._inputs.fixtures, **fixtures})

    # What is kept

    def save_context(self, block_id: str) -> None:
        """Store what a block left. :raises OSError: if it can't be written."""
        station = self._stations[self._index[block_id]]
        items = context_to_json(station.active)
        if items:
            masked = self._runtime.redactor.redact_data(items)
            assert isinstance(masked, list)
            self._runtime.storage.save(self.runbook.id, block_id, StoredContext(masked, self._stamp(station)))

    def load_contexts(self) -> int:
        """Take what an earlier run left to blocks that are the same and see the same; gives to how many."""
        loaded = 0
        for station in self._stations:
            stored = self._runtime.storage.load(self.runbook.id, station.spec.id)
            self._fold_to(self._index[station.spec.id])
            if stored is not None and stored.stamp == self._stamp(station):
                station.active = context_from_json(stored.items)
                self._forget_from(self._index[station.spec.id])
                loaded += 1
        return loaded

    # What runs

    def start_execution(self, block_id: str, limit: Limit | None = None) -> ExecutionHandle:
        """Start a block and give its handle at once; the block runs in the runtime's task group.

        :raises KeyError: if the document has no such block.
        :raises ContextError: if a context above it can't be evaluated.
        :raises RuntimeError: if it runs already, or nothing runs its type yet.
        """
        station = self._stations[self._index[block_id]]
        if block_id in self._running:
            raise RuntimeError(f"{self.label(station.spec)} is running already")
        if station.behavior is None:
            raise RuntimeError(not_supported(station.spec.type))
        error = self.context_error_above(block_id)
        if error is not None:
            raise error
        runner = self._runner(station, station.behavior, limit or self._runtime.block_limit(self.runbook, station.spec))
        handle = self._running[block_id] = runner.context.handle
        self._runtime.start(self._run, block_id, runner)
        return handle

    def cancel(self, block_id: str | None = None, reason: str = "cancelled") -> None:
        """Ask a block to end, or all that run."""
        for running, handle in tuple(self._running.items()):
            if block_id in (None, running):
                handle.cancel(reason)

    @property
    def running(self) -> Mapping[str, ExecutionHandle]:
        """The executions that are not settled, by block id."""
        return dict(self._running)

    async def _run(self, block_id: str, runner: BlockRunner) -> None:
        try:
            await runner.run()
        finally:
            del self._running[block_id]

    def _runner(self, station: Station, behavior: BlockBehavior, limit: Limit) -> BlockRunner:
        runtime = self._runtime
        spec = station.spec
        context = ExecutionContext(
            spec=spec,
            run_id=self.run_id,
            resolver=self.resolver_above(spec.id),
            handle=ExecutionHandle(spec.id),
            store=self,
            resources=runtime.resources,
            redactor=runtime.redactor,
            channel=self._channel,
            events=runtime.events,
        )
        return BlockRunner(
            context=context,
            execute=self._work(behavior),
            limit=limit,
            number=self.number(spec),
            label=self.label(spec),
            difference=runtime.settings.difference,
        )

    def _work(self, behavior: BlockBehavior) -> Callable[[ExecutionContext], Awaitable[WorkResult]]:
        """The block's work, in its own scope, with what is undefined explained."""

        async def work(context: ExecutionContext) -> WorkResult:
            try:
                context.resolver = self._in_scope(context.spec, context.resolver)
                return await behavior.execute(context)
            except TemplateError as error:
                raise self.explained(error, context.spec) from error

        return work

    def _in_scope(self, spec: BlockSpec, resolver: ContextResolver) -> ContextResolver:
        """What the block sees, with the keys that stand beside its type."""
        scope, source = spec.rules.scope, Source("this block's own keys", spec.place)
        for given in scope.vars:
            resolver = resolver.fold(BlockContext(DocumentVar(given.name, _value(resolver, given, source))))
        for given in scope.env:
            resolver = resolver.fold(BlockContext(DocumentEnvVar(given.name, _value(resolver, given, source))))
        if scope.directory is not None:
            resolver = resolver.fold(BlockContext(DocumentCwd(_value(resolver, scope.directory, source))))
        if scope.host is not None:
            host = _value(resolver, scope.host, source)
            resolver = resolver.fold(BlockContext(DocumentSshHost(None if host.value == LOCAL else host)))
        return resolver

    def explained(self, error: TemplateError, spec: BlockSpec) -> TemplateError:
        """The same error, saying which block could have set what is undefined."""
        root, _, name = (error.name or "").partition(".")
        setters = [other for other in self.runbook.blocks if _may_set(other, name)] if root == "var" and name else []
        if not setters:
            return error
        here = self._index[spec.id]
        told = error.located()
        above = [setter for setter in setters if self._index[setter.id] < here]
        if above:
            fate = self.fates.get(above[-1].id, "has not run")
            told.hint = f"{error.name} is set by {self.label(above[-1])} ({above[-1].place}), which {fate}"
        else:
            told.hint = f"{error.name} is set by {self.label(setters[0])} ({setters[0].place}), which stands below"
        return told

    # How contexts are folded

    def _load(self, runbook: Runbook, kept: Mapping[str, BlockContext]) -> None:
        self.runbook = runbook
        self._by_name = nodes_by_name(runbook.nodes)
        self._workspace = workspace_root(runbook.path)
        self._index = {spec.id: index for index, spec in enumerate(runbook.blocks)}
        strongest, *weaker = self._inputs.answers or (NOTHING,)
        answers = Answers((strongest, self._file_answers(), *weaker, EnvironmentAnswers()))
        ordinals: Counter[str] = Counter()
        self._stations = []
        for spec in runbook.blocks:
            ordinals[spec.type] += 1
            behavior = self._runtime.registry.behavior(spec.type)
            station = Station(
                spec=spec,
                behavior=None if behavior is None else behavior(spec, self.label(spec)),
                local_values=LocalValues(answers, spec, ordinals[spec.type]),
                active=kept.get(spec.id, BlockContext()),
            )
            self._stations.append(station)
        self._items = items_of(runbook, self._runtime.registry.catalog)
        self._numbers = {spec.id: number for number, spec in enumerate(self._items, 1)}
        self._above = []
        self._errors.clear()

    def _file_answers(self) -> dict[str, ContextValue]:
        source = Source("answers", self.runbook.checks or self.runbook.place)
        return {key: ContextValue(answer, source) for key, answer in self.runbook.answers.items()}

    def _fold_to(self, index: int) -> ContextResolver:
        """The resolver above a block, folded on from where it was left."""
        if not self._above:
            self._above.append(self._first_resolver())
        for position in range(len(self._above) - 1, index):
            above, station = self._above[position], self._stations[position]
            self._evaluate(position, above)
            self._above.append(above.fold(station.passive).fold(station.active))
        return self._above[index]

    def _forget_from(self, index: int) -> None:
        """Let what lies below a block be folded again when somebody asks."""
        del self._above[index + 1 :]
        for position in [position for position in self._errors if position >= index]:
            del self._errors[position]

    def _evaluate(self, position: int, above: ContextResolver) -> None:
        station = self._stations[position]
        station.passive = BlockContext()
        if station.behavior is None:
            return
        try:
            resolver = self._with_roots(above, station)
            station.passive = station.behavior.passive_context(resolver, station.local_values) or BlockContext()
            self._learn_secrets(station.passive)
        except ContextError as error:
            self._errors[position] = self._explained_context(error, station.spec)

    def _explained_context(self, error: ContextError, spec: BlockSpec) -> ContextError:
        if isinstance(error.__cause__, TemplateError):
            error.hint = self.explained(error.__cause__, spec).hint
        return error

    def _with_roots(self, resolver: ContextResolver, station: Station) -> ContextResolver:
        spec = station.spec
        workspace = {"workspace": {"root": str(self._workspace)}} if self._workspace else {}
        return resolver.with_roots(
            doc=DocView(self.runbook.nodes, self._by_name, spec.node, self.output),
            runbook={"id": self.runbook.id, "name": self.runbook.name},
            block={"id": spec.id, "name": spec.name, "type": spec.type},
            fixture=self._inputs.fixtures,
            **workspace,
        )

    def _first_resolver(self) -> ContextResolver:
        """What the first block sees: what is given from outside, and what the file says at its top."""
        inputs, runtime = self._inputs, self._runtime
        resolver = ContextResolver.start(
            str(default_directory(self.runbook, runtime.settings)),
            vars=inputs.vars,
            fixed=inputs.fixed,
            given_env=inputs.env,
            secrets=Secrets(self.runbook.secrets, runtime.redactor.add),
            seen=self._seen,
        ).with_roots(runbook={"id": self.runbook.id, "name": self.runbook.name}, fixture=inputs.fixtures)
        try:
            return self._with_file_values(resolver)
        except TemplateError as error:
            self._errors[ABOVE_ALL] = ContextError(error.message, place=error.place, hint=error.hint)
            return resolver

    def _with_file_values(self, resolver: ContextResolver) -> ContextResolver:
        for given in self.runbook.env:
            value = _value(resolver, given, Source("env", given.place))
            resolver = resolver.fold(BlockContext(DocumentEnvVar(given.name, value)))
        fixed = dict(resolver.fixed)
        for given in self.runbook.checks_vars:
            if given.name not in fixed:
                fixed[given.name] = _value(resolver, given, Source("the checks file", given.place))
                resolver = replace(resolver, vars=resolver.vars.set(given.name, fixed[given.name]))
        resolver = replace(resolver, fixed=fixed)
        for given in self.runbook.vars:
            value = _value(resolver, given, Source("vars", given.place))
            resolver = resolver.fold(BlockContext(DocumentVar(given.name, value)))
        return resolver

    def _learn_secrets(self, context: BlockContext) -> None:
        for item in context:
            if isinstance(item, DocumentVar | DocumentEnvVar) and item.value.sensitive:
                self._runtime.redactor.add(str(item.value.value), item.name)

    def _stamp(self, station: Station) -> str:
        resolver = self._fold_to(self._index[station.spec.id])
        variables = {name: str(value.value) for name, value in resolver.vars.items() if not value.sensitive}
        parts = {"type": station.spec.type, "props": dict(station.spec.props), "host": resolver.host, "vars": variables}
        return stamp_of(parts)

    def _tell_contexts(self) -> None:
        """Tell the client of each block that sees something else than before, if anybody listens."""
        if isinstance(self._channel, Silence):
            return
        for station in self._stations:
            context = self.resolved_context(station.spec.id)
            if self._told.get(station.spec.id) != context:
                self._told[station.spec.id] = context
                self._channel.send(BlockContextUpdate(station.spec.id, context))


def items_of(runbook: Runbook, catalog: BlockCatalog) -> tuple[BlockSpec, ...]:
    """The blocks of a runbook that do work, in the order of a run: clean-ups come last."""
    items = [spec for spec in runbook.blocks if spec.type not in catalog or catalog[spec.type].is_item]
    return (*(s for s in items if not s.rules.is_cleanup), *(s for s in items if s.rules.is_cleanup))


def not_supported(block_type: str) -> str:
    """Why a block of a type that nothing runs yet does not run."""
    return f"{block_type} blocks are not supported yet"


def _value(resolver: ContextResolver, given: Given, source: Source) -> ContextValue:
    try:
        return resolver.resolve_value(given.value, source)
    except TemplateError as error:
        raise error.located(given.place.below((error.line or 1) - 1)) from error


def _may_set(spec: BlockSpec, variable: str) -> bool:
    """True if the block says that it sets this variable, or its program may do so."""
    if variable in (spec.props.get("outputVariable"), spec.props.get("variableName")):
        return True
    if any(capture.name == variable for capture in spec.rules.captures):
        return True
    return spec.type in ("var", "local-var", "dropdown") and spec.props.get("name") == variable
