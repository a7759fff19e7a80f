"""Decides whether a block may run, from its file alone: environment, allow list and effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..errors import Refused, RunbookError
from ..model.runbook import BlockSpec, Effects, Runbook, display_type
from .allow_list import ALLOW_EVERYTHING, AllowList, caught_refusal
from .effects import Effect, EffectLimit, refused_effect
from .environments import environment_refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The permissions of a run. environment: the name of its environment; None if it has none."""

    effects: Effects = Effects.DESTRUCTIVE
    allow_list: AllowList = ALLOW_EVERYTHING
    environment: str | None = None


class HasKnownEffect(Protocol):
    """A block with an effect that may be known before its templates are rendered."""

    @property
    def known_effect(self) -> Effect | None: ...


def refusal_of(
    runbook: Runbook, spec: BlockSpec, behavior: HasKnownEffect | None, permissions: Permissions
) -> Refused | None:
    """Return why a block may not run; None if nothing forbids it as far as that is known before its templates are
    rendered.
    """
    message = environment_refusal(runbook, permissions.environment)
    if message is not None:
        return Refused(message)
    refusal = caught_refusal(lambda: permissions.allow_list.check_type(spec.type, display_type(spec.type)))
    if refusal is not None or behavior is None:
        return refusal
    limit = EffectLimit.of_run(permissions.effects).narrowed_by(runbook, spec)
    return None if limit.level is Effects.DESTRUCTIVE else refused_effect(limit, _known_effect(behavior))


def _known_effect(behavior: HasKnownEffect) -> Effect | None:
    try:
        return behavior.known_effect
    except RunbookError:  # the block fails with this error when it runs
        return None
