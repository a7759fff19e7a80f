"""Marks values as sensitive: those that are declared secret, and those with the name of a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .masker import Masker
from .provenance import ContextValue


@dataclass(frozen=True, slots=True)
class SensitivityMarker:
    """Marks secret values as sensitive, and adds them to the masker."""

    masker: Masker

    def mark_value(self, root: str, name: str, value: ContextValue) -> ContextValue:
        """Return a value, marked if it is secret. Templates read it as ``root.name``: ``env.PASSWORD``."""
        if value.sensitive:
            self.masker.add_data(value.value, f"{root}.{name}")
        elif self.masker.add_if_sensitive(name, value.value, f"{root}."):
            return replace(value, sensitive=True)
        return value

    def mark_values(self, root: str, values: Mapping[str, ContextValue]) -> dict[str, ContextValue]:
        return {name: self.mark_value(root, name, value) for name, value in values.items()}
