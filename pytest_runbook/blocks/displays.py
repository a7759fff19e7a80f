"""Blocks that only show something: var_display, markdown_render. They tell nothing to the blocks below."""

from __future__ import annotations

from .behavior import BlockBehavior


class VarDisplay(BlockBehavior):
    """Shows a variable to a person who looks at the document."""


class MarkdownRender(BlockBehavior):
    """Shows a variable's text as Markdown to a person who looks at the document."""
