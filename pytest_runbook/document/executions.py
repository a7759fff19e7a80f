"""The running blocks of a document: starts them, cancels them, passes answers to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..blocks.behavior import BlockBehavior
from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.items import DocumentCwd, DocumentEnvVar, DocumentSshHost, DocumentVar
from ..context.resolver import ContextResolver
from ..errors import TemplateError
from ..execution.assertions import Explain
from ..execution.attempt import Attempt
from ..execution.block_runner import BlockRunner
from ..execution.context import ChildRunner, ContextStore, ExecutionContext, WorkResult
from ..execution.handle import ExecutionHandle
from ..execution.result import BlockResult
from ..execution.time_limit import TimeLimit
from ..messages.channel import ClientMessageChannel
from ..messages.client_messages import PromptAnswer
from ..model.runbook import BlockSpec, Declaration, Effects, Runbook
from ..policy.effects import EffectLimit, refused_effect
from ..secrets.provenance import ContextValue, Origin
from ..secrets.sensitivity import SensitivityMarker
from .inputs import render_declaration
from .services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSnapshot:
    """A block of a document as it is now, with everything that is needed to run it.

    behavior: None for a block type that is not supported. number: its 1-based position in reports; 0 if it is no item.
    resolver: the context above the block.
    explain: adds to an error which block could have set an undefined variable.
    """

    runbook: Runbook
    spec: BlockSpec
    behavior: BlockBehavior | None
    number: int
    label: str
    resolver: ContextResolver
    local_values: LocalValues
    explain: Explain


class Executions:
    """The running blocks of one document. Each block runs at most once at a time.

    store: the contexts of the document's blocks. children: runs sub-runbooks.
    effect_limit: the strongest effect that is allowed.
    """

    def __init__(
        self,
        services: Services,
        run_id: str,
        store: ContextStore,
        channel: ClientMessageChannel,
        children: ChildRunner,
        effect_limit: EffectLimit,
    ) -> None:
        self._services = services
        self._run_id = run_id
        self._store = store
        self._channel = channel
        self._children = children
        self._effect_limit = effect_limit
        self._running: dict[str, ExecutionHandle] = {}

    @property
    def running(self) -> Mapping[str, ExecutionHandle]:
        """The executions that are not settled, by block id."""
        return dict(self._running)

    def start(self, block: BlockSnapshot, limit: TimeLimit | None = None) -> ExecutionHandle:
        """Start a block in the task group of the runtime.

        :raises RuntimeError: if it is running already, or the runtime is closed.
        """
        runner = self.prepare(block, limit)
        try:
            self._services.start(self.run, runner)
        except BaseException:  # the runtime is closed
            del self._running[block.spec.id]
            raise
        return runner.context.handle

    def prepare(self, block: BlockSnapshot, limit: TimeLimit | None = None) -> BlockRunner:
        """Return the runner of a block, for `run`.

        :raises RuntimeError: if the block is running already.
        """
        if block.spec.id in self._running:
            raise RuntimeError(f"{block.label} is running already")
        runner = self._runner(block, limit or self._services.block_limit(block.runbook, block.spec))
        self._running[block.spec.id] = runner.context.handle
        return runner

    def cancel(self, block_id: str | None = None, reason: str = "cancelled") -> None:
        """Cancel a block; None: all blocks that run."""
        for running, handle in tuple(self._running.items()):
            if block_id in (None, running):
                handle.cancel(reason)

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a prompt of a block, or of a block in its sub-runbook.

        :raises KeyError: if no running block has a prompt of this id.
        """
        for handle in self._running.values():
            with suppress(KeyError):
                return handle.answer(prompt_id, answer)
        self._children.answer(prompt_id, answer)

    async def run(self, runner: BlockRunner) -> BlockResult:
        """Run a block to its end in the caller's task. If the caller is cancelled, the block is ended first."""
        handle = runner.context.handle
        self._services.register_execution(handle)
        try:
            return await runner.run()
        finally:
            self._services.unregister_execution(handle)
            del self._running[handle.block_id]

    def context(self, block: BlockSnapshot, limit: TimeLimit) -> ExecutionContext:
        """Return the execution context of a block that starts now."""
        services, spec, runbook = self._services, block.spec, block.runbook
        return ExecutionContext(
            spec=spec,
            runbook_id=runbook.id,
            run_id=self._run_id,
            folder=runbook.path.parent,
            root=services.settings.root,
            resolver=block.resolver,
            local_values=block.local_values,
            handle=ExecutionHandle(spec.id, limit),
            store=self._store,
            children=self._children,
            resources=services.resources,
            masker=services.masker,
            channel=self._channel,
            events=services.events,
            connections=runbook.connections,
            ssh=runbook.ssh,
            is_interactive=services.settings.is_interactive,
            effect_limit=self._effect_limit.narrowed_by(runbook, spec),
            is_quiet=not block.number,
        )

    def _runner(self, block: BlockSnapshot, limit: TimeLimit) -> BlockRunner:
        assert block.behavior is not None, "the document has checked that"
        services, context = self._services, self.context(block, limit)
        # The answer to a sensitive block is a secret before the block runs: its output may show it.
        answer = context.local_values.get("value") if block.spec.rules.sensitive else None
        if answer is not None:
            services.masker.add_data(answer.value, f"the answer to {block.label}")
        attempt = Attempt(
            context=context,
            execute=self._work(block.behavior, block.explain),
            label=block.label,
            difference=services.settings.difference,
            explain=block.explain,
        )
        return BlockRunner(attempt=attempt, number=block.number)

    def _work(self, behavior: BlockBehavior, explain: Explain) -> Callable[[ExecutionContext], Awaitable[WorkResult]]:
        """Return the work of a block: in the scope of its own keys, with undefined variables explained."""

        async def work(context: ExecutionContext) -> WorkResult:
            try:
                context.resolver = self.in_scope(context.spec, context.resolver)
                _refuse_effects(behavior, context)
                return await behavior.execute(context)
            except TemplateError as error:
                raise explain(error) from error

        return work

    def in_scope(self, spec: BlockSpec, resolver: ContextResolver) -> ContextResolver:
        """Return a resolver with the block's own keys `vars`, `env`, `directory` and `host` added."""
        scope, origin = spec.rules.scope, Origin("this block's own keys", spec.location)
        sensitivity = SensitivityMarker(self._services.masker)

        def value(declaration: Declaration, root: str = "") -> ContextValue:
            resolved = (
                render_declaration(resolver, declaration, origin)
                if spec.rules.template
                else ContextValue(declaration.value, origin)
            )
            return sensitivity.mark_value(root, declaration.name, resolved)

        for variable in scope.vars:
            resolver = resolver.fold(BlockContext(DocumentVar(variable.name, value(variable, "var"))))
        for variable in scope.env:
            resolver = resolver.fold(BlockContext(DocumentEnvVar(variable.name, value(variable, "env"))))
        if scope.directory is not None:
            resolver = resolver.fold(BlockContext(DocumentCwd(value(scope.directory))))
        if scope.host is not None:
            resolver = resolver.fold(BlockContext(DocumentSshHost.of(value(scope.host))))
        return resolver


def unsupported_reason(block_type: str) -> str:
    """Return why a block of an unsupported type does not run."""
    return f"{block_type} blocks are not supported yet"


def _refuse_effects(behavior: BlockBehavior, context: ExecutionContext) -> None:
    """Check the effect of a block, now that its templates can be rendered.

    :raises Refused: if it exceeds the limit.
    """
    if context.effect_limit.level is Effects.DESTRUCTIVE:
        return
    refusal = refused_effect(context.effect_limit, behavior.effects(context))
    if refusal is not None:
        raise refusal
