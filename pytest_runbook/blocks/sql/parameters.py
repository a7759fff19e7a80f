"""Parameters that the driver binds: found by their tokens, so that nothing in strings or comments is taken for one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot.tokenizer_core import TokenType

from ...errors import InvalidValue
from .statements import Statement

Params = Mapping[str, object] | Sequence[object]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Where a parameter stands in a statement's text. name: None for ``?``."""

    start: int
    end: int
    name: str | None


def placeholders(statement: Statement) -> Iterator[Placeholder]:
    """``:name`` and ``?`` in a statement, in order."""
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
    """Which of the parameters a statement uses, each once."""
    used = (placeholder.name for placeholder in placeholders(statement))
    return list(dict.fromkeys(name for name in used if name in params and name is not None))


def numbered(statement: Statement, params: Params) -> tuple[str, Sequence[object]]:
    """The text with ``$1`` for each ``:name`` that is a parameter's, and their values; lists are numbered already."""
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
    """The text with ``%s`` for each parameter and its own percent signs doubled; None where there are no parameters."""
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
