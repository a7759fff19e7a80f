"""The requirements of a runbook: secrets and environment variables that must be there before its first block runs."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from ..context.resolver import ContextResolver
from ..errors import ContextError, MissingRequirement, RunbookError, TemplateError
from ..model.runbook import NameReference


def required_secret_names(required: Iterable[NameReference]) -> Sequence[str]:
    """Return the names of the required secrets."""
    return [named.name.removeprefix("secret.") for named in required if named.name.startswith("secret.")]


def find_missing_requirement(required: Iterable[NameReference], resolver: ContextResolver) -> RunbookError | None:
    """Return the error of the first requirement that is not met; None if all are met.

    resolver: of the first block.
    """
    for named in required:
        undeclared = undeclared_secret(named, resolver.secrets)
        if undeclared is not None:
            return undeclared
        why = _why_missing(resolver, named.name)
        if why is not None:
            return MissingRequirement(f"requires {named.name}: {why}: {named.location}", location=named.location)
    return None


def undeclared_secret(named: NameReference, secrets: Container[object]) -> ContextError | None:
    """Return the error of a required secret that is not declared; None if it is declared, or is no secret."""
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
