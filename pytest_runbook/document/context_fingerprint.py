"""The stored form of active contexts, and the fingerprints that show for which blocks they are still valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

from ..context.block_context import BlockContext
from ..context.items import (
    BlockExecutionOutput,
    ContextItem,
    DocumentCwd,
    DocumentEnvVar,
    DocumentEnvVars,
    DocumentSshConfig,
    DocumentSshHost,
    DocumentVar,
    DocumentVars,
)
from ..context.json_form import context_to_json
from ..context.output import Output
from ..context.resolver import ContextResolver, Values
from ..context.storage import fingerprint_of
from ..model.runbook import BlockSpec, Declaration
from ..secrets.masker import Masker
from ..secrets.provenance import ContextValue


class ContextFingerprints:
    """Digests of the contexts above blocks, without secrets.

    Each is made from the one above it, so that it costs the same at any position.
    """

    def __init__(self) -> None:
        self._digests: list[str] = []

    def invalidate_below(self, index: int) -> None:
        """Discard the digests of the blocks below an index."""
        del self._digests[index + 1 :]

    def at(self, index: int, first: ContextResolver, contexts_of: Callable[[int], Iterable[BlockContext]]) -> str:
        """Return the digest for a block. first: the resolver of the first block. contexts_of: returns the contexts of a
        block.
        """
        if not self._digests:
            start = {"host": first.host, "cwd": first.cwd, "vars": _texts(first.vars), "env": _texts(first.env)}
            self._digests.append(fingerprint_of(start))
        for position in range(len(self._digests) - 1, index):
            items = [part for context in contexts_of(position) for item in context for part in _parts(item)]
            self._digests.append(
                fingerprint_of({"above": self._digests[-1], "said": items}) if items else self._digests[-1]
            )
        return self._digests[index]


def storage_document_id(runbook_id: str, host: ContextValue | None, cell: Values) -> str:
    """Return the id under which contexts are stored: the runbook's own, or one for the run's matrix cell and host."""
    if host is None and not cell:
        return runbook_id
    values = {name: value.value for name, value in cell.items()}
    return f"{runbook_id} {fingerprint_of({'host': host and host.value, 'cell': values})}"


def context_fingerprint(spec: BlockSpec, fingerprint_above: str) -> str:
    """Return a digest of a block's definition and the context above it. A stored context is valid only for this."""
    return fingerprint_of({"block": _definition(spec), "sees": fingerprint_above})


def storable_items(context: BlockContext, masker: Masker) -> list[dict[str, Any]]:
    """Return a context in stored form. Variables that hold a secret are left out, and outputs are masked."""
    masked = masker.mask_data(context_to_json(_without_secrets(context, masker)))
    assert isinstance(masked, list)
    return masked


def is_large(context: BlockContext) -> bool:
    """Return True if the output is known to be too large to be stored."""
    output = context.get(BlockExecutionOutput)
    return output is not None and isinstance(output.fields, Output) and bool(output.fields.large)


def _without_secrets(context: BlockContext, masker: Masker) -> BlockContext:
    """Return a context without variables that hold a secret. A mask in their place would be a wrong value."""
    storable = context.copy()
    produced = context.get(DocumentVars)
    if produced is not None:
        not_secret = (item for item in produced.values if not masker.holds_secret(str(item.value.value)))
        storable.insert(DocumentVars(tuple(not_secret)))
    return storable


def _parts(item: ContextItem) -> Iterator[object]:
    """Yield an item as plain data, without secrets and outputs."""
    match item:
        case DocumentVars(values) | DocumentEnvVars(values):
            for each in values:
                yield from _parts(each)
        case DocumentVar(name, value) | DocumentEnvVar(name, value):
            yield from _value_parts(type(item).__name__, name, value)
        case DocumentCwd(path):
            yield from _value_parts("cwd", "", path)
        case DocumentSshHost(host):
            yield from _value_parts("host", "", host)
        case DocumentSshConfig():
            yield ["config", item.user_host, item.user, item.hostname, item.port]
        case BlockExecutionOutput():
            pass


def _value_parts(kind: str, name: str, value: ContextValue | None) -> Iterator[object]:
    if value is None or not value.sensitive:
        yield [kind, name, None if value is None else str(value.value)]


def _definition(spec: BlockSpec) -> dict[str, object]:
    """Return the parts of a block's definition that influence what it leaves. Its position in the file does not."""
    rules, scope = spec.rules, spec.rules.scope
    scope_fields = {each.name: getattr(scope, each.name) for each in fields(scope)}
    return {
        "type": spec.type,
        "props": dict(spec.props),
        "template": rules.template,
        "captures": {capture.name: capture.expression.source for capture in rules.captures},
        "scope": {name: _declared_value(value) for name, value in scope_fields.items() if value},
    }


def _declared_value(declared: Declaration | tuple[Declaration, ...]) -> object:
    return {item.name: item.value for item in declared} if isinstance(declared, tuple) else declared.value


def _texts(values: Values) -> dict[str, str]:
    return {name: str(value.value) for name, value in values.items() if not value.sensitive}
