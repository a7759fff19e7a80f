"""Values that are not in the file: what a person would be asked for.

A local variable, a local directory, the answer to a dropdown or a pause. Given from outside, by name, id or type#n.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..model.runbook import BlockSpec
from ..secrets.provenance import ContextValue, Origin

MAIN_PROPS = ("value", "path")
ANSWER_PREFIX = "RUNBOOK_ANSWER_"


class BlockLocalValueProvider(Protocol):
    """Where local values come from."""

    def local_value(self, spec: BlockSpec, ordinal: int, prop: str) -> ContextValue | None:
        """The value of a block's prop that its file does not hold, None if there is none.

        ordinal: 1-based number of the block among those of its type in the runbook: the n of ``pause#n``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """Local values out of mappings; the first that knows the block wins.

    layers: keys are a block's id, its name, or type#n; for a prop other than the one that the block is about, ``.prop``
    follows: ``ssh-connect#1.identityKey``.
    """

    layers: tuple[Mapping[str, ContextValue], ...] = ()

    def local_value(self, spec: BlockSpec, ordinal: int, prop: str) -> ContextValue | None:
        keys = answer_keys(spec, ordinal, prop)
        return next((layer[key] for layer in self.layers for key in keys if key in layer), None)


def answer_keys(spec: BlockSpec, ordinal: int, prop: str) -> tuple[str, ...]:
    """The keys by which somebody may answer a block, the most certain first."""
    rest = "" if prop in MAIN_PROPS else f".{prop}"
    named = (spec.name,) if spec.name else ()
    return tuple(f"{key}{rest}" for key in (spec.id, *named, f"{spec.type}#{ordinal}"))


class EnvironmentAnswers(Mapping[str, ContextValue]):
    """Answers in the environment: ``RUNBOOK_ANSWER_REGION`` answers ``region``, ``..._PAUSE_1`` ``pause#1``."""

    def __getitem__(self, key: str) -> ContextValue:
        variable = ANSWER_PREFIX + re.sub(r"\W", "_", key, flags=re.ASCII).upper()
        return ContextValue(os.environ[variable], Origin(f"the environment variable {variable}"))

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(ANSWER_PREFIX) for name in os.environ if name.startswith(ANSWER_PREFIX))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class LocalValues:
    """The local values of one block.

    saved_answers: the value that a file holds counts where nobody gives another.
    """

    provider: BlockLocalValueProvider
    spec: BlockSpec
    ordinal: int
    saved_answers: bool = False

    @property
    def key(self) -> str:
        """How to answer this block: its name, or type#n."""
        return self.spec.name or f"{self.spec.type}#{self.ordinal}"

    def how_to_answer(self, value: str) -> str:
        """What to do, for people; value: what to put in the value's place."""
        return f"answer it: --runbook-answer '{self.key}={value}', or in answers: {{{self.key!r}: {value!r}}}"

    def get(self, prop: str) -> ContextValue | None:
        return self.provider.local_value(self.spec, self.ordinal, prop)
