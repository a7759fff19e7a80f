"""A document: one runbook that is open, with the contexts and executions of its blocks.

Everything happens in the event loop's thread, between two awaits. A block that runs keeps the resolver that it was
started with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..blocks.behavior import BlockBehavior
from ..context.answers import Answers, EnvironmentAnswers, LocalValues
from ..context.block_context import BlockContext
from ..context.items import BlockExecutionOutput, DocumentVar
from ..context.json_form import context_from_json
from ..context.resolver import NO_VALUES, ContextResolver, ProcessEnvironment, ResolvedContext, Values
from ..context.storage import ContextStorage, StoredContext
from ..errors import ContextError, RunbookError, TemplateError
from ..execution.context import ChildRunner, ContextChange
from ..execution.handle import ExecutionHandle
from ..execution.time_limit import TimeLimit
from ..messages.channel import ClientMessageChannel, NullChannel
from ..messages.client_messages import BlockContextUpdate, BlockExecutionOutputChanged, BlockStateChanged, PromptAnswer
from ..model.runbook import BlockSpec, Runbook, display_type
from ..policy.effects import EffectLimit
from ..policy.requirements import find_missing_requirement, required_secret_names
from ..secrets.masker import MASK
from ..secrets.provenance import ContextValue, Origin
from ..secrets.references import secrets_read
from ..secrets.sensitivity import SensitivityMarker
from ..secrets.sources import Secrets
from .context_chain import ChainEntry, ContextChain
from .context_fingerprint import context_fingerprint, is_large, storable_items, storage_document_id
from .doc_view import DocView, Outputs, nodes_by_name
from .executions import BlockSnapshot, Executions, unsupported_reason
from .first_change import ABOVE_ALL, blocks_reading, file_level_reads, first_change
from .inputs import Inputs, resolver_from_inputs, with_file_values
from .services import Services
from .workspace import workspace_root

ErrorT = TypeVar("ErrorT", bound=RunbookError)


class Document:
    """One runbook that is open.

    A document knows every block of the file, what it declares (its passive context) and what it left when it ran (its
    active context). From these it folds the context above each block, which `resolver_above` returns. `start_execution`
    runs one block; `RunbookRun` runs all of them in order. The file may be replaced at any time (`put_document`):
    active contexts stay with their blocks, and the client is sent the contexts that change.

    runbook: the current content of the file. run_id: of this opening of the runbook, its sub-runbooks included;
    processes and events of its blocks have it.
    outcome_texts: what happened to blocks, by id ("was skipped"), for errors about undefined variables.
    children: runs sub-runbooks. storage: replaces the runtime's.
    base_resolver: the resolver above the first block, for a sub-runbook.
    effect_limit: the strongest effect that is allowed, for a sub-runbook.
    """

    def __init__(
        self,
        runbook: Runbook,
        services: Services,
        run_id: str,
        inputs: Inputs,
        channel: ClientMessageChannel,
        children: ChildRunner,
        *,
        storage: ContextStorage | None = None,
        base_resolver: ContextResolver | None = None,
        effect_limit: EffectLimit | None = None,
    ) -> None:
        self.runbook = runbook
        self.run_id = run_id
        self.outcome_texts: dict[str, str] = {}
        self._services = services
        self._sensitivity = SensitivityMarker(services.masker)
        self._inputs = inputs.with_sensitivity(self._sensitivity)
        self._channel = channel
        self._storage = services.storage if storage is None else storage
        self._base_resolver = base_resolver
        effect_limit = EffectLimit.of_run(services.settings.effects) if effect_limit is None else effect_limit
        self.executions = Executions(services, run_id, self, channel, children, effect_limit)
        self._sent_contexts: dict[str, ResolvedContext] = {}
        self._states: dict[str, Mapping[str, object]] = {}
        self._names_read: set[str] = set()
        self._fixtures: Values = {} if base_resolver is None else base_resolver.fixtures
        self._chain = ContextChain(self._first_resolver, self._passive_context)
        self._secrets = self._declared_secrets(runbook)
        self._has_read_available_secrets = False
        self._load(runbook, ABOVE_ALL)
        if base_resolver is None:
            self.set_fixtures(inputs.fixtures)

    # Reading contexts

    @property
    def names_read(self) -> frozenset[str]:
        """The dotted names that anything in this document has read: ``var.region``."""
        return frozenset(self._names_read)

    @property
    def items(self) -> tuple[BlockSpec, ...]:
        """The blocks that do work, in the order of a run: clean-ups come last."""
        return self._items

    def spec(self, block_id: str) -> BlockSpec:
        return self._chain.entries[self._index[block_id]].spec

    def local_values(self, block_id: str) -> LocalValues:
        """Return the local values of a block: answers to its questions."""
        return self._chain.entries[self._index[block_id]].local_values

    def behavior(self, block_id: str) -> BlockBehavior | None:
        """Return the behavior of a block; None for a block type that is not supported."""
        return self._chain.entries[self._index[block_id]].behavior

    def above(self, block_id: str) -> tuple[BlockSpec, ...]:
        """Return the blocks above a block, in order."""
        return self.runbook.blocks[: self._index[block_id]]

    def resolver_above(self, block_id: str) -> ContextResolver:
        """Return the resolver of a block, with the context of all blocks above it."""
        index = self._index[block_id]
        return self._with_roots(self._chain.resolver_above(index), self._chain.entries[index])

    def resolved_context(self, block_id: str) -> ResolvedContext:
        """Return the context above a block as plain data."""
        return self.resolver_above(block_id).snapshot()

    def context_error_above(self, block_id: str) -> ContextError | None:
        """Return the first error in the contexts above a block; None if there is none."""
        return self._first_error(self._index[block_id])

    def final_context(self) -> ResolvedContext:
        """Return the context below the last block as plain data.

        :raises ContextError: if it can't be evaluated.
        """
        return self.final_resolver().snapshot()

    def final_resolver(self) -> ContextResolver:
        """Return the resolver below the last block.

        :raises ContextError: if it can't be evaluated.
        """
        error = self._first_error(len(self._chain.entries))
        if error is not None:
            raise error
        return self._chain.resolver_above(len(self._chain.entries))

    def output(self, block_id: str) -> Mapping[str, object] | None:
        """Return a block's ``output``; None if it has none."""
        index = self._index.get(block_id)
        if index is None:
            return None
        item = self._chain.entries[index].active.get(BlockExecutionOutput)
        return None if item is None else item.fields

    def state(self, block_id: str) -> Mapping[str, object]:
        """Return the visible state of a block: its options, its progress; empty if there is none."""
        return self._states.get(block_id, {})

    def label(self, spec: BlockSpec) -> str:
        """Return the name of a block in reports: ``block 3 "Build"``. A block that is no item has no number."""
        number = self.number(spec)
        if not number:
            return f'{spec.type} block "{spec.name}"' if spec.name else f"{spec.type} block"
        return f'block {number} "{spec.name}"' if spec.name else f"block {number} ({display_type(spec.type)})"

    def final_variables(self) -> dict[str, object]:
        """Return the variables below the last block."""
        return {name: value.value for name, value in self._chain.resolver_above(len(self._chain.entries)).vars.items()}

    @property
    def secrets(self) -> Container[object]:
        """The names of the declared secrets."""
        return self._secrets

    def declared_variables(self, block_id: str) -> frozenset[str]:
        """Return the variables that a block declares without running."""
        index = self._index[block_id]
        self._chain.resolver_above(index + 1)
        declared = self._chain.entries[index].passive.get(DocumentVar)
        return frozenset() if declared is None else frozenset({declared.name})

    def number(self, spec: BlockSpec) -> int:
        """Return the 1-based position of a block among the items of a run; 0 if it is no item."""
        return self._numbers.get(spec.id, 0)

    # Changes

    def put_document(self, runbook: Runbook) -> int | None:
        """Replace the file's content, also while blocks run. Return the index of the first affected block; None if
        there is none.

        Blocks that are still there keep their active contexts. A running block goes on unchanged.
        """
        changed = first_change(self.runbook, runbook)
        before = self._storage_id, set(self._index)
        self._load(runbook, len(runbook.blocks) if changed is None else changed)
        for block_id in before[1] - self._index.keys():
            self._sent_contexts.pop(block_id, None)
            self._states.pop(block_id, None)
            self._delete_stored(before[0], block_id)
        if changed is None:
            return None
        self._send_contexts(changed)
        return max(changed, 0)

    def rebuild_contexts(self, start: int = 0) -> None:
        """Evaluate the contexts again, from a block's index on."""
        self._chain.invalidate_from(start)
        self._send_contexts(start)

    def update_active_context(self, block_id: str, change: ContextChange) -> None:
        """Change the active context of a block.
        The blocks below see it at once. Nothing happens if the block is gone.
        """
        index = self._index.get(block_id)
        if index is None:
            return
        entry = self._chain.entries[index]
        before = entry.active.get(BlockExecutionOutput)
        change(entry.active)
        if entry.active.get(BlockExecutionOutput) is not before:
            self._channel.send(BlockExecutionOutputChanged(block_id))
        entry.active.mark_sensitive(self._sensitivity)
        self._refold(index)

    def update_passive_context(self, block_id: str, change: ContextChange) -> None:
        """Change the declaration of a block, until something above it changes. Nothing happens if the block is gone."""
        index = self._index.get(block_id)
        if index is None:
            return
        self._chain.resolver_above(index + 1)
        entry = self._chain.entries[index]
        change(entry.passive)
        entry.passive.mark_sensitive(self._sensitivity)
        self._refold(index)

    def clear_active_context(self, block_id: str) -> None:
        """Remove the active context of a block, also from the storage."""
        index = self._index.get(block_id)
        if index is None:
            return
        self._delete_stored(self._storage_id, block_id)
        if len(self._chain.entries[index].active):
            self._chain.entries[index].active = BlockContext()
            self._channel.send(BlockExecutionOutputChanged(block_id))
            self._refold(index)

    def show_state(self, block_id: str, state: Mapping[str, object]) -> None:
        """Replace the visible state of a block."""
        self._states[block_id] = state
        self._channel.send(BlockStateChanged(block_id, state))

    def reset(self) -> None:
        """Remove the active contexts and the visible states of all blocks."""
        self._states.clear()
        for entry in self._chain.entries:
            if len(entry.active):
                entry.active = BlockContext()
                self._channel.send(BlockExecutionOutputChanged(entry.spec.id))
        self.outcome_texts.clear()
        self._storage.delete_for_document(self._storage_id)
        self.rebuild_contexts()

    def set_answers(self, answers: Values) -> None:
        """Replace the strongest layer of `Inputs.answers`. Blocks that read them see the new ones at once."""
        marked = self._sensitivity.mark_values("answer", answers)
        self._inputs = replace(self._inputs, answers=(marked, *self._inputs.answers[1:]))
        self._load(self.runbook, 0)
        self._send_contexts(0)

    def set_fixtures(self, fixtures: Mapping[str, object]) -> None:
        """Add fixture values for templates."""
        known = self._fixtures
        new = {name: value for name, value in fixtures.items() if name not in known or known[name].value is not value}
        if not new:
            return
        self._fixtures = {**known, **{name: self._fixture_value(name, value) for name, value in new.items()}}
        if self._first_reading_fixtures is not None:
            self.rebuild_contexts(self._first_reading_fixtures)

    def read_available_secrets(self) -> bool:
        """Read the secrets that need no command, so that they are masked. Return True if others need a command."""
        if not self._has_read_available_secrets:
            self._has_read_available_secrets = True
            self._secrets.read_available()
        return any(source.command for source in self._secrets.all_sources())

    async def fetch_secrets(self, block_id: str) -> None:
        """Run the commands of the secrets that a block, or a declaration above it, may read."""
        if not self.read_available_secrets():
            return
        catalog = self._services.registry.catalog
        names = secrets_read(self.runbook, self.spec(block_id), self.above(block_id), catalog)
        if await self._secrets.fetch(names):
            self.rebuild_contexts(ABOVE_ALL)

    async def find_missing_requirement(self) -> RunbookError | None:
        """Return the error of the first requirement of the runbook that is not met; None if all are met."""
        required = self.runbook.requires
        if required and await self._secrets.fetch(required_secret_names(required)):
            self.rebuild_contexts(ABOVE_ALL)
        return find_missing_requirement(required, self._chain.resolver_above(0)) if required else None

    # Storage

    @property
    def _storage_id(self) -> str:
        """The id for the storage. Each matrix cell and each host of a runbook has its own."""
        return storage_document_id(self.runbook.id, self._inputs.host, self._inputs.cell)

    def save_context(self, block_id: str) -> None:
        """Store the active context of a block without secrets: variables that hold one are left out, outputs are
        masked.

        :raises OSError: if it can't be written.
        """
        index = self._index[block_id]
        entry = self._chain.entries[index]
        if not len(entry.active):
            return
        active, masker = entry.active.copy(), self._services.masker
        stored = StoredContext(
            lambda: storable_items(active, masker),
            partial(context_fingerprint, entry.spec, self._chain.fingerprint_above(index)),
        )
        if is_large(active):
            _ = stored.items  # made now: the functions above would keep all of the output in memory
        self._storage.save(self._storage_id, block_id, stored)

    def load_contexts(self) -> int:
        """Load the contexts of an earlier run for blocks with the same definition and context. Return how many were
        loaded.

        Stored contexts that are invalid count as absent.
        """
        loaded = 0
        for index, entry in enumerate(self._chain.entries):
            stored = self._storage.load(self._storage_id, entry.spec.id)
            if (
                stored is not None
                and stored.items
                and stored.fingerprint == context_fingerprint(entry.spec, self._chain.fingerprint_above(index))
            ):
                with suppress(ValueError):
                    entry.active = context_from_json(stored.items)
                    loaded += 1
                    self._chain.invalidate_from(index)
        self._send_contexts(0)
        return loaded

    # Executions

    def start_execution(self, block_id: str, limit: TimeLimit | None = None) -> ExecutionHandle:
        """Start a block, and return its handle at once. The block runs in the runtime's task group.

        :raises KeyError: if the document has no such block.
        :raises ContextError: if a context above it can't be evaluated.
        :raises RuntimeError: if it is running already, or its block type is not supported.
        """
        return self.executions.start(self.runnable(block_id), limit)

    def runnable(self, block_id: str) -> BlockSnapshot:
        """Return a block as it is now, to be run; raises the errors of `start_execution`."""
        block, error = self.snapshot(block_id), self.context_error_above(block_id)
        if block.behavior is None:
            raise RuntimeError(unsupported_reason(block.spec.type))
        if error is not None:
            raise error
        return block

    def snapshot(self, block_id: str) -> BlockSnapshot:
        """Return a block as it is now."""
        entry = self._chain.entries[self._index[block_id]]
        return BlockSnapshot(
            runbook=self.runbook,
            spec=entry.spec,
            behavior=entry.behavior,
            number=self.number(entry.spec),
            label=self.label(entry.spec),
            resolver=self.resolver_above(block_id),
            local_values=entry.local_values,
            explain=partial(self.explained, spec=entry.spec),
        )

    def cancel(self, block_id: str | None = None, reason: str = "cancelled") -> None:
        """Cancel a block; None: all blocks that run."""
        self.executions.cancel(block_id, reason)

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a prompt of a block, or of a block in its sub-runbook.

        :raises KeyError: if no running block has a prompt of this id.
        """
        self.executions.answer(prompt_id, answer)

    @property
    def running(self) -> Mapping[str, ExecutionHandle]:
        """The executions that are not settled, by block id."""
        return self.executions.running

    def explained(self, error: ErrorT, spec: BlockSpec) -> ErrorT:
        """Return an error; one about an undefined variable gets a hint which block could have set it."""
        dotted = error.name if isinstance(error, TemplateError) and error.name else ""
        root, _, name = dotted.partition(".")
        setters = [other for other in self.runbook.blocks if other.may_set(name)] if root == "var" and name else []
        if not setters or spec.id not in self._index:
            return error
        above = [setter for setter in setters if self._index[setter.id] < self._index[spec.id]]
        setter = above[-1] if above else setters[0]
        outcome_text = self._outcome_text(setter) if above else "stands below"
        explained = error.with_location()
        explained.hint = f"{dotted} is set by {self.label(setter)} ({setter.location}), which {outcome_text}"
        return explained

    def _outcome_text(self, spec: BlockSpec) -> str:
        """Return why a block has not set its variable."""
        if spec.type != "local-var":
            return self.outcome_texts.get(spec.id, "has not run")
        key = self._chain.entries[self._index[spec.id]].local_values.key
        return f"has no answer: give an answer to {key}"

    # Folding contexts

    def _load(self, runbook: Runbook, changed: int) -> None:
        """Take a runbook. What is known of the blocks above the first changed one stays, as do active contexts."""
        active_contexts = {entry.spec.id: entry.active for entry in self._chain.entries}
        unchanged = self._chain.entries[: max(changed, 0)]
        if runbook.secrets != self.runbook.secrets:
            self._secrets, self._has_read_available_secrets = self._declared_secrets(runbook), False
        self.runbook = runbook
        self._by_name = nodes_by_name(runbook.nodes)
        self._workspace = workspace_root(runbook.path)
        self._index = {spec.id: index for index, spec in enumerate(runbook.blocks)}
        self._items = self._services.registry.catalog.work_items(runbook)
        self._numbers = {spec.id: number for number, spec in enumerate(self._items, 1)}
        self._first_reading_fixtures = _first_reading_fixtures(runbook)
        strongest, *weaker = self._inputs.answers or (NO_VALUES,)
        answers = Answers((strongest, self._file_answers(), *weaker, EnvironmentAnswers()))
        saved_answers = self._services.settings.saved_answers
        ordinals = Counter(entry.spec.type for entry in unchanged)
        self._chain.entries = unchanged
        for spec in runbook.blocks[len(unchanged) :]:
            ordinals[spec.type] += 1
            behavior = self._services.registry.behavior(spec.type)
            entry = ChainEntry(
                spec=spec,
                behavior=None if behavior is None else behavior(spec, self.label(spec)),
                local_values=LocalValues(answers, spec, ordinals[spec.type], saved_answers),
                active=active_contexts.get(spec.id, BlockContext()),
            )
            self._chain.entries.append(entry)
        self._chain.invalidate_from(changed)

    def _file_answers(self) -> dict[str, ContextValue]:
        origin = Origin("answers", self.runbook.checks_location or self.runbook.location)
        answers = {key: ContextValue(answer, origin) for key, answer in self.runbook.answers.items()}
        return self._sensitivity.mark_values("answer", answers)

    def _passive_context(self, position: int, above: ContextResolver) -> BlockContext:
        """Return what the block at a position declares; raise `ContextError` if that can't be evaluated."""
        entry = self._chain.entries[position]
        if entry.behavior is None or not entry.behavior.has_passive_context:
            return BlockContext()
        resolver = self._with_roots(above, entry, partial(self._output_seen_from, position))
        try:
            declared = entry.behavior.passive_context(resolver, entry.local_values) or BlockContext()
        except ContextError:
            raise
        except Exception as error:
            raise _context_fault(error, entry.spec) from error
        declared.mark_sensitive(self._sensitivity)
        return declared

    def _output_seen_from(self, position: int, block_id: str) -> Mapping[str, object] | None:
        """Return a block's output for a declaration. One that reads a block below it is evaluated again when that
        changes.
        """
        if self._index.get(block_id, ABOVE_ALL) >= position:
            self._chain.mark_depends_below(position)
        return self.output(block_id)

    def _refold(self, index: int) -> None:
        self._send_contexts(self._chain.refold(index))

    def _first_error(self, index: int) -> ContextError | None:
        located = self._chain.error_above(index)
        return None if located is None else self._explained_context(*located)

    def _explained_context(self, position: int, error: ContextError) -> ContextError:
        """Return the error with a current hint: the block that could have set a name may have moved."""
        cause, explained = error.__cause__, error.with_location()
        if position > ABOVE_ALL and isinstance(cause, TemplateError):
            explained.hint = self.explained(cause, self._chain.entries[position].spec).hint
        return explained

    def _with_roots(
        self, resolver: ContextResolver, entry: ChainEntry, outputs: Outputs | None = None
    ) -> ContextResolver:
        spec = entry.spec
        roots = {
            **self._roots(),
            "doc": DocView(self.runbook.nodes, self._by_name, spec.node, outputs or self.output),
            "block": {"id": spec.id, "name": spec.name, "type": spec.type},
        }
        return resolver.with_roots(roots, self._fixtures)

    def _roots(self) -> dict[str, object]:
        """Return the root objects that are the same for all blocks."""
        workspace = {"workspace": {"root": str(self._workspace)}} if self._workspace else {}
        return {"runbook": {"id": self.runbook.id, "name": self.runbook.name}, **workspace}

    def _first_resolver(self) -> tuple[ContextResolver, ContextError | None]:
        """Return the resolver of the first block, and an error if the values at the top of the file can't be
        evaluated.
        """
        base = self._base_resolver or resolver_from_inputs(self.runbook, self._inputs, self._services.settings)
        resolver = base.with_roots(self._roots(), self._fixtures)
        resolver = replace(
            resolver,
            secrets=self._secrets,
            process_env=ProcessEnvironment(self._sensitivity.masker.add_if_sensitive),
            names_read=self._names_read,
            on_derived=self._sensitivity.masker.add_derived_secret,
        )
        try:
            return with_file_values(resolver, self.runbook, self._sensitivity.mark_value), None
        except TemplateError as error:
            return resolver, ContextError(error.message, location=error.location, hint=error.hint)

    def _declared_secrets(self, runbook: Runbook) -> Secrets:
        """Return the secrets of the file, and those from outside that it does not declare itself."""
        root, folder = self._services.settings.root, runbook.path.parent
        provided = {} if self._base_resolver else {source.name: (source, root) for source in self._inputs.secrets}
        return Secrets(
            sources={**provided, **{source.name: (source, folder) for source in runbook.secrets}},
            commands=self._services.resources.secret_commands,
            fixture=lambda name: self._fixtures.get(name),
            on_read=self._services.masker.add,
            inherited=self._base_resolver.secrets if self._base_resolver else NO_VALUES,
        )

    def _fixture_value(self, name: str, value: object) -> ContextValue:
        is_secret = any(source.fixture == name for source in self.runbook.secrets)
        origin = Origin(f'fixture "{name}"')
        return self._sensitivity.mark_value("fixture", name, ContextValue(value, origin, sensitive=is_secret))

    def _delete_stored(self, storage_id: str, block_id: str) -> None:
        try:
            self._storage.delete(storage_id, block_id)
        except OSError as error:
            self._services.warn(f"what an earlier run left could not be deleted: {error}")

    def _send_contexts(self, start: int) -> None:
        """Send the client each context that has changed, from an index on."""
        if isinstance(self._channel, NullChannel):
            return
        for entry in self._chain.entries[max(start, 0) :]:
            context = self.resolver_above(entry.spec.id).snapshot(self._masked_value)
            if self._sent_contexts.get(entry.spec.id) != context:
                self._sent_contexts[entry.spec.id] = context
                self._channel.send(BlockContextUpdate(entry.spec.id, context))

    def _masked_value(self, value: ContextValue) -> object:
        return MASK if value.sensitive else self._services.masker.mask_data(value.value)


def _first_reading_fixtures(runbook: Runbook) -> int | None:
    """Return the index of the first block that may read a fixture, also through a secret; None if there is none."""
    roots = ("fixture", "secret") if any(source.fixture for source in runbook.secrets) else ("fixture",)
    if any(file_level_reads(root, runbook) for root in roots):
        return ABOVE_ALL
    return min((index for root in roots for index in blocks_reading(root, runbook)), default=None)


def _context_fault(error: Exception, spec: BlockSpec) -> ContextError:
    """Return a `ContextError` for an exception that a third-party block type has raised."""
    if isinstance(error, RunbookError):
        return ContextError(error.message, location=error.location or spec.location, block=spec.label, hint=error.hint)
    message = f"a fault in the block type's code: {type(error).__name__}: {error}"
    return ContextError(message, location=spec.location, block=spec.label, hint="please report it to its author")
