"""Blocks that only display something: var_display and markdown_render. They give no context to the blocks below."""

from __future__ import annotations

from ..errors import TemplateError
from ..execution.context import ExecutionContext, WorkResult
from .behavior import BlockBehavior


class VarDisplay(BlockBehavior):
    """Displays a variable in an editor of the document. Does nothing in a run."""


class MarkdownRender(BlockBehavior):
    """Displays a variable's text as Markdown in an editor of the document."""

    async def execute(self, context: ExecutionContext) -> WorkResult:
        try:
            name = context.render("variableName")
        except TemplateError:  # an empty display is no failure
            name = ""
        context.set_state({"resolved_variable_name": name})
        return WorkResult()
