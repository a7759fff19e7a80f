"""Runbooks that a block runs: what such a block asks for, and what it gets. The floor of documents provides it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from ..context.resolver import ContextResolver
from ..errors import RunbookError
from ..model.runbook import Runbook
from .result import BlockResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildReference:
    """Which runbook a block means, "" for what it leaves open. The first of path, uri and id counts."""

    path: str = ""
    uri: str = ""
    id: str = ""
    name: str = ""

    def __str__(self) -> str:
        """How people call it."""
        return self.name or self.path or self.uri or self.id


RunbookLoader = Callable[[ChildReference], Awaitable[Runbook | Path]]
"""Finds the runbook of a uri or an id: gives it, or the path of its file. Raises `RunbookError` if there is none."""


@dataclass(frozen=True, slots=True)
class ChildProgress:
    """How far a runbook is. current: the name of the block that runs; "" for none."""

    completed: int
    total: int
    current: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOutcome:
    """What came of a runbook that a block ran.

    display_path: its path, for people. required_failure: what is wrong if a block that it requires has not passed.
    first_not_run: which of its blocks was left out, although others stand on it.
    final_resolver: gives what a block below its last one would see; raises `ContextError` if that can't be evaluated.
    """

    display_path: str
    results: tuple[BlockResult, ...]
    required_failure: RunbookError | None
    first_not_run: str | None
    final_resolver: Callable[[], ContextResolver]


class ChildNotFound(Exception):
    """Marks, as a cause, that a runbook was not found."""


class ChildRecursion(Exception):
    """Marks, as a cause, that a runbook would run within itself."""
