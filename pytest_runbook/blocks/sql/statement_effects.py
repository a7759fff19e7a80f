"""Determines the effect of a statement: whether it only reads, may change something, or destroys data.

In doubt, it may change something. This is not the only guard: where nothing may be changed, the session is opened
read-only as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from ...model.runbook import Effects
from ...policy.effects import Effect
from .statements import Statement, tokenize

_TEXTS = frozenset({TokenType.STRING, TokenType.IDENTIFIER})
_READS = frozenset({"SHOW", "DESCRIBE", "DESC", "EXISTS", "FETCH", "HELP"})
_TRANSACTIONS = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})
_QUERIES = frozenset({"SELECT", "VALUES", "TABLE", "FROM"})
_READING_PRAGMAS = frozenset(
    {
        "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
        "foreign_key_check", "integrity_check", "quick_check", "database_list", "collation_list", "function_list",
    }
)  # fmt: skip
_WRITING_PRAGMAS = frozenset({"optimize", "incremental_vacuum", "wal_checkpoint", "shrink_memory"})
_CHANGING = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Create, exp.Drop, exp.Alter, exp.Command, exp.Copy,
)  # fmt: skip
_CHANGING_FUNCTIONS = re.compile(
    r"nextval|setval|set_config|lo_\w+|lowrite|dblink\w*|pg_notify|pg_logical_emit_message|pg_\w*(?:terminate|cancel|reload|rotate|switch|promote|create"
    r"|drop|write|advance|import|reset|restore|backup)\w*|query_to_xml\w*|load_extension|writefile|edit|get_lock"
    r"|release_lock|sys_exec|sys_eval|last_insert_id",
    re.IGNORECASE,
)

_ANALYZES = re.compile(r"\banaly[sz]e\b", re.IGNORECASE)
_EXPLAIN = re.compile(
    r"explain\s*(?:\([^)]*\)\s*|(?:analy[sz]e|verbose|extended|format\s*=?\s*\w+)\b\s*)*", re.IGNORECASE
)


# Words after DROP that lose no rows: things without data, and keywords before the name of what is dropped.
_DROPPED_WITHOUT_DATA = frozenset(
    {
        "NOT", "DEFAULT", "CONSTRAINT", "INDEX", "KEY", "PRIMARY", "FOREIGN", "CHECK", "IDENTITY", "EXPRESSION",
        "TEMPORARY", "PROJECTION",
    }
)  # fmt: skip
_WITH_WHERE = frozenset({"DELETE", "UPDATE"})


def effect_of(statement: Statement, dialect: str) -> Effect:
    """Return the effect of a statement."""
    reason = destructive_reason(statement, dialect)
    if reason is not None:
        return Effect(Effects.DESTRUCTIVE, f"statement {statement.number}: {reason}")
    reason = write_reason(statement, dialect)
    if reason is not None:
        return Effect(Effects.WRITE, f"statement {statement.number}: {reason}")
    return Effect(Effects.READ, f"statement {statement.number} only reads")


def destructive_reason(statement: Statement, dialect: str) -> str | None:
    """Return why the statement destroys data, None if it does not."""
    if statement.verb == "EXPLAIN":
        inner = _explained(statement.tokens, statement, dialect)
        return None if inner is None else destructive_reason(inner, dialect)
    words = [token.text.upper() for token in statement.tokens if token.token_type not in _TEXTS]
    if statement.verb == "TRUNCATE" or (statement.verb == "ALTER" and "TRUNCATE" in words):
        return "TRUNCATE empties a table"
    if statement.verb in ("DROP", "ALTER"):
        dropped = (after for word, after in pairwise(words) if word == "DROP" and after not in _DROPPED_WITHOUT_DATA)
        return next((f"DROP {what} deletes its content" for what in dropped), None)
    if words[:4] == ["CREATE", "OR", "REPLACE", "TABLE"]:
        return "CREATE OR REPLACE TABLE deletes its old content"
    if "WITH" in words[:1]:
        return _destructive_reason_of_with(statement, dialect)
    if statement.verb in _WITH_WHERE and "WHERE" not in words:
        return f"{statement.verb} without WHERE touches every row"
    return None


def _destructive_reason_of_with(statement: Statement, dialect: str) -> str | None:
    """Return why a statement with a WITH clause destroys data, None if it does not."""
    trees = _parsed(statement.tokens, statement, dialect) or ()
    nodes = (node for tree in trees for node in tree.walk())
    bare = (node for node in nodes if isinstance(node, exp.Delete | exp.Update) and not node.args.get("where"))
    return next((f"{node.key.upper()} without WHERE touches every row" for node in bare), None)


def write_reason(statement: Statement, dialect: str) -> str | None:
    """Return why the statement may change something, None if it only reads."""
    return _write_reason(statement.tokens, statement, dialect)


def _write_reason(tokens: tuple[Token, ...], statement: Statement, dialect: str) -> str | None:
    words = [token.text.upper() for token in tokens if token.token_type is not TokenType.STRING]
    verb = next((word for word in words if word != "("), "")
    if verb == "EXPLAIN":
        return _write_reason_of_explain(tokens, statement, dialect)
    if verb in _READS:
        return None
    if verb in _TRANSACTIONS:
        return f"{verb} ... WRITE may change something" if "WRITE" in words else None
    if verb == "PRAGMA":
        return _write_reason_of_pragma(words)
    if verb in _QUERIES or verb == "WITH":
        return _write_reason_of_query(tokens, statement, dialect)
    return f"{verb} may change something" if verb else "its SQL can't be read, so it may change something"


def _write_reason_of_explain(tokens: tuple[Token, ...], statement: Statement, dialect: str) -> str | None:
    """EXPLAIN only reads; EXPLAIN ANALYZE runs the statement that it explains."""
    inner = _explained(tokens, statement, dialect)
    return None if inner is None else _write_reason(inner.tokens, inner, dialect)


def _explained(tokens: tuple[Token, ...], statement: Statement, dialect: str) -> Statement | None:
    """Return the statement that EXPLAIN ANALYZE runs; None for an EXPLAIN that runs nothing."""
    if not _ANALYZES.search(statement.text):
        return None
    inner = _EXPLAIN.sub("", statement.text[tokens[0].start - statement.offset :])
    return Statement(statement.number, inner, statement.line, tuple(tokenize(inner, dialect) or ()), 0)


def _write_reason_of_pragma(words: list[str]) -> str | None:
    name = words[1].lower() if len(words) > 1 else ""
    if name in _WRITING_PRAGMAS:
        return f"PRAGMA {name} may change something"
    if len(words) == 2 or name in _READING_PRAGMAS:
        return None
    return f"PRAGMA {name} with a value may change something"


def _write_reason_of_query(tokens: tuple[Token, ...], statement: Statement, dialect: str) -> str | None:
    trees = _parsed(tokens, statement, dialect)
    if trees is None:
        return "its SQL can't be parsed, so it may change something"
    for tree in trees:
        for node in tree.walk():
            if isinstance(node, _CHANGING):
                return f"it holds {node.key.upper()}"
            if isinstance(node, exp.Func) and _CHANGING_FUNCTIONS.fullmatch(node.name or node.sql_name()):
                return f"{(node.name or node.sql_name()).lower()}() may change something"
    return None


def _parsed(tokens: Sequence[Token], statement: Statement, dialect: str) -> list[exp.Expr] | None:
    """Return the syntax trees; None if the parser can't read the statement, or it is nested too deeply."""
    try:
        trees = Dialect.get_or_raise(dialect).parser().parse(list(tokens), statement.text)
    except (SqlglotError, RecursionError):
        return None
    return [tree for tree in trees if tree is not None]
