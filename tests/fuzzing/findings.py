"""Inputs that broke something once, by target."""

from __future__ import annotations

from pathlib import Path

FINDINGS = Path(__file__).parent / "findings"


def folder_of(target: str) -> Path:
    return FINDINGS / target
