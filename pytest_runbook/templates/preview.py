"""Templates as far as they can be rendered before anything runs: what is not known yet stands there by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jinja2 import nodes

from ..errors import RunbookError
from .renderer import Renderer
from .syntax import is_template, parse_template
from .unparse import unparse

PLACEHOLDER_OPEN, PLACEHOLDER_CLOSE = "⟨", "⟩"
ReportUnknown = Callable[[str, str], object]
"""Is told a name that stands for something unknown, and who will give it."""


class UnknownValue(RunbookError):
    """A value that only the run itself gives.

    text: what stands for it: ``⟨var.version⟩``, or a text in which that is. provider: who gives it.
    """

    def __init__(self, text: str, provider: str) -> None:
        super().__init__(f"{text} is known when it runs: {provider}")
        self.text = text
        self.provider = provider


def placeholder(name: str) -> str:
    return f"{PLACEHOLDER_OPEN}{name}{PLACEHOLDER_CLOSE}"


def is_known(text: str) -> bool:
    """True if nothing in it stands for something unknown."""
    return PLACEHOLDER_OPEN not in text


def preview(text: str, names: Mapping[str, object], report_unknown: ReportUnknown) -> str:
    """The text rendered as far as that is possible. names: of them, those that are unknown raise `UnknownValue`.

    :raises TemplateError: if it is no valid template, or uses something undefined.
    """
    if not is_template(text):
        return text
    renderer = _PreviewRenderer(names, report_unknown)
    tree = parse_template(text)
    with renderer.guarded():
        return renderer.captured(lambda: renderer.run(tree.body))


class _PreviewRenderer(Renderer):
    """Prints the name of what is unknown in its place, and goes on."""

    def __init__(self, names: Mapping[str, object], report_unknown: ReportUnknown) -> None:
        super().__init__(names, forbid_empty=False, on_print=lambda text: None)
        self._report_unknown = report_unknown

    def run(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            parts = [nodes.Output([part]) for part in node.nodes] if isinstance(node, nodes.Output) else [node]
            for part in parts:
                part.set_lineno(node.lineno)
                self._run_one(part)

    def _run_one(self, node: nodes.Node) -> None:
        try:
            super().run([node])
        except UnknownValue as unknown:
            self._print(self._shown(node, unknown))
            for name in node.find_all(nodes.Name):
                if name.ctx == "store":
                    self.scope[name.name] = placeholder(name.name)
                    self._report_unknown(name.name, unknown.provider)

    def _shown(self, node: nodes.Node, unknown: UnknownValue) -> str:
        """What is printed: a value that is asked for as it is by its own name, all else by the whole expression."""
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
