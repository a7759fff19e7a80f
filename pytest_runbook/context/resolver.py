"""Resolves what a block sees: the contexts of all blocks above it, folded into one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from types import MappingProxyType

from ..secrets.forms import is_maskable
from ..secrets.provenance import ContextNamespace, ContextValue, Origin, ReadLog
from ..templates import is_template, render
from .block_context import BlockContext
from .items import (
    DocumentCwd,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshConfig,
    DocumentSshHost,
    DocumentVar,
    DocumentVars,
)
from .paths import resolve_directory, resolve_remote_directory
from .persistent_map import PersistentMap

Values = Mapping[str, ContextValue]
NO_VALUES: Values = MappingProxyType({})
LOCAL_HOST = "local"


class ProcessEnvironment(Mapping[str, ContextValue]):
    """The environment of this process, as context values.

    is_secret: called with a name, its value and the prefix ``env.``; returns True if the value is a secret.
    """

    origin = Origin("the environment")

    def __init__(self, is_secret: Callable[[str, str, str], bool] = lambda name, value, where: False) -> None:
        self._is_secret = is_secret

    def __getitem__(self, name: str) -> ContextValue:
        value = os.environ[name]
        return ContextValue(value, self.origin, sensitive=self._is_secret(name, value, "env."))

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedContext:
    """The context of one block as plain data.

    variables_sources: the origin of each variable. env_vars: those of env blocks, without the process's own.
    ssh_host: None if programs run on this machine.
    """

    variables: Mapping[str, object]
    variables_sources: Mapping[str, str]
    cwd: str
    env_vars: Mapping[str, str]
    ssh_host: str | None

    def to_json(self) -> dict[str, object]:
        """Return it with the names of the reference's wire format."""
        return {
            "variables": dict(self.variables),
            "variablesSources": dict(self.variables_sources),
            "cwd": self.cwd,
            "envVars": dict(self.env_vars),
            "sshHost": self.ssh_host,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextResolver:
    """The variables, environment, directory and host that one block sees. It also renders the block's templates.

    A resolver is immutable. `fold` takes the context of one block and returns the resolver for the block below it, so
    that the blocks of a document form a chain of resolvers. Folding is cheap: each resolver shares its maps with the
    one above. A read log records the values that a template used, and with them whether the result is a secret.

    vars, env: persistent maps, so that the next resolver shares everything but the changes.
    fixed: variables set by option, matrix or checks file. Declarations of blocks do not replace them; the output
    variables of programs do.
    provided_env: environment from outside (fixture, env file). It wins over the process's own.
    cwd_origin: what set the directory; None for the default one.
    remote_cwd: the directory on another host; "" for the login directory.
    secrets: read when a template first uses one. fixtures: the values of ``fixture.NAME``.
    roots: further root objects of templates: doc, workspace, runbook, block.
    names_read: dotted names that any resolver of the run has read so far.
    on_derived: called with each text that a ``{{ }}`` made from a secret, and with a description of it.
    """

    default_cwd: str
    cwd: str
    cwd_origin: Origin | None = None
    remote_cwd: str = ""
    vars: PersistentMap[ContextValue] = field(default_factory=PersistentMap)
    fixed: Values = field(default_factory=dict)
    env: PersistentMap[ContextValue] = field(default_factory=PersistentMap)
    provided_env: Values = field(default_factory=dict)
    process_env: Values = field(default_factory=ProcessEnvironment)
    secrets: Values = field(default_factory=dict)
    fixtures: Values = field(default_factory=dict)
    ssh_host: ContextValue | None = None
    ssh_config: DocumentSshConfig | None = None
    roots: Mapping[str, object] = field(default_factory=dict)
    names_read: set[str] = field(default_factory=set, compare=False)
    on_derived: Callable[[str, str], object] = field(default=lambda text, name: None, compare=False)

    @classmethod
    def start(
        cls,
        cwd: str,
        *,
        vars: Values = NO_VALUES,
        fixed: Values = NO_VALUES,
        provided_env: Values = NO_VALUES,
        secrets: Values = NO_VALUES,
        fixtures: Values = NO_VALUES,
        names_read: set[str] | None = None,
    ) -> ContextResolver:
        """Return the resolver of the first block. vars: weaker than `fixed` and than what blocks declare."""
        return cls(
            default_cwd=cwd,
            cwd=cwd,
            vars=PersistentMap({**vars, **fixed}),
            fixed=fixed,
            provided_env=provided_env,
            secrets=secrets,
            fixtures=fixtures,
            names_read=set() if names_read is None else names_read,
        )

    def fold(self, context: BlockContext) -> ContextResolver:
        """Return the resolver for the block below one that has this context."""
        if context.changes_nothing:
            return self
        env = self._folded_env(context)
        cwd, cwd_origin, remote_cwd = self._folded_cwd(context, env)
        host = context.get(DocumentSshHost)
        return replace(
            self,
            vars=self._folded_vars(context),
            env=env,
            cwd=cwd,
            cwd_origin=cwd_origin,
            remote_cwd=remote_cwd,
            ssh_host=self.ssh_host if host is None else host.host,
            # A config is for one host: another host drops it, unless the same block sets both.
            ssh_config=context.get(DocumentSshConfig) or (self.ssh_config if host is None else None),
        )

    def with_roots(self, roots: Mapping[str, object], fixtures: Values) -> ContextResolver:
        """Return a copy with other root objects of templates."""
        return replace(self, roots=roots, fixtures=fixtures)

    def resolve_template(self, text: str) -> str:
        """Return a text, rendered.

        :raises TemplateError: if it can't be rendered. The text is never used unrendered.
        """
        return self.resolve(text, ReadLog())

    def resolve(self, text: str, read_log: ReadLog, *, forbid_empty: bool = False) -> str:
        """Return a text, rendered. The values that were used are recorded in `read_log`.

        forbid_empty: a ``{{ }}`` that prints nothing is an error.

        :raises TemplateError: if it can't be rendered.
        """
        if not is_template(text):
            return text
        try:
            return render(
                text, self.names(read_log), forbid_empty=forbid_empty, on_print=partial(self._record_printed, read_log)
            )
        finally:
            self.names_read.update(read_log.values)

    def resolve_value(self, value: object, origin: Origin) -> ContextValue:
        """Return a value from a file, rendered if it is a text. It is sensitive if it was made from a secret."""
        if not isinstance(value, str):
            return ContextValue(value, origin)
        read_log = ReadLog()
        text = self.resolve(value, read_log)
        return ContextValue(text, origin, sensitive=read_log.sensitive and is_maskable(text.strip()))

    def _record_printed(self, read_log: ReadLog, text: str) -> None:
        """Report what a ``{{ }}`` printed, if it has read a secret."""
        if read_log.last_secret is not None:
            self.on_derived(text, f"what was made of {read_log.last_secret}")
            read_log.last_secret = None

    def names(self, read_log: ReadLog) -> dict[str, object]:
        """Return the root objects of templates and expressions."""
        return {
            "var": ContextNamespace("var", read_log, self.vars),
            "env": ContextNamespace("env", read_log, self.env, self.provided_env, self.process_env),
            "secret": ContextNamespace("secret", read_log, self.secrets),
            "fixture": ContextNamespace("fixture", read_log, self.fixtures),
            "host": self.host,
            **self.roots,
        }

    @property
    def host(self) -> str:
        """Where programs run: ``local``, or the host as written."""
        return LOCAL_HOST if self.ssh_host is None else str(self.ssh_host.value)

    def program_env(self) -> dict[str, str]:
        """Return the environment of a program on this machine: the process's own, the provided one, then env blocks."""
        layers = (self.provided_env, self.env)
        return {**os.environ, **{name: str(value.value) for layer in layers for name, value in layer.items()}}

    def block_env(self) -> dict[str, str]:
        """Return only the environment that blocks set."""
        return {name: str(value.value) for name, value in self.env.items()}

    def snapshot(self, display: Callable[[ContextValue], object] = attrgetter("value")) -> ResolvedContext:
        """Return the context as plain data. display: returns the form of a value in which it may be shown."""
        return ResolvedContext(
            variables={name: display(value) for name, value in self.vars.items()},
            variables_sources={name: str(value.origin) for name, value in self.vars.items()},
            cwd=self.cwd,
            env_vars={name: str(display(value)) for name, value in self.env.items()},
            ssh_host=None if self.ssh_host is None else str(display(self.ssh_host)),
        )

    def _folded_vars(self, context: BlockContext) -> PersistentMap[ContextValue]:
        folded = self.vars
        declared = context.get(DocumentVar)
        if declared is not None and declared.name not in self.fixed:
            folded = folded.set(declared.name, declared.value)
        produced = context.get(DocumentVars)
        for item in produced.values if produced is not None else ():
            folded = folded.set(item.name, item.value)
        return folded

    def _folded_env(self, context: BlockContext) -> PersistentMap[ContextValue]:
        folded = self.env
        declared = context.get(DocumentEnvVar)
        produced = context.get(DocumentEnvVars)
        for item in (*((declared,) if declared else ()), *(produced.values if produced else ())):
            folded = folded.set(item.name, item.value)
        return folded

    def _folded_cwd(self, context: BlockContext, env: PersistentMap[ContextValue]) -> tuple[str, Origin | None, str]:
        item = context.get(DocumentCwd)
        if item is None:
            return self.cwd, self.cwd_origin, self.remote_cwd
        path = str(item.path.value)
        if not path.strip():
            return self.default_cwd, None, ""
        texts = {name: str(value.value) for name, value in env.items()} if "$" in path else {}
        remote = resolve_remote_directory(path, self.remote_cwd, texts)
        return resolve_directory(path, self.cwd, texts), item.path.origin, remote
