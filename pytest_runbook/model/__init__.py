"""What the file says: runbooks, checks, the loaders that read them, line numbers."""

from .block_types import BLOCK_TYPES, PROSE_TYPES, default_catalog
from .loaders.checks import is_checks_file, orphan_checks
from .loading import load_runbook

__all__ = ["BLOCK_TYPES", "PROSE_TYPES", "default_catalog", "is_checks_file", "load_runbook", "orphan_checks"]
