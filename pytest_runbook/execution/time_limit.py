"""The deadline of a block, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """A deadline. seconds: from now. name: whose it is, for people: ``limit 5 s``."""

    seconds: float
    name: str
