"""The blocks of one document that run: started, told to end, answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..blocks.behavior import BlockBehavior
from ..context.block_context import BlockContext
from ..context.items import DocumentCwd, DocumentEnvVar, DocumentSshHost, DocumentVar
from ..context.resolver import ContextResolver
from ..errors import TemplateError
from ..execution.attempt import Attempt
from ..execution.block_runner import BlockRunner, TimeLimit
from ..execution.context import ExecutionContext, WorkResult
from ..execution.handle import ExecutionHandle
from ..execution.result import BlockResult
from ..execution.sub_runbooks import ChildRunner
from ..messages.channel import ClientMessageChannel
from ..messages.client_messages import PromptAnswer
from ..model.runbook import BlockSpec, Declaration, Effects
from ..policy.effect_limit import EffectLimit
from ..policy.permissions import refused_effect
from ..secrets.provenance import ContextValue, Origin
from ..secrets.sensitivity import SensitivityMarker
from .inputs import render_declaration

if TYPE_CHECKING:
    from .document import Document
    from .runtime import Runtime


class Executions:
    """Runs blocks of a document, each once at a time.

    children: runs the runbooks that its blocks run. effect_limit: what they may do at most.
    """

    def __init__(
        self,
        document: Document,
        runtime: Runtime,
        channel: ClientMessageChannel,
        children: ChildRunner,
        effect_limit: EffectLimit,
    ) -> None:
        self._document = document
        self._runtime = runtime
        self._channel = channel
        self._children = children
        self._effect_limit = effect_limit
        self._running: dict[str, ExecutionHandle] = {}

    @property
    def running(self) -> Mapping[str, ExecutionHandle]:
        """Those that are not settled, by block id."""
        return dict(self._running)

    def start(self, block_id: str, limit: TimeLimit | None = None) -> ExecutionHandle:
        """Start a block in the runtime's task group.

        :raises KeyError: if the document has no such block.
        :raises ContextError: if a context above it can't be evaluated.
        :raises RuntimeError: if it runs already, or nothing runs its type yet.
        """
        runner = self.prepare(block_id, limit)
        try:
            self._runtime.start(self.run, runner)
        except BaseException:  # the runtime is closed
            del self._running[block_id]
            raise
        return runner.context.handle

    def prepare(self, block_id: str, limit: TimeLimit | None = None) -> BlockRunner:
        """What runs a block, for `run`; errors as those of `start`."""
        document, spec = self._document, self._document.spec(block_id)
        if block_id in self._running:
            raise RuntimeError(f"{document.label(spec)} is running already")
        behavior = document.behavior(block_id)
        if behavior is None:
            raise RuntimeError(unsupported_reason(spec.type))
        error = document.context_error_above(block_id)
        if error is not None:
            raise error
        runner = self._runner(spec, behavior, limit or self._runtime.block_limit(document.runbook, spec))
        self._running[block_id] = runner.context.handle
        return runner

    def cancel(self, block_id: str | None = None, reason: str = "cancelled") -> None:
        """Ask a block to end, or all that run."""
        for running, handle in tuple(self._running.items()):
            if block_id in (None, running):
                handle.cancel(reason)

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a question that a block asked, its own or one of a runbook that it runs.

        :raises KeyError: if none that runs asked one of this id.
        """
        for handle in self._running.values():
            with suppress(KeyError):
                return handle.answer(prompt_id, answer)
        self._children.answer(prompt_id, answer)

    async def run(self, runner: BlockRunner) -> BlockResult:
        """Run a block to its end in the caller's own task; give what came of it. Cancelled, it ends the block first."""
        handle = runner.context.handle
        self._runtime.register_execution(handle)
        try:
            return await runner.run()
        finally:
            self._runtime.unregister_execution(handle)
            del self._running[handle.block_id]

    def context(self, block_id: str, limit: TimeLimit) -> ExecutionContext:
        """What a block gets that is started now."""
        document, runtime, spec = self._document, self._runtime, self._document.spec(block_id)
        runbook, settings = document.runbook, runtime.settings
        return ExecutionContext(
            spec=spec,
            runbook_id=runbook.id,
            run_id=document.run_id,
            folder=runbook.path.parent,
            root=settings.root,
            resolver=document.resolver_above(block_id),
            local_values=document.local_values(block_id),
            handle=ExecutionHandle(block_id, limit),
            store=document,
            children=self._children,
            resources=runtime.resources,
            masker=runtime.masker,
            channel=self._channel,
            events=runtime.events,
            connections=runbook.connections,
            ssh=runbook.ssh,
            is_interactive=settings.is_interactive,
            effect_limit=self._effect_limit.narrowed_by(runbook, spec),
            is_quiet=not document.number(spec),
        )

    def _runner(self, spec: BlockSpec, behavior: BlockBehavior, limit: TimeLimit) -> BlockRunner:
        document, runtime = self._document, self._runtime
        context, label = self.context(spec.id, limit), document.label(spec)
        answer = context.local_values.get("value") if spec.rules.sensitive else None
        if answer is not None:
            runtime.masker.add_data(answer.value, f"the answer to {label}")
        attempt = Attempt(
            context=context,
            execute=self._work(behavior),
            label=label,
            difference=runtime.settings.difference,
            explain=partial(document.explained, spec=spec),
        )
        return BlockRunner(attempt=attempt, number=document.number(spec))

    def _work(self, behavior: BlockBehavior) -> Callable[[ExecutionContext], Awaitable[WorkResult]]:
        """The block's work, in its own scope, with what is undefined explained."""

        async def work(context: ExecutionContext) -> WorkResult:
            try:
                context.resolver = self.in_scope(context.spec, context.resolver)
                _refuse_effects(behavior, context)
                return await behavior.execute(context)
            except TemplateError as error:
                raise self._document.explained(error, context.spec) from error

        return work

    def in_scope(self, spec: BlockSpec, resolver: ContextResolver) -> ContextResolver:
        """What the block sees, with the keys that stand beside its type."""
        scope, origin = spec.rules.scope, Origin("this block's own keys", spec.location)
        sensitivity = SensitivityMarker(self._runtime.masker)

        def value(declaration: Declaration, root: str = "") -> ContextValue:
            resolved = (
                render_declaration(resolver, declaration, origin)
                if spec.rules.template
                else ContextValue(declaration.value, origin)
            )
            return sensitivity.mark_value(root, declaration.name, resolved)

        for given in scope.vars:
            resolver = resolver.fold(BlockContext(DocumentVar(given.name, value(given, "var"))))
        for given in scope.env:
            resolver = resolver.fold(BlockContext(DocumentEnvVar(given.name, value(given, "env"))))
        if scope.directory is not None:
            resolver = resolver.fold(BlockContext(DocumentCwd(value(scope.directory))))
        if scope.host is not None:
            resolver = resolver.fold(BlockContext(DocumentSshHost.of(value(scope.host))))
        return resolver


def unsupported_reason(block_type: str) -> str:
    """Why a block of a type that nothing runs yet does not run."""
    return f"{block_type} blocks are not supported yet"


def _refuse_effects(behavior: BlockBehavior, context: ExecutionContext) -> None:
    """:raises Refused: if the block may do more than it may."""
    if context.effect_limit.level is Effects.DESTRUCTIVE:
        return
    refusal = refused_effect(context.effect_limit, behavior.effects(context))
    if refusal is not None:
        raise refusal
