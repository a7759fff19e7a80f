"""What all SQL blocks share: statements one after the other on one session, and what came of each."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ...context.output import Output
from ...errors import BlockFailed, Place
from ...execution.context import ExecutionContext
from ...execution.result import Section
from ...resources.database_sessions import DatabaseSession
from ...text import shorten, show_seconds
from ..query import QueryBlockBehavior
from .effects import why_it_writes
from .parameters import Params
from .results import QueryResult, SqlResult, StatementResult, message, now, sql_output
from .rows import Convert, Converters, Layout, Rows, column_names
from .statements import Statement, gives_rows, split

SHOWN_ROWS = 20
SHOWN_STATEMENT = 2000
SHOWN_CELL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a driver gave for one statement.

    columns: as the server calls them; None if it gave no rows, not even none of them.
    converts: how values become plain data, by position, for columns whose values' own types do not tell it.
    """

    columns: Sequence[str] | None = None
    rows: Sequence[Sequence[object]] = ()
    converts: Mapping[int, Convert] = field(default_factory=dict)
    rows_affected: int | None = None
    last_insert_rowid: int | None = None
    rows_read: int | None = None
    bytes_read: int | None = None


class SqlSession(DatabaseSession):
    """A session that runs SQL."""

    @abstractmethod
    async def run(self, statement: Statement, params: Params) -> Answer:
        """Run one statement. Cancelled, it ends at the server as well, before the session is closed.

        params: what the driver is to bind; empty for nothing.

        :raises BlockFailed: if the server refuses it.
        """


class SqlBlockBehavior(QueryBlockBehavior[SqlSession, SqlResult]):
    """A block that runs SQL.

    A database says how a session is opened and what its values become.

    dialect: the name of its SQL, as the tokenizer knows it. server: how people call it.
    """

    dialect: ClassVar[str]
    server: ClassVar[str]
    converters: ClassVar[Converters]

    @abstractmethod
    async def open_session(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        """A new session.

        :raises Unreachable: if the server can't be reached, or does not let us in.
        """

    def is_query(self, statement: Statement) -> bool:
        """True if the statement asks for rows."""
        return gives_rows(statement, self.dialect)

    def writes(self, context: ExecutionContext) -> str | None:
        """The first reason to believe that one of the statements changes something."""
        statements = split(self.resolve_query(context), self.dialect)
        reasons = ((statement, why_it_writes(statement, self.dialect)) for statement in statements)
        return next((f"statement {statement.number}: {reason}" for statement, reason in reasons if reason), None)

    async def connect(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        target = self.target(context, connection_string)
        return await context.resources.databases.take(target, lambda: self.open_session(context, connection_string))

    async def disconnect(self, context: ExecutionContext, connection: SqlSession) -> None:
        await context.resources.databases.give_back(connection)

    async def execute_query(self, context: ExecutionContext, connection: SqlSession, query: str) -> Sequence[SqlResult]:
        """Run the statements in order; the first that fails ends it."""
        statements = split(query, self.dialect)
        if not statements:
            raise BlockFailed("Query is empty", place=self.spec.place_of("query"), hint="it holds no statement")
        context.send_output(data={"type": "queryCount", "count": len(statements)})
        results: list[SqlResult] = []
        context.findings.output = lambda: _sections(results)
        started = time.monotonic()
        for statement in statements:
            context.findings.did = _did(statement, len(statements))
            try:
                results.append(await self._execute(context, connection, statement))
            except BlockFailed as error:
                raise self._told(error, statement, len(statements)) from error
        context.findings.did = (
            f"{_did(statements[0], 1)} -> {_sum(results)} in {show_seconds(time.monotonic() - started)}"
        )
        return results

    async def execute_sql_query(self, connection: SqlSession, statement: Statement, params: Params) -> QueryResult:
        """Run a statement that asks for rows."""
        began, time_sent = time.monotonic(), now()
        answer = await connection.run(statement, params)
        return self._rows(answer, time.monotonic() - began, time_sent)

    async def execute_sql_statement(self, connection: SqlSession, statement: Statement, params: Params) -> SqlResult:
        """Run a statement that changes something; if it answers with rows all the same, they are its result."""
        began, time_sent = time.monotonic(), now()
        answer = await connection.run(statement, params)
        duration = time.monotonic() - began
        if answer.columns is not None:
            return self._rows(answer, duration, time_sent)
        return StatementResult(
            rows_affected=answer.rows_affected,
            last_insert_rowid=answer.last_insert_rowid,
            duration=duration,
            time=time_sent,
        )

    def create_output(self, results: Sequence[SqlResult]) -> Output:
        return sql_output(results)

    def result_message(self, result: SqlResult) -> Mapping[str, object]:
        return message(result)

    async def _execute(self, context: ExecutionContext, connection: SqlSession, statement: Statement) -> SqlResult:
        execute = self.execute_sql_query if self.is_query(statement) else self.execute_sql_statement
        return await execute(connection, statement, {})

    def _rows(self, answer: Answer, duration: float, time_sent: str) -> QueryResult:
        columns = column_names(answer.columns or ())
        index = {column: position for position, column in enumerate(columns)}
        layout = Layout(index, self.converters, answer.converts)
        return QueryResult(
            columns=columns,
            rows=Rows(answer.rows, layout),
            duration=duration,
            time=time_sent,
            rows_read=answer.rows_read,
            bytes_read=answer.bytes_read,
        )

    def _told(self, error: BlockFailed, statement: Statement, count: int) -> BlockFailed:
        """The error with the statement that it is about."""
        which = f"statement {statement.number} of {count}: " if count > 1 else ""
        told = BlockFailed(f"{which}{error.message}", place=self._place(statement), hint=error.hint, said=error.said)
        return told

    def _place(self, statement: Statement) -> Place:
        return self.spec.place_of("query").below(statement.line - 1)


def _did(statement: Statement, count: int) -> str:
    which = f"statement {statement.number} of {count}: " if count > 1 else ""
    return which + shorten(statement.text, 80)


def _sum(results: Sequence[SqlResult]) -> str:
    queries = [result for result in results if isinstance(result, QueryResult)]
    changes = [result.rows_affected or 0 for result in results if isinstance(result, StatementResult)]
    told = [_count(sum(len(query.rows) for query in queries), "row")] if queries else []
    return " and ".join(told + ([f"{_count(sum(changes), 'row')} affected"] if changes else []))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sections(results: Sequence[SqlResult]) -> list[Section]:
    """The rows of each query for reports: the first ones, a line each."""
    queries = [result for result in results if isinstance(result, QueryResult)]
    return [Section("rows", "\n".join(_lines(query))) for query in queries[-1:]]


def _lines(query: QueryResult) -> Iterator[str]:
    yield " | ".join(query.columns)
    for row in query.rows[:SHOWN_ROWS]:
        yield " | ".join(shorten(str(value), SHOWN_CELL) for value in row.values())
    if len(query.rows) > SHOWN_ROWS:
        yield f"... {len(query.rows) - SHOWN_ROWS:,} more"
