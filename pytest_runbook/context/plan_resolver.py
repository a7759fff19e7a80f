"""What a block will see, before anything has run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Self

from ..secrets.provenance import ContextValue, Namespace, Reads, Source
from ..templates import is_template
from ..templates.preview import OPEN, NotKnown, is_known, placeholder, preview
from .block_context import BlockContext
from .items import DocumentCwd
from .persistent_map import PersistentMap
from .resolver import ContextResolver

TURNS = "the turns of its loop"
_SECRET = "a secret"  # noqa: S105  # it is what people read


@dataclass(slots=True)
class Legend:
    """Who gives what is not known yet, by the names that stand for it.

    others: who may give variables that nothing in the file sets; None: nobody. fixtures: the names of known ones.
    """

    givers: dict[str, str] = field(default_factory=dict)
    others: str | None = None
    fixtures: frozenset[str] = frozenset()

    def tell(self, name: str, by: str) -> None:
        self.givers.setdefault(name, by)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResolver(ContextResolver):
    """Renders as far as that is possible. No secret is read."""

    legend: Legend = field(default_factory=Legend)

    @classmethod
    def of(cls, resolver: ContextResolver, legend: Legend) -> Self:
        """The same as another one, for a plan."""
        known = {each.name: getattr(resolver, each.name) for each in fields(resolver)}
        return cls(**known, legend=legend)

    def resolve(self, text: str, reads: Reads, *, forbid_empty: bool = False) -> str:
        if not is_template(text):
            return text
        try:
            return preview(text, self.names(reads), self.legend.tell)
        finally:
            self.seen.update(reads.values)

    def _folded_cwd(self, context: BlockContext, env: PersistentMap[ContextValue]) -> tuple[str, Source | None, str]:
        """What begins with something unknown may lead anywhere."""
        item = context.get(DocumentCwd)
        if item is None or not str(item.path.value).startswith(OPEN):
            return ContextResolver._folded_cwd(self, context, env)
        return str(item.path.value), item.path.source, str(item.path.value)

    def names(self, reads: Reads) -> dict[str, object]:
        later = {"each": TURNS, "loop": TURNS, "output": "the block itself"}
        return {
            **ContextResolver.names(self, reads),
            "var": _Known("var", reads, self.vars, legend=self.legend, others=self.legend.others),
            "env": _Known("env", reads, self.env, self.given_env, self.process_env, legend=self.legend),
            "secret": _Named("secret", self.secrets, _SECRET, self.legend),
            "fixture": _Named("fixture", dict.fromkeys(self.legend.fixtures), "a fixture", self.legend),
            **{root: _Named(root, None, by, self.legend) for root, by in later.items()},
        }


class _Known(Namespace):
    """Values that are known, unless one is a secret, or stands for what is unknown."""

    __slots__ = ("_legend", "_others")

    def __init__(
        self,
        root: str,
        reads: Reads,
        *layers: Mapping[str, ContextValue],
        legend: Legend,
        others: str | None = None,
    ) -> None:
        super().__init__(root, reads, *layers)
        self._legend = legend
        self._others = others

    def __getitem__(self, name: str) -> object:
        found = next((layer[name] for layer in self._layers if name in layer), None)
        dotted = f"{self._root}.{name}"
        if found is None and self._others is not None:
            raise _not_known(dotted, self._others, self._legend)
        if found is not None and isinstance(found.value, str) and not is_known(found.value):
            raise NotKnown(found.value, str(found.source))
        if found is not None and found.sensitive:
            raise _not_known(dotted, _SECRET, self._legend)
        return super().__getitem__(name)


class _Named(Mapping[str, object]):
    """What is told by its name alone. known: its names; None: any."""

    def __init__(self, root: str, known: Mapping[str, object] | None, by: str, legend: Legend) -> None:
        self._root = root
        self._known = known
        self._by = by
        self._legend = legend

    def __getitem__(self, name: str) -> object:
        if self._known is not None and name not in self._known:
            raise KeyError(name)
        raise _not_known(f"{self._root}.{name}", self._by, self._legend)

    def __iter__(self):  # type: ignore[no-untyped-def]  # of names
        return iter(self._known or ())

    def __len__(self) -> int:
        return len(self._known or ())


def _not_known(dotted: str, by: str, legend: Legend) -> NotKnown:
    legend.tell(dotted, by)
    return NotKnown(placeholder(dotted), by)
