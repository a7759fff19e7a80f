"""Secrets by name, read where they are kept when somebody first asks for one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from ..errors import TemplateError
from ..model.runbook import SecretSource
from .values import ContextValue, Source


class Secrets(Mapping[str, ContextValue]):
    """The declared secrets of a runbook.

    on_read: told the value and the name of each that is read, before anybody else sees it.
    inherited: those of the runbook that runs this one.

    A secret that is missing or empty is an error where it is read: `TemplateError`.
    """

    def __init__(
        self,
        sources: Sequence[SecretSource],
        on_read: Callable[[str, str], None],
        inherited: Mapping[str, ContextValue] = MappingProxyType({}),
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._on_read = on_read
        self._inherited = inherited

    def __getitem__(self, name: str) -> ContextValue:
        if name not in self._sources:
            return self._inherited[name]
        source = self._sources[name]
        value = os.environ.get(source.env, "")
        if not value:
            state = "is empty" if source.env in os.environ else "is not set"
            raise TemplateError(
                f"secret.{name}: the environment variable {source.env} {state}",
                name=f"secret.{name}",
                hint=f"declared in {source.place}; give {source.env} to the process that runs pytest",
            )
        self._on_read(value, f"secret.{name}")
        return ContextValue(value, Source(f"the environment variable {source.env}"), sensitive=True)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._sources, **dict.fromkeys(self._inherited)})

    def __len__(self) -> int:
        return sum(1 for _ in self)
