"""Blocks that only show something: var_display, markdown_render. They tell nothing to the blocks below."""

from __future__ import annotations

from ..errors import TemplateError
from ..execution.context import ExecutionContext, WorkResult
from .behavior import BlockBehavior


class VarDisplay(BlockBehavior):
    """Shows a variable to a person who looks at the document."""


class MarkdownRender(BlockBehavior):
    """Shows a variable's text as Markdown to a person who looks at the document."""

    async def execute(self, context: ExecutionContext) -> WorkResult:
        try:
            name = context.render("variableName")
        except TemplateError:  # nothing to show is shown as nothing
            name = ""
        context.set_state({"resolved_variable_name": name})
        return WorkResult()
