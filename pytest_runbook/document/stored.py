"""What of an active context outlives its run, and for whom it still holds."""

from __future__ import annotations

from ..context.block_context import BlockContext
from ..context.items import DocumentVars
from ..context.resolver import ContextResolver, Values
from ..context.storage import stamp_of
from ..masking import Redactor
from ..model.runbook import BlockSpec, Given


def stamp(spec: BlockSpec, resolver: ContextResolver) -> str:
    """Says for which definition of a block, and for what it sees, a stored context holds; secrets do not count."""
    sees = {
        "host": resolver.host,
        "cwd": resolver.cwd,
        "vars": _texts(resolver.vars),
        "env": _texts(resolver.env),
    }
    return stamp_of({"block": _definition(spec), "sees": sees})


def without_secrets(context: BlockContext, redactor: Redactor) -> BlockContext:
    """The context without the variables that hold a secret: a mask in a value would be a wrong value."""
    kept = context.copy()
    left = context.get(DocumentVars)
    if left is not None:
        open_ones = (item for item in left.values if not redactor.holds_secret(str(item.value.value)))
        kept.insert(DocumentVars(tuple(open_ones)))
    return kept


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
