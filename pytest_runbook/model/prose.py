"""Texts for the reader of a report: what a runbook or a block is for, who owns it, what to do when it is red."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType


def _prose(label: str, *, is_inherited: bool = True) -> str | None:
    """Make a field of `Prose`. label: its name in reports. is_inherited: blocks may have the text of their runbook."""
    return field(default=None, metadata={"label": label, "is_inherited": is_inherited})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """The prose keys of a runbook or a block. The texts are never rendered as templates; None: not given.

    description: what it is for, in Markdown. runbook_url: a page about it.
    on_red: what to do when it fails, in Markdown.
    """

    description: str | None = _prose("about", is_inherited=False)
    owner: str | None = _prose("owner")
    runbook_url: str | None = _prose("link")
    on_red: str | None = _prose("on red")

    def texts(self) -> dict[str, str]:
        """Return the texts that are given, by the names of their keys."""
        return {name: text for name in PROSE_LABELS if (text := getattr(self, name)) is not None}

    def inherited(self) -> Prose:
        """Return the texts that hold for the blocks of a runbook, too, unless a block has its own."""
        return Prose(**{name: text for name, text in self.texts().items() if name in INHERITED_PROSE})


PROSE_LABELS = MappingProxyType({prose.name: str(prose.metadata["label"]) for prose in fields(Prose)})
INHERITED_PROSE = frozenset(prose.name for prose in fields(Prose) if prose.metadata["is_inherited"])
