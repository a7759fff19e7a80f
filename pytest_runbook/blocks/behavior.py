"""What a block type does. One class a type; the registry pairs it with the type's data."""

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
    """A block type at work on one block.

    uses_host: True if its work happens on the host that a block above chose.
    prompts_first: True for a context block whose execution asks a person what the blocks below need.

    A type overrides `passive_context`, if it tells something to the blocks below, and `execute`, if it does work. One
    instance serves one block; it keeps no state between executions.
    """

    uses_host: ClassVar[bool] = False
    prompts_first: ClassVar[bool] = False

    def __init__(self, spec: BlockSpec, label: str) -> None:
        self.spec = spec
        self.label = label

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext | None:
        """What the block tells the blocks below without being run; None for nothing.

        :raises ContextError: if that can't be evaluated: the block below it fails with this.
        """
        return None

    @property
    def has_passive_context(self) -> bool:
        """False if the block can't tell anything to the blocks below without being run."""
        return type(self).passive_context is not BlockBehavior.passive_context

    def effects(self, context: ExecutionContext) -> Effect:
        """What running it does to the world at most. Asked before `execute`, where not everything may be done.

        :raises RunbookError: if that can't be told.
        """
        return self.known_effect or self.unknown_effect

    @property
    def known_effect(self) -> Effect | None:
        """The same, where the file alone tells it; None where it takes what the block sees."""
        return self.declared_effect

    @property
    def unknown_effect(self) -> Effect:
        """That of a block of which nobody can tell what it does."""
        kind = display_type(self.spec.type)
        reason = f"what a {kind} block changes can't be known; where it only reads, say: effects: read"
        return Effect(Effects.WRITE, reason)

    @property
    def declared_effect(self) -> Effect | None:
        """What the author says that it does; None where nothing is said."""
        declared = self.spec.rules.effects
        return None if declared is None else Effect(declared, f"it says effects: {declared}")

    def plan(self, context: ExecutionContext) -> PlannedWork:
        """What it would do, from what is known before anything runs. Nothing may be touched for it.

        :raises RunbookError: if it could not do it.
        """
        return PlannedWork()

    async def execute(self, context: ExecutionContext) -> WorkResult:
        """Do the work.

        :raises RunbookError: if it fails in a way that leaves no output.
        """
        return WorkResult()

    @property
    def origin(self) -> Origin:
        """This block as the source of a value."""
        return Origin(self.label, self.spec.location)

    def resolved(self, resolver: ContextResolver, prop: str) -> ContextValue:
        """A prop's value, rendered if it is text; a secret if the block is marked as sensitive.

        :raises ContextError: if it can't be.
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
            location = self.spec.location_of(prop)
            raise ContextError(
                error.message, location=location.shifted((error.line or 1) - 1), block=self.spec.label, hint=error.hint
            ) from error

    def prop_error(self, message: str, prop: str, hint: str | None = None) -> ContextError:
        """An error about one of the block's props."""
        return ContextError(message, location=self.spec.location_of(prop), block=self.spec.label, hint=hint)
