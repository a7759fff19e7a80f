"""What may be done to the world at most, and who says so."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.runbook import BlockSpec, Effects, Runbook


@dataclass(frozen=True, slots=True)
class EffectLimit:
    """What may be done at most. set_by: who says so, for people: ``--runbook-effects read``."""

    level: Effects
    set_by: str

    @classmethod
    def of_run(cls, level: Effects) -> EffectLimit:
        """That of a whole run."""
        return cls(level, f"--runbook-effects {level}")

    def narrowed_by(self, runbook: Runbook, spec: BlockSpec) -> EffectLimit:
        """The strictest of this one, the runbook's and the block's own."""
        limit, runbook_effects, block_effects = self, runbook.effects, spec.rules.effects
        if runbook_effects is not None and limit.level.exceeds(runbook_effects):
            limit = EffectLimit(runbook_effects, f"effects: {runbook_effects} of {runbook.location.path}")
        if block_effects is not None and limit.level.exceeds(block_effects):
            limit = EffectLimit(block_effects, f"its own effects: {block_effects}")
        return limit


NO_LIMIT = EffectLimit.of_run(Effects.DESTRUCTIVE)
