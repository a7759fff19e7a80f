"""The default directory of a runbook's programs."""

from __future__ import annotations

from pathlib import Path

from ..model.runbook import Form, Runbook
from .settings import DefaultDirectory, Settings

WORKSPACE_FILE = "atuin.toml"


def workspace_root(path: Path) -> Path | None:
    """Return the nearest parent folder that holds ``atuin.toml``; None if there is none."""
    return next((folder for folder in path.parents if (folder / WORKSPACE_FILE).is_file()), None)


def default_directory(runbook: Runbook, settings: Settings) -> Path:
    """Return the directory of the first block."""
    match settings.default_directory:
        case DefaultDirectory.FILE:
            return runbook.path.parent
        case DefaultDirectory.ROOTDIR:
            return settings.root
        case DefaultDirectory.INVOCATION:
            return settings.invocation
        case DefaultDirectory.AUTO:
            if runbook.form is Form.PLAIN:
                return runbook.path.parent
            return workspace_root(runbook.path) or settings.root
