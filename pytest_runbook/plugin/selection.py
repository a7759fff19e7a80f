"""Which items run, in which order: whatever shuffles a session, a runbook's blocks stay together and in their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pytest

from .collection import BlockItem, RunbookItem

NOT_SELECTED = "was not selected (--runbook-alone runs this one all the same)"
"""What became of a block that others stand on, for people."""


def in_document_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Each runbook's items where its first one stands, in document order; all others where they are."""
    blocks: defaultdict[pytest.Collector, list[RunbookItem]] = defaultdict(list)
    for item in items:
        if isinstance(item, RunbookItem):
            blocks[item.node].append(item)
    return list(_merged(items, blocks))


def _merged(items: Sequence[pytest.Item], blocks: dict[pytest.Collector, list[RunbookItem]]) -> Iterator[pytest.Item]:
    for item in items:
        if not isinstance(item, RunbookItem):
            yield item
        elif item.node in blocks:
            yield from sorted(blocks.pop(item.node), key=lambda block: block.index)


def record_selection(items: Sequence[pytest.Item]) -> None:
    """Tell runbooks which of their items will run, and each of these which one comes before it."""
    for item in items:
        if isinstance(item, BlockItem):
            selected = item.node.selected
            item.previous = selected[-1] if selected else None
            selected.append(item)
