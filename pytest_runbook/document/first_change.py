"""Finds the first block that an edit of a document affects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..model.runbook import BlockSpec, Runbook

ABOVE_ALL = -1
"""The position above the first block: the runbook's own variables and environment."""


def first_change(old: Runbook, new: Runbook) -> int | None:
    """Return the index of the first block whose context may differ in the new document; None if there is none.

    Locations count, because the origin of a value has one. Templates can read every node through ``doc``, text
    included, so that an edit of any node affects the first block that reads ``doc``.
    """
    if _file_level(old) != _file_level(new):
        return ABOVE_ALL
    touched = [] if old.nodes == new.nodes else list(blocks_reading("doc", new))[:1]
    different = _first_difference(old.blocks, new.blocks)
    return min((*touched, different) if different is not None else touched, default=None)


def blocks_reading(root: str, runbook: Runbook) -> Iterator[int]:
    """Yield the indexes of blocks with a text that may read a root object of templates."""
    word = re.compile(rf"\b{root}\b")
    for index, spec in enumerate(runbook.blocks):
        if any(isinstance(text, str) and root in text and word.search(text) for text in spec.props.values()):
            yield index


def file_level_reads(root: str, runbook: Runbook) -> bool:
    """Return True if the runbook's own variables or environment may read a root object of templates."""
    declarations = (*runbook.vars, *runbook.env, *runbook.checks_vars)
    return any(isinstance(item.value, str) and re.search(rf"\b{root}\b", item.value) for item in declarations)


def _file_level(runbook: Runbook) -> object:
    """Return the parts of a runbook above its blocks, as far as contexts depend on them."""
    return (
        runbook.id,
        runbook.name,
        runbook.path,
        runbook.form,
        runbook.vars,
        runbook.env,
        runbook.checks_vars,
        runbook.secrets,
        runbook.answers,
    )


def _first_difference(old: Sequence[BlockSpec], new: Sequence[BlockSpec]) -> int | None:
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        if before != after:
            return index
    return None if len(old) == len(new) else min(len(old), len(new))
