"""The effects of blocks, and the limit that a run sets on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import Refused
from ..model.runbook import BlockSpec, Effects, Runbook


@dataclass(frozen=True, slots=True)
class Effect:
    """The strongest effect that a block may have. reason: why it is rated so, for reports."""

    level: Effects
    reason: str


@dataclass(frozen=True, slots=True)
class EffectLimit:
    """The strongest effect that is allowed. set_by: the option or key that sets the limit, for reports:
    ``--runbook-effects read``.
    """

    level: Effects
    set_by: str

    @classmethod
    def of_run(cls, level: Effects) -> EffectLimit:
        """Return the limit of a whole run."""
        return cls(level, f"--runbook-effects {level}")

    def narrowed_by(self, runbook: Runbook, spec: BlockSpec) -> EffectLimit:
        """Return the strictest of this limit, the runbook's and the block's own."""
        limit, runbook_effects, block_effects = self, runbook.effects, spec.rules.effects
        if runbook_effects is not None and limit.level.exceeds(runbook_effects):
            limit = EffectLimit(runbook_effects, f"effects: {runbook_effects} of {runbook.location.path}")
        if block_effects is not None and limit.level.exceeds(block_effects):
            limit = EffectLimit(block_effects, f"its own effects: {block_effects}")
        return limit


NO_LIMIT = EffectLimit.of_run(Effects.DESTRUCTIVE)


def worst_effect(effects: Iterable[Effect]) -> Effect:
    """Return the first of the strongest effects; reading if there are none."""
    worst = Effect(Effects.READ, "it only reads")
    for effect in effects:
        if effect.level.exceeds(worst.level):
            worst = effect
    return worst


def refused_effect(limit: EffectLimit, effect: Effect | None) -> Refused | None:
    """Return the refusal of an effect that exceeds a limit; None if it is allowed."""
    if effect is None or not effect.level.exceeds(limit.level):
        return None
    return Refused(f"{limit.set_by}: {effect.reason}")
