"""Finds the secrets that a block may need in the text of its file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from ..model.block_expressions import expression_props
from ..model.catalog import BlockCatalog
from ..model.prose import Prose
from ..model.runbook import BlockSpec, Condition, Runbook
from ..templates.name_references import names_under

_ROOT = "secret"


def secrets_read(
    runbook: Runbook, spec: BlockSpec, above: Iterable[BlockSpec], catalog: BlockCatalog
) -> frozenset[str] | None:
    """Return the names of the secrets that a block may read, also through the declarations above it; None if it may
    read any.
    """
    declaring = (other for other in above if not catalog.is_item(other.type))
    head = (runbook.vars, runbook.env, runbook.checks_vars, runbook.connections, runbook.ssh)
    found = frozenset[str]()
    for names in secret_names((*head, *declaring, spec, *expression_props(spec, catalog))):
        if names is None:
            return None
        found |= names
    return found


def secret_names(content: object) -> Iterator[frozenset[str] | None]:
    """Yield the names of secrets in every text of a part of a file, at any depth; None for a text that may read any
    secret.
    """
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
        case Prose():
            return  # it is never rendered
        case _ if is_dataclass(content):
            for each in fields(content):
                yield from secret_names(getattr(content, each.name))
