"""The expressions that a block has: its conditions, and the props that hold an expression."""

from __future__ import annotations

from collections.abc import Iterator

from .catalog import BlockCatalog
from .runbook import BlockSpec, Condition


def conditions_of(spec: BlockSpec) -> Iterator[Condition]:
    """Yield the expressions of a block's keys but `until`: assertions, warnings, captures, `when` and `for_each`."""
    rules = spec.rules
    yield from (*rules.assertions, *rules.warnings, *(capture.expression for capture in rules.captures))
    if rules.when is not None:
        yield rules.when
    if rules.for_each is not None and isinstance(rules.for_each.over, Condition):
        yield rules.for_each.over


def expression_props(spec: BlockSpec, catalog: BlockCatalog) -> Iterator[Condition]:
    """Yield the props of a block that its type declares as expressions, unless they are empty."""
    for prop in catalog[spec.type].props if spec.type in catalog else ():
        source = spec.props.get(prop.name)
        if prop.expression and isinstance(source, str) and source:
            yield Condition(source=source, location=spec.location_of(prop.name))
