"""What running a block does to the world, and why that is thought of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..model.runbook import Effects


@dataclass(frozen=True, slots=True)
class Effect:
    """What something does at most, and why that is thought of it."""

    level: Effects
    reason: str


def worst_effect(effects: Iterable[Effect]) -> Effect:
    """The first of those that do most; reading where there is nothing to do."""
    worst = Effect(Effects.READ, "it only reads")
    for effect in effects:
        if effect.level.exceeds(worst.level):
            worst = effect
    return worst
