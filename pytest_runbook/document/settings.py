"""The settings of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..execution.assertions import Difference
from ..execution.child_runbooks import RunbookLoader
from ..model.loaders.atuin import UnknownBlocks
from ..model.runbook import Effects
from ..policy.allow_list import ALLOW_EVERYTHING, AllowList
from ..policy.permissions import Permissions
from ..resources.process.login_environment import LoginShell


class DefaultDirectory(StrEnum):
    """The directory of the first block. auto: a plain runbook's own folder; an Atuin document's workspace, else the
    root.
    """

    AUTO = "auto"
    FILE = "file"
    ROOTDIR = "rootdir"
    INVOCATION = "invocation"


def no_difference(operator: str, left: object, right: object) -> Sequence[str]:
    """Show no difference: the texts of both values are enough."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a run.

    root: the folder that displayed paths are relative to. invocation: the folder in which the run was started.
    block_timeout: seconds for a block that has no limit of its own. cleanup_timeout: for all clean-ups of a runbook.
    shutdown_timeout: seconds for everything, clean-ups included, after an interruption.
    interpreters: replacements for interpreters (``zsh`` -> ``bash``).
    login_shell: whether programs get the environment of a login shell: never, read once, or for each.
    effects: blocks with a stronger effect are refused.
    allow_list: which block types, interpreters, hosts and URLs may be used.
    environment: the name of the environment in which runbooks run; None if it has none.
    saved_answers: True if the value saved in the file answers a dropdown that has no other answer.
    runbook_root: sub-runbooks must lie below it; None: below root, or beside the outermost runbook.
    unknown_blocks: how unknown block types in sub-runbooks are treated.
    runbook_loader: finds sub-runbooks that are named by a uri or an id.
    is_interactive: True if the channels of documents answer prompts. Blocks without an answer then ask.
    difference: shows where two values of an equality differ.
    """

    root: Path = field(default_factory=Path.cwd)
    invocation: Path = field(default_factory=Path.cwd)
    block_timeout: float = 600.0
    cleanup_timeout: float = 300.0
    shutdown_timeout: float = 7.0
    default_directory: DefaultDirectory = DefaultDirectory.AUTO
    interpreters: Mapping[str, str] = field(default_factory=dict)
    login_shell: LoginShell = LoginShell.NEVER
    effects: Effects = Effects.DESTRUCTIVE
    allow_list: AllowList = ALLOW_EVERYTHING
    environment: str | None = None
    saved_answers: bool = False
    runbook_root: Path | None = None
    runbook_loader: RunbookLoader | None = None
    unknown_blocks: UnknownBlocks = "error"
    is_interactive: bool = False
    difference: Difference = no_difference

    @property
    def permissions(self) -> Permissions:
        """The permissions of the run."""
        return Permissions(effects=self.effects, allow_list=self.allow_list, environment=self.environment)
