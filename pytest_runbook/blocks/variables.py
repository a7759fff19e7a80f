"""Blocks that set a variable: var, local-var and editor."""

from __future__ import annotations

from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.items import DocumentVar
from ..context.resolver import ContextResolver
from ..execution.context import ExecutionContext, WorkResult
from ..messages.client_messages import CANCEL, OK_OR_CANCEL, InputKind
from ..secrets.provenance import ContextValue, Origin
from .behavior import BlockBehavior


class Var(BlockBehavior):
    """Sets a variable for the blocks below. Its value may use the variables above, its own earlier value included."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        return BlockContext(DocumentVar(self.variable_name(resolver), self.resolved(resolver, "value")))

    def variable_name(self, resolver: ContextResolver) -> str:
        """Return the variable's name, rendered and checked."""
        name = str(self.resolved(resolver, "name").value)
        if not name:
            raise self.prop_error("the variable's name is empty", "name", "give it a name")
        if not all(character.isalnum() or character == "_" for character in name):
            hint = "letters, digits and underscores only"
            raise self.prop_error(f'"{name}" is no name for a variable', "name", hint)
        return name


class LocalVar(Var):
    """Sets a variable to an answer of the user. Without one it stays undefined, which is an error where it is used."""

    prompts_first = True

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        name = self.variable_name(resolver)
        provided = local_values.get("value")
        if provided is None:
            return BlockContext()
        sensitive = provided.sensitive or self._is_hidden
        return BlockContext(DocumentVar(name, ContextValue(provided.value, provided.origin, sensitive=sensitive)))

    async def execute(self, context: ExecutionContext) -> WorkResult:
        """Prompt for the value if the session is interactive and there is no value yet."""
        name = self.variable_name(context.resolver)
        is_provided = name in context.resolver.fixed or context.local_values.get("value") is not None
        if is_provided or not context.is_interactive:
            return WorkResult()
        hidden = self._is_hidden
        answer = await context.prompt_client(
            name, f"Value of {name}", input=InputKind.STRING, is_hidden=hidden, buttons=OK_OR_CANCEL
        )
        if answer.value is not None and answer.button != CANCEL:
            value = ContextValue(answer.value, Origin("the prompt"), sensitive=hidden)
            context.update_active_context(lambda active: active.insert(DocumentVar(name, value)))
        return WorkResult()

    @property
    def _is_hidden(self) -> bool:
        return self.spec.rules.sensitive or self.spec.props.get("obscured") is True


class Editor(BlockBehavior):
    """Sets a variable to the text of an editor if the block names one; otherwise the text is not even rendered."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        if not self.spec.props.get("variableName"):
            return BlockContext()
        name = str(self.resolved(resolver, "variableName").value)
        return BlockContext(DocumentVar(name, self.resolved(resolver, "code"))) if name else BlockContext()
