"""Whether something may run here, as far as its file says it: told before anything is touched."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from ..blocks.behavior import BlockBehavior
from ..context.resolver import ContextResolver
from ..document.settings import Settings
from ..errors import ContextError, MissingRequirement, Refused, RunbookError, TemplateError
from ..model.runbook import BlockSpec, Effects, NameReference, Runbook, display_type
from ..text import nearest
from .allow_list import caught_refusal
from .effect_limit import EffectLimit
from .effects import Effect


def refusal_of(runbook: Runbook, spec: BlockSpec, behavior: BlockBehavior | None, settings: Settings) -> Refused | None:
    """Why a block may not run here; None if nothing is known against it before it is looked at in full."""
    message = environment_refusal(runbook, settings.environment)
    if message is not None:
        return Refused(message)
    refusal = caught_refusal(lambda: settings.allow_list.check_type(spec.type, display_type(spec.type)))
    if refusal is not None or behavior is None:
        return refusal
    limit = EffectLimit.of_run(settings.effects).narrowed_by(runbook, spec)
    return None if limit.level is Effects.DESTRUCTIVE else refused_effect(limit, _known_effect(behavior))


def refused_effect(limit: EffectLimit, effect: Effect | None) -> Refused | None:
    """Why something may not be done; None if it may."""
    if effect is None or not effect.level.exceeds(limit.level):
        return None
    return Refused(f"{limit.set_by}: {effect.reason}")


def _known_effect(behavior: BlockBehavior) -> Effect | None:
    try:
        return behavior.known_effect
    except RunbookError:  # what is wrong with it, is told when it runs
        return None


def environment_refusal(runbook: Runbook, environment: str | None) -> str | None:
    """Why this is not the environment that a runbook is for."""
    names = [named.name for named in runbook.environments]
    if not names or environment in names:
        return None
    only = f"it runs in {' and '.join((', '.join(names[:-1]), names[-1])) if names[1:] else names[0]} alone"
    if environment is None:
        how = f"--runbook-environment {names[0]}"
        return f"{only}, and no environment is named ({how}): {runbook.environments[0].location}"
    near = nearest(environment, names)
    meant = f', did you mean "{near}"?' if near else ""
    return f'{only}, and not in "{environment}"{meant}: {runbook.environments[0].location}'


def required_secret_names(required: Iterable[NameReference]) -> Sequence[str]:
    """The names of the secrets that are required."""
    return [named.name.removeprefix("secret.") for named in required if named.name.startswith("secret.")]


def find_missing_requirement(required: Iterable[NameReference], resolver: ContextResolver) -> RunbookError | None:
    """What is wrong if something that is required is not to be had. resolver: what the first block sees."""
    for named in required:
        undeclared = undeclared_secret(named, resolver.secrets)
        if undeclared is not None:
            return undeclared
        why = _why_missing(resolver, named.name)
        if why is not None:
            return MissingRequirement(f"requires {named.name}: {why}: {named.location}", location=named.location)
    return None


def undeclared_secret(named: NameReference, secrets: Container[object]) -> ContextError | None:
    """What is wrong if a secret is required that nobody declares."""
    root, _, name = named.name.partition(".")
    if root != "secret" or name in secrets:
        return None
    hint = f"declare it: secrets: {{{name}: {{env: {name}}}}}"
    return ContextError(f"requires: there is no secret {name}", location=named.location, hint=hint)


def _why_missing(resolver: ContextResolver, dotted: str) -> str | None:
    try:
        value = resolver.resolve_template(f"{{{{ {dotted} | default('') }}}}")
    except TemplateError as error:
        return error.message.removeprefix(f"{dotted}: ")
    return None if value.strip() else "it is not set, or is empty"
