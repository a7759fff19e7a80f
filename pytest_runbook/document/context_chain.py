"""The chain of contexts of a document: each block sees the contexts of all blocks above it."""

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
    """One block of the chain with its contexts.

    behavior: None for a block type that is not supported.
    active: what the block left when it ran. passive: what it declares.
    """

    spec: BlockSpec
    behavior: BlockBehavior | None
    local_values: LocalValues
    active: BlockContext
    passive: BlockContext = field(default_factory=BlockContext)


class ContextChain:
    """Folds the contexts of all blocks, from the first to the last, and caches the resolver above each block.

    Contexts are folded only as far down as a caller asks. A change of a block invalidates the resolvers below it; they
    are folded again on the next call. So a change costs only what lies below it, and a block costs the same at any
    position. Errors of declarations are kept by position, and reported to the blocks below.

    first: returns the resolver of the first block, and an error if the file's own values can't be evaluated.
    passive_context: returns the declaration of a block, from its index and the resolver above it; raises
    `ContextError`.
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
        """Return the resolver above a block."""
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
        """Return the first error above a block, with the index of the block that caused it; None if there is none."""
        self.resolver_above(index)
        first = min(self._errors, default=index)
        return (first, self._errors[first]) if first < index else None

    def fingerprint_above(self, index: int) -> str:
        """Return a digest of the context above a block."""
        self.resolver_above(index)
        return self._fingerprints.at(index, self._resolvers[0], self._contexts_of)

    def mark_depends_below(self, position: int) -> None:
        """Record that the declaration of a block depends on outputs of blocks below it."""
        self._depend_below.add(position)

    def invalidate_from(self, index: int) -> None:
        """Discard the resolvers below a position, and the errors at and below it.
        They are made again on the next call.
        """
        del self._resolvers[index + 1 :]
        self._fingerprints.invalidate_below(index)
        self._errors = {position: error for position, error in self._errors.items() if position < index}
        self._depend_below = {position for position in self._depend_below if position < index}

    def refold(self, index: int) -> int:
        """Fold a block's changed context. Return the index of the first block that may see a change."""
        # The declaration of a block at or above this one may read outputs of blocks below, through `doc`: evaluate it
        # again.
        dependents = [position for position in self._depend_below if position <= index]
        if dependents:
            self.invalidate_from(min(dependents))
            return min(dependents)
        # Only the contexts of this block changed: its declaration need not be evaluated again, as `resolver_above`
        # would do.
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
