"""Values that a runbook's file does not hold: local variables, local directories, answers to dropdowns and pauses.

They are provided from outside, under a block's id, its name, or ``type#n``.
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
"""Props that an answer's key does not name: ``region`` answers the value of the block `region`."""
ANSWER_PREFIX = "RUNBOOK_ANSWER_"


class BlockLocalValueProvider(Protocol):
    """A source of values that a runbook's file does not hold."""

    def local_value(self, spec: BlockSpec, ordinal: int, prop: str) -> ContextValue | None:
        """Return the value for a prop of a block; None if there is none.

        ordinal: 1-based number of the block among those of its type in the runbook, the n of ``pause#n``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Answers:
    """Looks local values up in layers of mappings. The first layer that has an answer for the block wins.

    layers: the keys are those of `answer_keys`.
    """

    layers: tuple[Mapping[str, ContextValue], ...] = ()

    def local_value(self, spec: BlockSpec, ordinal: int, prop: str) -> ContextValue | None:
        keys = answer_keys(spec, ordinal, prop)
        return next((layer[key] for layer in self.layers for key in keys if key in layer), None)


def answer_keys(spec: BlockSpec, ordinal: int, prop: str) -> tuple[str, ...]:
    """Return the keys under which an answer to a block may be stored, the most specific first: id, name, ``type#n``.

    For any prop but the block's main one, ``.prop`` is appended: ``ssh-connect#1.identityKey``.
    """
    rest = "" if prop in MAIN_PROPS else f".{prop}"
    named = (spec.name,) if spec.name else ()
    return tuple(f"{key}{rest}" for key in (spec.id, *named, f"{spec.type}#{ordinal}"))


class EnvironmentAnswers(Mapping[str, ContextValue]):
    """Answers from environment variables: ``RUNBOOK_ANSWER_REGION`` answers ``region``, ``..._PAUSE_1`` answers
    ``pause#1``.
    """

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

    saved_answers: True if a value saved in the file may be used where no other answer is provided.
    """

    provider: BlockLocalValueProvider
    spec: BlockSpec
    ordinal: int
    saved_answers: bool = False

    @property
    def key(self) -> str:
        """The key under which this block can be answered: its name, or ``type#n``."""
        return self.spec.name or f"{self.spec.type}#{self.ordinal}"

    def how_to_answer(self, value: str) -> str:
        """Return a hint that names the option and the key of the checks file. value: an example of an answer."""
        return f"answer it: --runbook-answer '{self.key}={value}', or in answers: {{{self.key!r}: {value!r}}}"

    def get(self, prop: str) -> ContextValue | None:
        return self.provider.local_value(self.spec, self.ordinal, prop)
