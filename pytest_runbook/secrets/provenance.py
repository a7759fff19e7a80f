"""A value, where it comes from, and whether it is a secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import Place


@dataclass(frozen=True, slots=True)
class Source:
    """Who set a value, for people: ``block 2 "Pick environment"``, ``--runbook-var``, ``the environment``."""

    label: str
    place: Place | None = None

    def __str__(self) -> str:
        return self.label if self.place is None else f"{self.label} ({self.place})"


@dataclass(frozen=True, slots=True)
class ContextValue:
    """A value with its source and whether it is sensitive; what is rendered from it inherits the latter."""

    value: object
    source: Source
    sensitive: bool = False


class Reads:
    """Which values were looked up while something was rendered or evaluated, by their dotted names.

    secret_read: the last secret among them, until somebody has taken note of it.
    """

    __slots__ = ("secret_read", "values")

    def __init__(self) -> None:
        self.values: dict[str, ContextValue] = {}
        self.secret_read: str | None = None

    def note(self, name: str, value: ContextValue) -> None:
        self.values[name] = value
        if value.sensitive:
            self.secret_read = name

    @property
    def sensitive(self) -> bool:
        return any(value.sensitive for value in self.values.values())


class Namespace(Mapping[str, object]):
    """A root object of templates (``var``, ``env``): plain values to the reader, who reads what is noted in `Reads`."""

    __slots__ = ("_layers", "_reads", "_root")

    def __init__(self, root: str, reads: Reads, *layers: Mapping[str, ContextValue]) -> None:
        self._root = root
        self._reads = reads
        self._layers = layers

    def __getitem__(self, name: str) -> object:
        for layer in self._layers:
            found = layer.get(name)
            if found is not None:
                self._reads.note(f"{self._root}.{name}", found)
                return found.value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for layer in self._layers for name in layer))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return any(name in layer for layer in self._layers)


def text_values(values: Mapping[str, str] | Iterable[tuple[str, str]], source: Source) -> dict[str, ContextValue]:
    """Texts that all come from one place."""
    return {name: ContextValue(text, source) for name, text in dict(values).items()}
