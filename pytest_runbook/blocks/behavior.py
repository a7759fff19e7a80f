"""The base class of all block types. The registry pairs each subclass with the type's data in the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.resolver import ContextResolver
from ..errors import ContextError, TemplateError
from ..execution.context import ExecutionContext, WorkResult
from ..model.runbook import BlockSpec, Effects, display_type
from ..policy.effects import Effect
from ..secrets.provenance import ContextValue, Origin
from .planned_work import PlannedWork


class BlockBehavior:
    """The behavior of one block.

    A block type overrides `passive_context` if it gives context to the blocks below, and `execute` if it does work.
    One instance serves one block; it keeps no state between executions.

    uses_host: True if its work happens on the host that a block above chose.
    prompts_first: True for a context block whose execution prompts for a value that the blocks below need.
    """

    uses_host: ClassVar[bool] = False
    prompts_first: ClassVar[bool] = False

    def __init__(self, spec: BlockSpec, label: str) -> None:
        self.spec = spec
        self.label = label

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext | None:
        """Return the context that the block gives to the blocks below without being run; None for no context.

        :raises ContextError: if it can't be evaluated: the first block below fails with this error.
        """
        return None

    @property
    def has_passive_context(self) -> bool:
        """False if the block type never gives context without being run."""
        return type(self).passive_context is not BlockBehavior.passive_context

    def effects(self, context: ExecutionContext) -> Effect:
        """Return the most that running the block may change. Called before `execute` where effects are limited.

        :raises RunbookError: if it can't be determined.
        """
        return self.known_effect or self.unknown_effect

    @property
    def known_effect(self) -> Effect | None:
        """The effect as far as the file alone determines it; None if it depends on the block's context."""
        return self.declared_effect

    @property
    def unknown_effect(self) -> Effect:
        """The effect of a block whose work can't be analyzed: it may change something."""
        kind = display_type(self.spec.type)
        reason = f"what a {kind} block changes can't be known; if it only reads, set effects: read"
        return Effect(Effects.WRITE, reason)

    @property
    def declared_effect(self) -> Effect | None:
        """The effect that the block's `effects` key declares; None without that key."""
        declared = self.spec.rules.effects
        return None if declared is None else Effect(declared, f"the block has effects: {declared}")

    def plan(self, context: ExecutionContext) -> PlannedWork:
        """Return what the block would do, from what is known before anything runs. Must have no side effects.

        :raises RunbookError: if the block would fail.
        """
        return PlannedWork()

    async def execute(self, context: ExecutionContext) -> WorkResult:
        """Do the block's work.

        :raises RunbookError: if it fails in a way that leaves no output.
        """
        return WorkResult()

    @property
    def origin(self) -> Origin:
        """This block as the origin of a value."""
        return Origin(self.label, self.spec.location)

    def resolved(self, resolver: ContextResolver, prop: str) -> ContextValue:
        """Return a prop's value, rendered if it is text, and marked as a secret if the block is sensitive.

        :raises ContextError: if it can't be rendered.
        """
        value = self.spec.props.get(prop)
        if value is None:
            value = ""
        sensitive = self.spec.rules.sensitive
        if not self.spec.rules.template:
            return ContextValue(value, self.origin, sensitive)
        try:
            resolved = resolver.resolve_value(value, self.origin)
            return replace(resolved, sensitive=resolved.sensitive or sensitive)
        except TemplateError as error:
            # Lines of the error count from the beginning of the prop's text.
            location = self.spec.location_of(prop)
            raise ContextError(
                error.message, location=location.shifted((error.line or 1) - 1), block=self.spec.label, hint=error.hint
            ) from error

    def prop_error(self, message: str, prop: str, hint: str | None = None) -> ContextError:
        """Return an error that is located at one of the block's props."""
        return ContextError(message, location=self.spec.location_of(prop), block=self.spec.label, hint=hint)
