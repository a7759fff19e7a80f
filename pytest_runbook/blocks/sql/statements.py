"""Splits SQL into statements, and decides which ones are queries.

Statements are slices of the author's text, cut at semicolon tokens. SQL that the dialect's tokenizer can't read is
sent unchanged, so that the server reports what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType

from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

_CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_SELECTS = frozenset({"SELECT", "VALUES", "TABLE", "FROM"})
_RETURN_ROWS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "postgres": frozenset({"EXPLAIN", "FETCH", "SHOW"}),
        "sqlite": frozenset({"EXPLAIN", "PRAGMA"}),
        "mysql": frozenset(
            {"EXPLAIN", "SHOW", "DESCRIBE", "DESC", "ANALYZE", "CHECK", "CHECKSUM", "OPTIMIZE", "REPAIR", "HELP"}
        ),
        "clickhouse": frozenset({"EXPLAIN", "SHOW", "DESCRIBE", "DESC", "EXISTS", "CHECK", "KILL", "WATCH"}),
    }
)
# What has a body with semicolons in it.
_WITH_BODY = frozenset({"TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"})
_UNCOUNTED_BLOCKS = frozenset({"IF", "LOOP", "WHILE", "REPEAT", "FOR"})
_EXECUTABLE_COMMENTS = ("/*!", "/*M!")


@dataclass(frozen=True)
class Statement:
    """One statement of a query.

    number: 1-based. text: as written, without its semicolon. line: 1-based line of the query where it begins.
    tokens: empty if the dialect's tokenizer could not read it.
    offset: the position of the text in the query. is_last: True if it is the last statement of the query.
    """

    number: int
    text: str
    line: int
    tokens: tuple[Token, ...]
    offset: int
    is_last: bool = True

    @property
    def words(self) -> Iterator[str]:
        """The keywords and names outside of any parentheses, in capitals."""
        depth = 0
        for token in self.tokens:
            depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
            if depth == 0 and token.token_type not in (TokenType.R_PAREN, TokenType.STRING):
                yield token.text.upper()

    @cached_property
    def verb(self) -> str:
        """The keyword of the statement, in capitals: its first word, or the one that follows ``WITH ...``."""
        first = next((token.text.upper() for token in self.tokens if token.token_type is not TokenType.L_PAREN), "")
        words = iter(self.words)
        return next((word for word in words if word in _CHANGES | _SELECTS), first) if first == "WITH" else first


@lru_cache(maxsize=64)
def split_statements(query: str, dialect: str) -> tuple[Statement, ...]:
    """Return the statements of a query in order; none if it holds only white space and comments."""
    tokens = tokenize(query, dialect)
    if tokens is None:
        return (Statement(1, query.strip(), _first_line(query), (), 0),)
    found: list[Statement] = []
    start = 0
    for piece, end in _pieces(tokens, len(query)):
        text = query[start:end]
        # The tokenizer drops executable comments of MySQL, which are statements.
        if piece or (dialect == "mysql" and any(comment_start in text for comment_start in _EXECUTABLE_COMMENTS)):
            offset = start + len(text) - len(text.lstrip())
            line = query.count("\n", 0, piece[0].start if piece else offset) + 1
            found.append(Statement(len(found) + 1, text.strip(), line, tuple(piece), offset))
        start = end + 1
    return (*(replace(statement, is_last=False) for statement in found[:-1]), *found[-1:])


def tokenize(query: str, dialect: str) -> Sequence[Token] | None:
    """Return the query's tokens, None if the dialect's tokenizer can't read it."""
    try:
        return Dialect.get_or_raise(dialect).tokenize(query)
    except TokenError:
        return None


def returns_rows(statement: Statement, dialect: str) -> bool:
    """Return True for a query, which returns rows; False for a statement, which changes something.

    Unknown SQL counts as a statement; if the server returns rows all the same, they are kept.
    """
    verb = statement.verb
    if verb in _CHANGES:
        return "RETURNING" in statement.words
    return verb in _SELECTS or verb in _RETURN_ROWS[dialect]


def _pieces(tokens: Sequence[Token], length: int) -> Iterator[tuple[list[Token], int]]:
    """Yield the tokens of each statement and the end of its text. Semicolons inside of bodies end no statement."""
    piece: list[Token] = []
    depth = 0
    for index, token in enumerate(tokens):
        if token.token_type is TokenType.SEMICOLON and depth <= 0:
            yield piece, token.start
            piece, depth = [], 0
            continue
        piece.append(token)
        if depth or _may_open(piece):
            following = tokens[index + 1].text.upper() if index + 1 < len(tokens) else ""
            depth += _depth_change(token, following, piece)
    yield piece, length


def _may_open(piece: Sequence[Token]) -> bool:
    """Return True if a body may begin here: in CREATE TRIGGER and the like, and in BEGIN NOT ATOMIC."""
    first = piece[0].text.upper()
    if first == "CREATE":
        return any(token.text.upper() in _WITH_BODY for token in piece[1:12])
    return first == "BEGIN" and len(piece) == 2 and piece[1].text.upper() == "NOT"


def _depth_change(token: Token, following: str, piece: Sequence[Token]) -> int:
    """Return the change of depth: 1 for BEGIN and CASE, -1 for the END of either."""
    if token.token_type in (TokenType.IDENTIFIER, TokenType.STRING):
        return 0
    word = token.text.upper()
    if word == "CASE":
        return 0 if len(piece) > 1 and piece[-2].text.upper() == "END" else 1
    if word == "BEGIN" or (word == "NOT" and len(piece) == 2):
        return 1
    return -1 if word == "END" and following not in _UNCOUNTED_BLOCKS else 0


def _first_line(query: str) -> int:
    return query.count("\n", 0, len(query) - len(query.lstrip())) + 1
