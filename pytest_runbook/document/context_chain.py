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
from .context_fingerprint import Sights
from .first_change import ABOVE_ALL


@dataclass(slots=True)
class Station:
    """One block at its place in the document.

    behavior: None for a type that nothing runs yet.
    """

    spec: BlockSpec
    behavior: BlockBehavior | None
    local_values: LocalValues
    active: BlockContext
    passive: BlockContext = field(default_factory=BlockContext)


class Fold:
    """The contexts of all blocks, one on top of the other.

    first: what the first block sees, and what is wrong with it.
    declared: what a block declares, by its index and what it sees; raises `ContextError`.
    """

    def __init__(
        self,
        first: Callable[[], tuple[ContextResolver, ContextError | None]],
        declared: Callable[[int, ContextResolver], BlockContext],
    ) -> None:
        self.stations: list[Station] = []
        self._first = first
        self._declared = declared
        self._above: list[ContextResolver] = []
        self._errors: dict[int, ContextError] = {}
        self._looking_down: set[int] = set()
        self._sights = Sights()

    def to(self, index: int) -> ContextResolver:
        """What stands above a block."""
        if not self._above:
            resolver, error = self._first()
            self._above.append(resolver)
            if error is not None:
                self._errors[ABOVE_ALL] = error
        for position in range(len(self._above) - 1, index):
            self._evaluate(position)
            self._above.append(self._folded(position))
        return self._above[index]

    def error_above(self, index: int) -> tuple[int, ContextError] | None:
        """The first error above a block, and the index of the block that it belongs to."""
        self.to(index)
        first = min(self._errors, default=index)
        return (first, self._errors[first]) if first < index else None

    def sight(self, index: int) -> str:
        """A digest of what a block sees."""
        self.to(index)
        return self._sights.at(index, self._above[0], self._said)

    def looks_down(self, position: int) -> None:
        """Note that what a block declares hangs on what blocks below it left."""
        self._looking_down.add(position)

    def forget_from(self, index: int) -> None:
        """Let a block and what lies below it be evaluated again when somebody asks."""
        del self._above[index + 1 :]
        self._sights.forget_below(index)
        self._errors = {position: error for position, error in self._errors.items() if position < index}
        self._looking_down = {position for position in self._looking_down if position < index}

    def refold(self, index: int) -> int:
        """Take what a block says now, as it is; gives the index from which on blocks may see something else."""
        looking = [position for position in self._looking_down if position <= index]
        if looking:
            self.forget_from(min(looking))
            return min(looking)
        was_folded = index + 1 < len(self._above)
        self.forget_from(index + 1)
        if was_folded:
            self._above[index + 1] = self._folded(index)
            self._sights.forget_below(index)
        return index + 1

    def _evaluate(self, position: int) -> None:
        station = self.stations[position]
        station.passive = BlockContext()
        try:
            station.passive = self._declared(position, self._above[position])
        except ContextError as error:
            self._errors[position] = error

    def _folded(self, position: int) -> ContextResolver:
        passive, active = self._said(position)
        return self._above[position].fold(passive).fold(active)

    def _said(self, position: int) -> tuple[BlockContext, BlockContext]:
        station = self.stations[position]
        return station.passive, station.active
