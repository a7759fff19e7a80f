"""What an edit of a document touches."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.runbook import BlockSpec, Runbook


def first_change(old: Runbook, new: Runbook) -> int | None:
    """The index of the first block whose context may differ in the new document; None if none does.

    Prose counts as well: templates read it through ``doc``, so that an edit of prose begins at the first block.
    """
    if old.nodes != new.nodes and _prose(old) != _prose(new):
        return 0
    return _first_difference([_definition(spec) for spec in old.blocks], [_definition(spec) for spec in new.blocks])


def _first_difference(old: Sequence[object], new: Sequence[object]) -> int | None:
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        if before != after:
            return index
    return None if len(old) == len(new) else min(len(old), len(new))


def _definition(spec: BlockSpec) -> object:
    """What a block says, apart from where it stands in the file."""
    return (spec.id, spec.type, spec.name, spec.props, spec.rules, spec.node)


def _prose(runbook: Runbook) -> list[object]:
    known = {spec.node for spec in runbook.blocks}
    return [
        (node.id, node.type, node.props, node.content) for index, node in enumerate(runbook.nodes) if index not in known
    ]
