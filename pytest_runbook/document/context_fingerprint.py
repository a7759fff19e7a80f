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
from ..context.storage import stamp_of
from ..model.runbook import BlockSpec, Given
from ..secrets.masker import Redactor
from ..secrets.provenance import ContextValue


class Sights:
    """Digests of what blocks see, secrets apart.

    Each is made from that of the block above, so that a block costs the same wherever it stands.
    """

    def __init__(self) -> None:
        self._digests: list[str] = []

    def forget_below(self, index: int) -> None:
        """Let go of what the blocks below one see."""
        del self._digests[index + 1 :]

    def at(self, index: int, first: ContextResolver, said: Callable[[int], Iterable[BlockContext]]) -> str:
        """The digest for a block. first: what the first block sees. said: what the block of an index tells."""
        if not self._digests:
            start = {"host": first.host, "cwd": first.cwd, "vars": _texts(first.vars), "env": _texts(first.env)}
            self._digests.append(stamp_of(start))
        for position in range(len(self._digests) - 1, index):
            items = [part for context in said(position) for item in context for part in _parts(item)]
            self._digests.append(stamp_of({"above": self._digests[-1], "said": items}) if items else self._digests[-1])
        return self._digests[index]


def kept_as(runbook_id: str, host: ContextValue | None, cell: Values) -> str:
    """The id under which a run's contexts are kept: the runbook's own, or one of the cell or the host of the run."""
    if host is None and not cell:
        return runbook_id
    values = {name: value.value for name, value in cell.items()}
    return f"{runbook_id} {stamp_of({'host': host and host.value, 'cell': values})}"


def stamp(spec: BlockSpec, sight: str) -> str:
    """Says for which definition of a block, and for what it sees, a stored context holds."""
    return stamp_of({"block": _definition(spec), "sees": sight})


def kept_items(context: BlockContext, redactor: Redactor) -> list[dict[str, Any]]:
    """What is kept of a context: variables that hold a secret are left out, outputs are masked."""
    masked = redactor.redact_data(context_to_json(_without_secrets(context, redactor)))
    assert isinstance(masked, list)
    return masked


def is_large(context: BlockContext) -> bool:
    """True if its output is known to be larger than what is kept of it."""
    output = context.get(BlockExecutionOutput)
    return output is not None and isinstance(output.fields, Output) and bool(output.fields.large)


def _without_secrets(context: BlockContext, redactor: Redactor) -> BlockContext:
    """The context without the variables that hold a secret: a mask in a value would be a wrong value."""
    kept = context.copy()
    left = context.get(DocumentVars)
    if left is not None:
        open_ones = (item for item in left.values if not redactor.holds_secret(str(item.value.value)))
        kept.insert(DocumentVars(tuple(open_ones)))
    return kept


def _parts(item: ContextItem) -> Iterator[object]:
    """What an item says, as plain data; nothing of what is secret, and nothing of outputs."""
    match item:
        case DocumentVars(values) | DocumentEnvVars(values):
            for each in values:
                yield from _parts(each)
        case DocumentVar(name, value) | DocumentEnvVar(name, value):
            yield from _told(type(item).__name__, name, value)
        case DocumentCwd(path):
            yield from _told("cwd", "", path)
        case DocumentSshHost(host):
            yield from _told("host", "", host)
        case DocumentSshConfig():
            yield ["config", item.user_host, item.user, item.hostname, item.port]
        case BlockExecutionOutput():
            pass


def _told(kind: str, name: str, value: ContextValue | None) -> Iterator[object]:
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
        "scope": {name: given.value for name, given in alone.items() if given is not None},
        "vars": _values(scope.vars),
        "env": _values(scope.env),
    }


def _values(given: tuple[Given, ...]) -> dict[str, object]:
    return {item.name: item.value for item in given}


def _texts(values: Values) -> dict[str, str]:
    return {name: str(value.value) for name, value in values.items() if not value.sensitive}
