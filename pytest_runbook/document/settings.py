"""What somebody may set for a whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..execution.assertions import Difference
from ..execution.sub_runbooks import RunbookLoader
from ..model.loaders.atuin import UnknownBlocks
from ..model.runbook import Effects
from ..policy.allow_list import ALLOW_EVERYTHING, AllowList
from ..policy.permissions import Permissions
from ..resources.process.login_environment import LoginShell


class DefaultDirectory(StrEnum):
    """auto: a plain runbook's own folder, an Atuin document's workspace or else the root of the run."""

    AUTO = "auto"
    FILE = "file"
    ROOTDIR = "rootdir"
    INVOCATION = "invocation"


def no_difference(operator: str, left: object, right: object) -> Sequence[str]:
    """Values are told apart by their texts alone."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How runbooks run.

    root: the folder that paths are shown relative to; invocation: where the run was started.
    block_timeout: seconds for a block that has no limit of its own. cleanup_timeout: for all clean-ups of a runbook.
    shutdown_timeout: seconds that everything, clean-ups included, may take after an interruption.
    interpreters: interpreters to use in place of others (``zsh`` -> ``bash``).
    login_shell: never, once or each. effects: blocks that may do more than this are refused.
    allow_list: which block types, interpreters, hosts and URLs may run.
    environment: the name of the one in which runbooks run; None: it has none.
    saved_answers: a dropdown's value in the file counts as its answer where nobody gives another.
    runbook_root: sub-runbooks lie below it; None: below root, or beside the runbook that runs.
    unknown_blocks: what becomes of unknown block types in sub-runbooks.
    runbook_loader: finds sub-runbooks that are named by a uri or an id.
    is_interactive: the channels of documents answer prompts, so that blocks without an answer ask.
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
        """What the run may do, for the policy."""
        return Permissions(effects=self.effects, allow_list=self.allow_list, environment=self.environment)
