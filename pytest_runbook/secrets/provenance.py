"""Values with their origin and sensitivity, and the log of which of them were read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..errors import Location


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a value, for reports: ``block 2 "Pick environment"``, ``--runbook-var``, ``the environment``."""

    label: str
    location: Location | None = None

    def __str__(self) -> str:
        return self.label if self.location is None else f"{self.label} ({self.location})"


@dataclass(frozen=True, slots=True)
class ContextValue:
    """A value with its origin and its sensitivity. What is rendered from a sensitive value is sensitive as well."""

    value: object
    origin: Origin
    sensitive: bool = False


class ReadLog:
    """Records which values were read while a template or an expression was evaluated, by their dotted names.

    last_secret: the name of the last secret that was read. The reader of the log resets it.
    """

    __slots__ = ("last_secret", "values")

    def __init__(self) -> None:
        self.values: dict[str, ContextValue] = {}
        self.last_secret: str | None = None

    def record(self, name: str, value: ContextValue) -> None:
        self.values[name] = value
        if value.sensitive:
            self.last_secret = name

    @property
    def sensitive(self) -> bool:
        return any(value.sensitive for value in self.values.values())


class ContextNamespace(Mapping[str, object]):
    """A root object of templates (``var``, ``env``). It returns plain values, and records each read in a `ReadLog`.

    layers: the first one that has a name wins.
    """

    __slots__ = ("_layers", "_read_log", "_root")

    def __init__(self, root: str, read_log: ReadLog, *layers: Mapping[str, ContextValue]) -> None:
        self._root = root
        self._read_log = read_log
        self._layers = layers

    def __getitem__(self, name: str) -> object:
        for layer in self._layers:
            value = layer.get(name)
            if value is not None:
                self._read_log.record(f"{self._root}.{name}", value)
                return value.value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for layer in self._layers for name in layer))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return any(name in layer for layer in self._layers)


def text_values(values: Mapping[str, str] | Iterable[tuple[str, str]], origin: Origin) -> dict[str, ContextValue]:
    """Return texts as context values of one origin."""
    return {name: ContextValue(text, origin) for name, text in dict(values).items()}
