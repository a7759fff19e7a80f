"""Renders templates as far as possible before anything runs, for plans. Unknown values are shown by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jinja2 import nodes

from ..errors import RunbookError
from .renderer import Renderer
from .syntax import is_template, parse_template
from .unparse import unparse

PLACEHOLDER_OPEN, PLACEHOLDER_CLOSE = "⟨", "⟩"
ReportUnknown = Callable[[str, str], object]
"""Called with the source text that a placeholder replaces, and with what will provide the value."""


class UnknownValue(RunbookError):
    """Raised when a template uses a value that is only known during the run.

    text: the placeholder ``⟨var.version⟩``, or a text that holds one. provider: what will provide the value.
    """

    def __init__(self, text: str, provider: str) -> None:
        super().__init__(f"{text} is known when it runs: {provider}")
        self.text = text
        self.provider = provider


def placeholder(name: str) -> str:
    return f"{PLACEHOLDER_OPEN}{name}{PLACEHOLDER_CLOSE}"


def is_known(text: str) -> bool:
    """Return True if the text holds no placeholder."""
    return PLACEHOLDER_OPEN not in text


def preview(text: str, names: Mapping[str, object], report_unknown: ReportUnknown) -> str:
    """Return the text rendered as far as possible, with placeholders for unknown values.

    names: reading one whose value is unknown raises `UnknownValue`. report_unknown: called for what else is
    replaced: an expression or a statement around an unknown value, and each name that is set to one.

    :raises TemplateError: if the template is invalid, or uses something undefined.
    """
    if not is_template(text):
        return text
    renderer = _PreviewRenderer(names, report_unknown)
    tree = parse_template(text)
    with renderer.guarded():
        return renderer.captured(lambda: renderer.run(tree.body))


class _PreviewRenderer(Renderer):
    """Prints a placeholder where a value is unknown, and goes on with the rest of the template."""

    def __init__(self, names: Mapping[str, object], report_unknown: ReportUnknown) -> None:
        super().__init__(names, forbid_empty=False, on_print=lambda text: None)
        self._report_unknown = report_unknown

    def run(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            # Each part of an output on its own, so that an unknown value replaces only its own part.
            parts = [nodes.Output([part]) for part in node.nodes] if isinstance(node, nodes.Output) else [node]
            for part in parts:
                part.set_lineno(node.lineno)
                self._run_one(part)

    def _run_one(self, node: nodes.Node) -> None:
        try:
            super().run([node])
        except UnknownValue as unknown:
            self._print(self._replacement(node, unknown))
            for name in node.find_all(nodes.Name):
                if name.ctx == "store":
                    self.scope[name.name] = placeholder(name.name)
                    self._report_unknown(name.name, unknown.provider)

    def _replacement(self, node: nodes.Node, unknown: UnknownValue) -> str:
        """Return the text in place of an unknown part: the value's placeholder, else one for the whole expression."""
        match node:
            case nodes.Output(nodes=[nodes.Getattr(node=nodes.Name()) | nodes.Getitem(node=nodes.Name())]):
                return unknown.text
            case nodes.Output(nodes=[part]):
                source = unparse(part)
            case nodes.Assign() | nodes.AssignBlock():
                return ""
            case _:
                source = f"% {type(node).__name__.lower()} ... %"
        self._report_unknown(source, unknown.provider)
        return placeholder(source)
