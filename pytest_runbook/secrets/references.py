"""Which secrets a block may need, found in what its file says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from ..model.catalog import BlockCatalog
from ..model.runbook import BlockSpec, Condition, Runbook
from ..templates.name_references import names_under

_ROOT = "secret"


def secrets_read(
    runbook: Runbook, spec: BlockSpec, above: Iterable[BlockSpec], catalog: BlockCatalog
) -> frozenset[str] | None:
    """The names of the secrets that a block may read, itself or by what is declared above it; None: any."""
    declaring = (other for other in above if other.type in catalog and not catalog[other.type].is_item)
    head = (runbook.vars, runbook.env, runbook.checks_vars, runbook.connections, runbook.ssh)
    found = frozenset[str]()
    for names in secret_names((*head, *declaring, spec, *_expressions(spec, catalog))):
        if names is None:
            return None
        found |= names
    return found


def _expressions(spec: BlockSpec, catalog: BlockCatalog) -> Iterator[Condition]:
    for prop in catalog[spec.type].props if spec.type in catalog else ():
        source = spec.props.get(prop.name)
        if prop.expression and isinstance(source, str):
            yield Condition(source=source, location=spec.location)


def secret_names(content: object) -> Iterator[frozenset[str] | None]:
    """Those of every text in something that a file says."""
    match content:
        case str():
            yield names_under(_ROOT, content)
        case Condition(source=source):
            yield names_under(_ROOT, source, is_expression=True)
        case Mapping():
            for key, value in content.items():
                yield from (*secret_names(key), *secret_names(value))
        case list() | tuple():
            for value in content:
                yield from secret_names(value)
        case _ if is_dataclass(content):
            for each in fields(content):
                yield from secret_names(getattr(content, each.name))
