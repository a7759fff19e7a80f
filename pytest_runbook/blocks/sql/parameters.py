"""Query parameters that the driver binds. They are found by tokens, so that strings and comments hold none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot.tokenizer_core import TokenType

from ...errors import InvalidValue
from .statements import Statement

Params = Mapping[str, object] | Sequence[object]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A parameter in a statement's text. start, end: its position. name: None for ``?``."""

    start: int
    end: int
    name: str | None


def placeholders(statement: Statement) -> Iterator[Placeholder]:
    """Yield each ``:name`` and ``?`` of a statement, in order."""
    tokens = statement.tokens
    for index, token in enumerate(tokens):
        start = token.start - statement.offset
        if token.token_type is TokenType.PLACEHOLDER:
            yield Placeholder(start, start + 1, None)
        elif token.token_type is TokenType.COLON and index + 1 < len(tokens):
            name = tokens[index + 1]
            if name.start == token.end + 1 and name.text.isidentifier():
                yield Placeholder(start, name.end + 1 - statement.offset, name.text)


def names_used(statement: Statement, params: Mapping[str, object]) -> list[str]:
    """Return the names of the parameters that a statement uses, each once, in order."""
    used = (placeholder.name for placeholder in placeholders(statement))
    return list(dict.fromkeys(name for name in used if name in params and name is not None))


def numbered(statement: Statement, params: Params) -> tuple[str, Sequence[object]]:
    """Return the text with ``$1``, ``$2`` ... in place of the ``:name`` of each parameter, and the values in order.

    A text whose parameters are a list has these numbers already.
    """
    if not params:
        return statement.text, ()
    if not isinstance(params, Mapping):
        return statement.text, params
    names = names_used(statement, params)
    text, at = "", 0
    for placeholder in placeholders(statement):
        if placeholder.name in names:
            text += f"{statement.text[at : placeholder.start]}${names.index(placeholder.name) + 1}"
            at = placeholder.end
    return text + statement.text[at:], [params[name] for name in names]


def formatted(statement: Statement, params: Params) -> tuple[str, Sequence[object] | None]:
    """Return the text with ``%s`` for each parameter and its own percent signs doubled, and the values in order.

    Without parameters, the text is unchanged and the values are None: the driver leaves percent signs alone then.

    :raises InvalidValue: if there are more or fewer values than the statement wants.
    """
    if not params:
        return statement.text, None
    text, at, values = "", 0, []
    positional = iter(params if not isinstance(params, Mapping) else ())
    for placeholder in placeholders(statement):
        if isinstance(params, Mapping) and placeholder.name not in params:
            continue
        text += statement.text[at : placeholder.start].replace("%", "%%") + "%s"
        at = placeholder.end
        values.append(_value(placeholder, params, positional))
    unused = sum(1 for _ in positional)
    if unused:
        raise InvalidValue(f"params holds {len(values) + unused}, and the statement wants {len(values)}")
    return text + statement.text[at:].replace("%", "%%"), values


def _value(placeholder: Placeholder, params: Params, positional: Iterator[object]) -> object:
    if isinstance(params, Mapping):
        return params[placeholder.name or ""]
    try:
        return next(positional)
    except StopIteration:
        raise InvalidValue(f"params holds {len(params)}, and the statement wants more") from None
