"""What blocks say, folded from the top as far as somebody asked, and kept.

A change costs what lies below it, and only when somebody asks again; a block costs the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..blocks.behavior import BlockBehavior
from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.resolver import ContextResolver
from ..errors import ContextError
from ..model.runbook import BlockSpec
from .context_fingerprint import ContextFingerprints
from .first_change import ABOVE_ALL


@dataclass(slots=True)
class ChainEntry:
    """One block at its place in the document.

    behavior: None for a type that nothing runs yet.
    """

    spec: BlockSpec
    behavior: BlockBehavior | None
    local_values: LocalValues
    active: BlockContext
    passive: BlockContext = field(default_factory=BlockContext)


class ContextChain:
    """The contexts of all blocks, one on top of the other.

    first: what the first block sees, and what is wrong with it.
    passive_context: what a block declares, by its index and what it sees; raises `ContextError`.
    """

    def __init__(
        self,
        first: Callable[[], tuple[ContextResolver, ContextError | None]],
        passive_context: Callable[[int, ContextResolver], BlockContext],
    ) -> None:
        self.entries: list[ChainEntry] = []
        self._first = first
        self._passive_context = passive_context
        self._resolvers: list[ContextResolver] = []
        self._errors: dict[int, ContextError] = {}
        self._depend_below: set[int] = set()
        self._fingerprints = ContextFingerprints()

    def resolver_above(self, index: int) -> ContextResolver:
        """What stands above a block."""
        if not self._resolvers:
            resolver, error = self._first()
            self._resolvers.append(resolver)
            if error is not None:
                self._errors[ABOVE_ALL] = error
        for position in range(len(self._resolvers) - 1, index):
            self._evaluate(position)
            self._resolvers.append(self._folded(position))
        return self._resolvers[index]

    def error_above(self, index: int) -> tuple[int, ContextError] | None:
        """The first error above a block, and the index of the block that it belongs to."""
        self.resolver_above(index)
        first = min(self._errors, default=index)
        return (first, self._errors[first]) if first < index else None

    def fingerprint_above(self, index: int) -> str:
        """A digest of what a block sees."""
        self.resolver_above(index)
        return self._fingerprints.at(index, self._resolvers[0], self._contexts_of)

    def mark_depends_below(self, position: int) -> None:
        """Note that what a block declares hangs on what blocks below it left."""
        self._depend_below.add(position)

    def invalidate_from(self, index: int) -> None:
        """Let a block and what lies below it be evaluated again when somebody asks."""
        del self._resolvers[index + 1 :]
        self._fingerprints.invalidate_below(index)
        self._errors = {position: error for position, error in self._errors.items() if position < index}
        self._depend_below = {position for position in self._depend_below if position < index}

    def refold(self, index: int) -> int:
        """Take what a block says now, as it is; gives the index from which on blocks may see something else."""
        dependents = [position for position in self._depend_below if position <= index]
        if dependents:
            self.invalidate_from(min(dependents))
            return min(dependents)
        was_folded = index + 1 < len(self._resolvers)
        self.invalidate_from(index + 1)
        if was_folded:
            self._resolvers[index + 1] = self._folded(index)
            self._fingerprints.invalidate_below(index)
        return index + 1

    def _evaluate(self, position: int) -> None:
        entry = self.entries[position]
        entry.passive = BlockContext()
        try:
            entry.passive = self._passive_context(position, self._resolvers[position])
        except ContextError as error:
            self._errors[position] = error

    def _folded(self, position: int) -> ContextResolver:
        passive, active = self._contexts_of(position)
        return self._resolvers[position].fold(passive).fold(active)

    def _contexts_of(self, position: int) -> tuple[BlockContext, BlockContext]:
        entry = self.entries[position]
        return entry.passive, entry.active
