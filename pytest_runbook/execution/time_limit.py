"""The deadline of a block, with its source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A deadline. seconds: from now. name: its source, for reports: ``limit 5 s``."""

    seconds: float
    name: str
