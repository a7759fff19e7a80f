"""What may be done to the world at most, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.runbook import BlockSpec, Effects, Runbook


@dataclass(frozen=True, slots=True)
class EffectLimit:
    """What may be done at most. whose: who says so, for people: ``--runbook-effects read``."""

    level: Effects
    whose: str

    @classmethod
    def of_run(cls, level: Effects) -> EffectLimit:
        """That of a whole run."""
        return cls(level, f"--runbook-effects {level}")

    def within(self, runbook: Runbook, spec: BlockSpec) -> EffectLimit:
        """The strictest of this one, the runbook's and the block's own."""
        limit, whole, own = self, runbook.effects, spec.rules.effects
        if whole is not None and limit.level.exceeds(whole):
            limit = EffectLimit(whole, f"effects: {whole} of {runbook.place.path}")
        if own is not None and limit.level.exceeds(own):
            limit = EffectLimit(own, f"its own effects: {own}")
        return limit


NO_LIMIT = EffectLimit.of_run(Effects.DESTRUCTIVE)
