"""The content of files: runbooks and checks files, their loaders, and the lines of everything in them."""

from .block_types import BLOCK_TYPES, TEXT_NODE_TYPES, default_catalog
from .loaders.checks import is_checks_file, orphan_checks
from .loading import load_runbook

__all__ = ["BLOCK_TYPES", "TEXT_NODE_TYPES", "default_catalog", "is_checks_file", "load_runbook", "orphan_checks"]
