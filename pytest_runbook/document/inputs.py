"""The inputs of a document: values from outside, and the variables and environment at the top of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ..context.block_context import BlockContext
from ..context.items import DocumentEnvVar, DocumentSshHost, DocumentVar
from ..context.resolver import ContextResolver, Values
from ..errors import TemplateError
from ..model.runbook import Declaration, Runbook, SecretSource
from ..secrets.provenance import ContextValue, Origin
from ..secrets.sensitivity import SensitivityMarker
from .settings import Settings
from .workspace import default_directory

MarkSensitive = Callable[[str, str, ContextValue], ContextValue]
"""Called with the root object and the name of a value in templates (``env``, ``PASSWORD``), and the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Values that a runbook gets from outside.

    fixed: variables from options; they win over the file's. vars: the file's win over these.
    cell: the variables of one matrix cell; weaker than options, and of this runbook alone.
    env: environment in addition to the process's own. answers: layers, the strongest first.
    fixtures: the values of ``fixture.NAME``. host: where the first block runs; None: on this machine.
    secrets: sources of secrets that the file does not declare itself.
    """

    fixed: Values = field(default_factory=dict)
    cell: Values = field(default_factory=dict)
    vars: Values = field(default_factory=dict)
    env: Values = field(default_factory=dict)
    answers: tuple[Values, ...] = ()
    fixtures: Mapping[str, object] = field(default_factory=dict)
    host: ContextValue | None = None
    secrets: tuple[SecretSource, ...] = ()

    def with_sensitivity(self, marker: SensitivityMarker) -> Inputs:
        """Return the inputs with the secrets among their values marked."""
        return replace(
            self,
            fixed=marker.mark_values("var", self.fixed),
            cell=marker.mark_values("var", self.cell),
            vars=marker.mark_values("var", self.vars),
            env=marker.mark_values("env", self.env),
            answers=tuple(marker.mark_values("answer", layer) for layer in self.answers),
        )


def resolver_from_inputs(runbook: Runbook, inputs: Inputs, settings: Settings) -> ContextResolver:
    """Return the resolver of a runbook with the inputs only; for one that is no sub-runbook."""
    cwd = str(default_directory(runbook, settings))
    fixed = {**inputs.cell, **inputs.fixed}
    resolver = ContextResolver.start(cwd, vars=inputs.vars, fixed=fixed, provided_env=inputs.env)
    return resolver if inputs.host is None else resolver.fold(BlockContext(DocumentSshHost.of(inputs.host)))


def with_file_values(resolver: ContextResolver, runbook: Runbook, mark_sensitive: MarkSensitive) -> ContextResolver:
    """Return a resolver with the environment and variables of the file and its checks file added.

    mark_sensitive: returns a value, marked if it is a secret.
    :raises TemplateError: if a value can't be rendered, with its location.
    """
    for declaration in runbook.env:
        value = mark_sensitive(
            "env", declaration.name, render_declaration(resolver, declaration, Origin("env", declaration.location))
        )
        resolver = resolver.fold(BlockContext(DocumentEnvVar(declaration.name, value)))
    fixed = dict(resolver.fixed)
    for declaration in runbook.checks_vars:
        if declaration.name not in fixed:
            value = render_declaration(resolver, declaration, Origin("the checks file", declaration.location))
            fixed[declaration.name] = mark_sensitive("var", declaration.name, value)
            resolver = replace(resolver, vars=resolver.vars.set(declaration.name, fixed[declaration.name]))
    resolver = replace(resolver, fixed=fixed)
    for declaration in runbook.vars:
        value = mark_sensitive(
            "var", declaration.name, render_declaration(resolver, declaration, Origin("vars", declaration.location))
        )
        resolver = resolver.fold(BlockContext(DocumentVar(declaration.name, value)))
    return resolver


def render_declaration(resolver: ContextResolver, declaration: Declaration, origin: Origin) -> ContextValue:
    """Return the value of a declaration, rendered.

    :raises TemplateError: if it can't be rendered, with its location.
    """
    try:
        return resolver.resolve_value(declaration.value, origin)
    except TemplateError as error:
        raise error.with_location(declaration.location.shifted((error.line or 1) - 1)) from error
