"""Blocks that set variables: var, local-var, editor."""

from __future__ import annotations

from ..context.block_context import BlockContext
from ..context.items import DocumentVar
from ..context.local_values import LocalValues
from ..context.resolver import ContextResolver
from ..context.values import ContextValue
from .behavior import BlockBehavior


class Var(BlockBehavior):
    """A variable for the blocks below; its text may use the variables of the blocks above, itself included."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        return BlockContext(DocumentVar(self.variable_name(resolver), self.resolved(resolver, "value")))

    def variable_name(self, resolver: ContextResolver) -> str:
        """The name, rendered and checked."""
        name = str(self.resolved(resolver, "name").value)
        if not name:
            raise self.fault("the variable's name is empty", "name", "give it a name")
        if not all(character.isalnum() or character == "_" for character in name):
            hint = "letters, digits and underscores only"
            raise self.fault(f'"{name}" is no name for a variable', "name", hint)
        return name


class LocalVar(Var):
    """A variable whose value the file does not hold. Without one it is undefined: an error where it is used."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        name = self.variable_name(resolver)
        given = local_values.get("value")
        if given is None:
            return BlockContext()
        sensitive = given.sensitive or self.spec.rules.sensitive or self.spec.props.get("obscured") is True
        return BlockContext(DocumentVar(name, ContextValue(given.value, given.source, sensitive=sensitive)))


class Editor(BlockBehavior):
    """A text, which becomes a variable if the block names one; otherwise its braces are nobody's business."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        if not self.spec.props.get("variableName"):
            return BlockContext()
        name = str(self.resolved(resolver, "variableName").value)
        return BlockContext(DocumentVar(name, self.resolved(resolver, "code"))) if name else BlockContext()
