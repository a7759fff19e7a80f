"""What of an active context outlives its run, and for whom it still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
    """Digests of what blocks see, secrets apart.

    Each is made from that of the block above, so that a block costs the same wherever it stands.
    """

    def __init__(self) -> None:
        self._digests: list[str] = []

    def invalidate_below(self, index: int) -> None:
        """Let go of what the blocks below one see."""
        del self._digests[index + 1 :]

    def at(self, index: int, first: ContextResolver, contexts_of: Callable[[int], Iterable[BlockContext]]) -> str:
        """The digest for a block. first: what the first block sees. contexts_of: what the block of an index tells."""
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
    """The id under which a run's contexts are kept: the runbook's own, or one of the cell or the host of the run."""
    if host is None and not cell:
        return runbook_id
    values = {name: value.value for name, value in cell.items()}
    return f"{runbook_id} {fingerprint_of({'host': host and host.value, 'cell': values})}"


def context_fingerprint(spec: BlockSpec, fingerprint_above: str) -> str:
    """Says for which definition of a block, and for what it sees, a stored context holds."""
    return fingerprint_of({"block": _definition(spec), "sees": fingerprint_above})


def storable_items(context: BlockContext, masker: Masker) -> list[dict[str, Any]]:
    """What is kept of a context: variables that hold a secret are left out, outputs are masked."""
    masked = masker.mask_data(context_to_json(_without_secrets(context, masker)))
    assert isinstance(masked, list)
    return masked


def is_large(context: BlockContext) -> bool:
    """True if its output is known to be larger than what is kept of it."""
    output = context.get(BlockExecutionOutput)
    return output is not None and isinstance(output.fields, Output) and bool(output.fields.large)


def _without_secrets(context: BlockContext, masker: Masker) -> BlockContext:
    """The context without the variables that hold a secret: a mask in a value would be a wrong value."""
    storable = context.copy()
    produced = context.get(DocumentVars)
    if produced is not None:
        not_secret = (item for item in produced.values if not masker.holds_secret(str(item.value.value)))
        storable.insert(DocumentVars(tuple(not_secret)))
    return storable


def _parts(item: ContextItem) -> Iterator[object]:
    """What an item says, as plain data; nothing of what is secret, and nothing of outputs."""
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
    """What a block says that decides what it leaves, wherever it stands in its file."""
    rules, scope = spec.rules, spec.rules.scope
    alone = {"directory": scope.directory, "host": scope.host, "stdin": scope.stdin}
    return {
        "type": spec.type,
        "props": dict(spec.props),
        "template": rules.template,
        "captures": {capture.name: capture.expression.source for capture in rules.captures},
        "scope": {name: declaration.value for name, declaration in alone.items() if declaration is not None},
        "vars": _values(scope.vars),
        "env": _values(scope.env),
    }


def _values(declarations: tuple[Declaration, ...]) -> dict[str, object]:
    return {item.name: item.value for item in declarations}


def _texts(values: Values) -> dict[str, str]:
    return {name: str(value.value) for name, value in values.items() if not value.sensitive}
