"""Selects and orders items: however a session is shuffled, a runbook's blocks stay together and in their order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from .collection import BlockItem, RunbookItem, RunbookNode

if TYPE_CHECKING:
    from ..model.catalog import BlockCatalog

NOT_SELECTED = "was not selected (--runbook-alone runs this one all the same)"
"""Why a block above a selected one was not run; the text of a skip."""


def in_document_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return each runbook's items where its first one stands, in document order, and all others where they are."""
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
    """Record in each runbook which of its items will run, and in each of these which one comes before it."""
    for item in items:
        if isinstance(item, BlockItem):
            selected = item.node.selected
            item.previous = selected[-1] if selected else None
            selected.append(item)


def unselected_blocks(node: RunbookNode, catalog: BlockCatalog, *, is_alone: bool) -> dict[str, str]:
    """Return the blocks that were not selected, each id with a reason. The blocks below them do not run.

    is_alone: selected blocks run without those above them; nothing is returned then.
    """
    if node.runbook is None or is_alone:
        return {}
    selected = {item.spec.id for item in node.selected}
    return {spec.id: NOT_SELECTED for spec in catalog.work_items(node.runbook) if spec.id not in selected}
