"""Resolves contexts for a plan, before anything has run. Unknown values become placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Self

from ..secrets.provenance import ContextNamespace, ContextValue, Origin, ReadLog
from ..templates import is_template
from ..templates.preview import PLACEHOLDER_OPEN, UnknownValue, is_known, placeholder, preview
from .block_context import BlockContext
from .items import DocumentCwd
from .persistent_map import PersistentMap
from .resolver import ContextResolver

ITERATIONS = "the turns of its loop"
_SECRET = "a secret"  # noqa: S105  # a label for the plan, not a password


@dataclass(slots=True)
class Unknowns:
    """Records where values will come from that are not known yet, by the names of their placeholders.

    variable_provider: what may provide variables that nothing in the file sets; None if nothing does.
    fixtures: the names of the fixtures that blocks may read.
    """

    providers: dict[str, str] = field(default_factory=dict)
    variable_provider: str | None = None
    fixtures: frozenset[str] = frozenset()

    def record(self, name: str, provider: str) -> None:
        self.providers.setdefault(name, provider)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResolver(ContextResolver):
    """Renders templates as far as their values are known. Secrets are not read."""

    unknowns: Unknowns = field(default_factory=Unknowns)

    @classmethod
    def of(cls, resolver: ContextResolver, unknowns: Unknowns) -> Self:
        """Return a plan resolver with the context of another resolver."""
        known = {each.name: getattr(resolver, each.name) for each in fields(resolver)}
        return cls(**known, unknowns=unknowns)

    def resolve(self, text: str, read_log: ReadLog, *, forbid_empty: bool = False) -> str:
        if not is_template(text):
            return text
        try:
            return preview(text, self.names(read_log), self.unknowns.record)
        finally:
            self.names_read.update(read_log.values)

    def _folded_cwd(self, context: BlockContext, env: PersistentMap[ContextValue]) -> tuple[str, Origin | None, str]:
        """Keep a path as it is if it begins with a placeholder, for it may turn out to be absolute."""
        item = context.get(DocumentCwd)
        if item is None or not str(item.path.value).startswith(PLACEHOLDER_OPEN):
            # Not super(): a dataclass with slots is a new class, which super() without arguments does not know.
            return ContextResolver._folded_cwd(self, context, env)
        return str(item.path.value), item.path.origin, str(item.path.value)

    def names(self, read_log: ReadLog) -> dict[str, object]:
        later = {"each": ITERATIONS, "loop": ITERATIONS, "output": "the block itself"}
        return {
            **ContextResolver.names(self, read_log),
            "var": _KnownValues(
                "var", read_log, self.vars, unknowns=self.unknowns, variable_provider=self.unknowns.variable_provider
            ),
            "env": _KnownValues("env", read_log, self.env, self.provided_env, self.process_env, unknowns=self.unknowns),
            "secret": _Placeholders("secret", self.secrets, _SECRET, self.unknowns),
            "fixture": _Placeholders("fixture", dict.fromkeys(self.unknowns.fixtures), "a fixture", self.unknowns),
            **{root: _Placeholders(root, None, by, self.unknowns) for root, by in later.items()},
        }


class _KnownValues(ContextNamespace):
    """A namespace of known values. Reading a secret or a placeholder raises `UnknownValue`."""

    __slots__ = ("_unknowns", "_variable_provider")

    def __init__(
        self,
        root: str,
        read_log: ReadLog,
        *layers: Mapping[str, ContextValue],
        unknowns: Unknowns,
        variable_provider: str | None = None,
    ) -> None:
        super().__init__(root, read_log, *layers)
        self._unknowns = unknowns
        self._variable_provider = variable_provider

    def __getitem__(self, name: str) -> object:
        value = next((layer[name] for layer in self._layers if name in layer), None)
        dotted = f"{self._root}.{name}"
        if value is None and self._variable_provider is not None:
            raise _unknown_value(dotted, self._variable_provider, self._unknowns)
        if value is not None and isinstance(value.value, str) and not is_known(value.value):
            raise UnknownValue(value.value, str(value.origin))
        if value is not None and value.sensitive:
            raise _unknown_value(dotted, _SECRET, self._unknowns)
        return super().__getitem__(name)


class _Placeholders(Mapping[str, object]):
    """A namespace in which every value is unknown. known: the names it has; None if it has any name."""

    def __init__(self, root: str, known: Mapping[str, object] | None, provider: str, unknowns: Unknowns) -> None:
        self._root = root
        self._known = known
        self._provider = provider
        self._unknowns = unknowns

    def __getitem__(self, name: str) -> object:
        if self._known is not None and name not in self._known:
            raise KeyError(name)
        raise _unknown_value(f"{self._root}.{name}", self._provider, self._unknowns)

    def __iter__(self):  # type: ignore[no-untyped-def]  # of names
        return iter(self._known or ())

    def __len__(self) -> int:
        return len(self._known or ())


def _unknown_value(dotted: str, provider: str, unknowns: Unknowns) -> UnknownValue:
    unknowns.record(dotted, provider)
    return UnknownValue(placeholder(dotted), provider)
