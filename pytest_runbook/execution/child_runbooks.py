"""The interface between a block that runs a sub-runbook and the documents, which provide it."""

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
    """Names the runbook that a block runs; unknown parts are "". The first of path, uri and id that is set is used."""

    path: str = ""
    uri: str = ""
    id: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return the name of the runbook for reports."""
        return self.name or self.path or self.uri or self.id


RunbookLoader = Callable[[ChildReference], Awaitable[Runbook | Path]]
"""Finds a runbook by its uri or id. Returns it or the path of its file. Raises `RunbookError` if there is none."""


@dataclass(frozen=True, slots=True)
class ChildProgress:
    """The progress of a sub-runbook. current: the name of the block that runs; "" if none does."""

    completed: int
    total: int
    current: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOutcome:
    """The outcome of a sub-runbook.

    display_path: its path in display form. required_failure: the error if a required block has not passed.
    first_not_run: which block did not run although others depend on it; None if there is none.
    final_resolver: returns the resolver below its last block; raises `ContextError` if that can't be evaluated.
    """

    display_path: str
    results: tuple[BlockResult, ...]
    required_failure: RunbookError | None
    first_not_run: str | None
    final_resolver: Callable[[], ContextResolver]


class ChildNotFound(Exception):
    """The cause of the error if a runbook was not found."""


class ChildRecursion(Exception):
    """The cause of the error if a runbook would run itself."""
