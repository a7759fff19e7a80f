"""What may be done to the world at most, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

from .runbook import BlockSpec, Effects, Runbook


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
        said = (
            (runbook.effects, f"effects: {runbook.effects} of {runbook.place.path}"),
            (spec.rules.effects, f"its own effects: {spec.rules.effects}"),
        )
        limit = self
        for level, whose in said:
            if level is not None and limit.level.exceeds(level):
                limit = EffectLimit(level, whose)
        return limit


NO_LIMIT = EffectLimit.of_run(Effects.DESTRUCTIVE)
