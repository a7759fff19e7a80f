"""What all SQL blocks share: statements one after the other on one session, and what came of each."""

from __future__ import annotations

import re
import socket
import time
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from ...context.output import Output
from ...errors import BlockFailed, Malformed, Place, TemplateError, Unreachable
from ...execution.context import ExecutionContext
from ...execution.result import Section
from ...model.runbook import Effects
from ...policy.effects import Effect, worst
from ...resources.database.pool import CHECK_TIMEOUT, DatabaseSession
from ...resources.tls import beside
from ...templates.values import to_text
from ...text import shorten, show_seconds
from ..query_block import QueryBlockBehavior
from ..remote_access import tunnelled, via_of
from .parameters import Params, names_used, placeholders
from .results import QueryResult, SqlResult, StatementResult, message, sql_output
from .rows import Convert, Converters, Layout, Rows, column_names
from .statement_effects import effect_of
from .statements import Statement, gives_rows, split

SCALARS_ALONE = "a parameter is a text, a number, true, false or null; a list goes as JSON: '{{ list | tojson }}'"
SHOWN_ROWS = 20
SHOWN_CELL = 200
SHOWN_STATEMENT = 2000


# user:password@ with something in it that ends the authority of a URI before the @.
_ENCODING_MISSED = re.compile(r"[\w+.-]+://[^/?#@]*:[^/?#@]*[/?#][^?#]*@")
# How servers say where in a statement they found something wrong.
_WHERE = re.compile(r"\(at character (\d+)\)|\bat line (\d+)|\(line (\d+), col \d+\)")
_DEFAULT_PORTS = {"mysql": 3306, "mariadb": 3306, "http": 8123, "clickhouse": 8123, "https": 8443}
_IS_IT_UP = "is the server up, and are host and port right?"


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

    dialect: the name of its SQL, as the tokenizer knows it. param_hint: how its parameters are written.
    file_parameters: what a URI's parameters call files by, which are relative to the runbook's folder.
    """

    dialect: ClassVar[str]
    converters: ClassVar[Converters]
    disconnect_grace: ClassVar[float] = CHECK_TIMEOUT
    file_parameters: ClassVar[frozenset[str]] = frozenset()
    param_hint: ClassVar[str] = "name them: params: {id: 7}, and :id in the SQL"

    @abstractmethod
    async def open_session(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        """A new session.

        :raises Unreachable: if the server can't be reached, or does not let us in.
        """

    def is_query(self, statement: Statement) -> bool:
        """True if the statement asks for rows."""
        return gives_rows(statement, self.dialect)

    def resolve_query(self, context: ExecutionContext) -> str:
        """The SQL; that of a file is taken as it stands."""
        if not self.spec.props.get("queryFile"):
            return super().resolve_query(context)
        path = context.file("queryFile", context.require("queryFile"))
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError) as error:
            raise Malformed(f"{path} can't be read: {error}", place=self.spec.place_of("queryFile")) from error

    def resolve_connection_string(self, context: ExecutionContext) -> str:
        uri = self._connection_string(context)
        if _ENCODING_MISSED.match(uri):
            hint = "percent-encode it: / is %2F, ? is %3F, # is %23, @ is %40"
            raise Malformed(
                "user or password in the URI hold a / ? or # as it is", place=self.spec.place_of("uri"), hint=hint
            )
        return self._with_files(uri, context.folder) if self.file_parameters and "?" in uri else uri

    def _with_files(self, uri: str, folder: Path) -> str:
        """The URI with the files that its parameters name as absolute paths."""
        address, _, query = uri.partition("?")
        parameters = parse_qsl(query, keep_blank_values=True)
        files = {name: beside(folder, value) for name, value in parameters if name in self.file_parameters}
        for name, path in files.items():
            if not Path(path).is_file():
                place = self.spec.place_of("uri")
                raise Malformed(f"{name}: there is no file {path}", place=place, hint=f"relative to {folder}")
        found = [(name, files.get(name, value)) for name, value in parameters]
        return f"{address}?{urlencode(found)}" if files else uri

    def _connection_string(self, context: ExecutionContext) -> str:
        name = self.spec.props.get("connection")
        if not name:
            return super().resolve_connection_string(context)
        connection = context.connections[str(name)]
        try:
            uri = context.resolver.resolve(str(connection.uri.value), context.reads, forbid_empty=True).strip()
        except TemplateError as error:
            raise error.located(connection.uri.place) from None
        if not uri:
            raise Malformed(f"connection {name} is empty", place=connection.uri.place)
        return uri

    @property
    def known_effect(self) -> Effect | None:
        return None if self.spec.rules.effects is Effects.READ else self.said_effect

    def effects(self, context: ExecutionContext) -> Effect:
        """What the worst of its statements does; an author who says that it only reads is held to that."""
        if self.known_effect is not None:
            return self.known_effect
        statements = split(self.resolve_query(context), self.dialect)
        return worst(effect_of(statement, self.dialect) for statement in statements)

    def at_hand(self, context: ExecutionContext, connection_string: str) -> SqlSession | None:
        session = context.resources.databases.take_fresh(self.target(context, connection_string))
        assert session is None or isinstance(session, SqlSession)
        return session

    async def connect(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        target = self.target(context, connection_string)
        here = await tunnelled(context, self.label, connection_string, _default_port(connection_string))
        return await context.resources.databases.take(target, lambda: self.open_session(context, here))

    def name_behind_tunnel(self, context: ExecutionContext) -> str | None:
        """What the server is called where the connection is made to the near end of a tunnel; None where it is not."""
        return None if via_of(context) is None else urlsplit(self.resolve_connection_string(context)).hostname

    def let_go(self, context: ExecutionContext, connection: SqlSession) -> bool:
        return context.resources.databases.let_go(connection)

    async def disconnect(self, context: ExecutionContext, connection: SqlSession) -> None:
        await context.resources.databases.give_back(connection)

    async def execute_query(self, context: ExecutionContext, connection: SqlSession, query: str) -> Sequence[SqlResult]:
        """Run the statements in order; the first that fails ends it."""
        statements = split(query, self.dialect)
        if not statements:
            raise Malformed("Query is empty", place=self._query_place(), hint="it holds no statement")
        params = self._params(context, statements)
        context.send_output(data={"type": "queryCount", "count": len(statements)})
        results: list[SqlResult] = []
        context.findings.output = lambda: _sections(results)
        started = time.monotonic()
        for statement in statements:
            context.findings.did = _did(context, statement, len(statements))
            try:
                results.append(await self._execute(connection, statement, params))
            except BlockFailed as error:
                context.findings.output = partial(_sections, results, statement)
                raise self._told(error, statement, len(statements)) from error
        context.findings.did = (
            f"{_did(context, statements[0], 1)} -> {_sum(results)} in {show_seconds(time.monotonic() - started)}"
        )
        return results

    async def execute_sql_query(self, connection: SqlSession, statement: Statement, params: Params) -> QueryResult:
        """Run a statement that asks for rows."""
        began, sent = time.monotonic(), time.time()
        answer = await connection.run(statement, params)
        return self._rows(answer, time.monotonic() - began, sent)

    async def execute_sql_statement(self, connection: SqlSession, statement: Statement, params: Params) -> SqlResult:
        """Run a statement that changes something; if it answers with rows all the same, they are its result."""
        began, sent = time.monotonic(), time.time()
        answer = await connection.run(statement, params)
        duration = time.monotonic() - began
        if answer.columns is not None:
            return self._rows(answer, duration, sent)
        return StatementResult(
            rows_affected=answer.rows_affected,
            last_insert_rowid=answer.last_insert_rowid,
            duration=duration,
            sent=sent,
        )

    def create_output(self, results: Sequence[SqlResult]) -> Output:
        return sql_output(results)

    def result_message(self, result: SqlResult) -> Mapping[str, object]:
        return message(result)

    def param_names(self, statement: Statement, params: Mapping[str, object]) -> Collection[str]:
        """Which of the parameters a statement uses."""
        return names_used(statement, params)

    async def _execute(self, connection: SqlSession, statement: Statement, params: Params) -> SqlResult:
        if params and isinstance(params, Mapping):
            params = {name: params[name] for name in self.param_names(statement, params)}
        execute = self.execute_sql_query if self.is_query(statement) else self.execute_sql_statement
        return await execute(connection, statement, params)

    def _params(self, context: ExecutionContext, statements: Sequence[Statement]) -> Params:
        """What the driver is to bind, texts rendered.

        :raises Malformed: if that can't be: one that no statement uses, a list for several statements.
        """
        given = self.spec.props.get("params")
        place = self.spec.place_of("params")
        if isinstance(given, Mapping):
            params = {name: _rendered(context, value) for name, value in given.items()}
            used = {name for statement in statements for name in self.param_names(statement, params)}
            for name in params.keys() - used:
                raise Malformed(f'params: nothing in the SQL uses "{name}"', place=place, hint=self.param_hint)
            return params
        if not isinstance(given, Sequence) or not given:
            return {}
        if len(statements) > 1:
            raise Malformed("params is a list, and there are several statements", place=place, hint=self.param_hint)
        return [_rendered(context, value) for value in given]

    def _rows(self, answer: Answer, duration: float, sent: float) -> QueryResult:
        columns = column_names(answer.columns or ())
        index = {column: position for position, column in enumerate(columns)}
        layout = Layout(index, self.converters, answer.converts)
        return QueryResult(
            columns=columns,
            rows=Rows(answer.rows, layout),
            duration=duration,
            sent=sent,
            rows_read=answer.rows_read,
            bytes_read=answer.bytes_read,
        )

    def _told(self, error: BlockFailed, statement: Statement, count: int) -> BlockFailed:
        """The error with the statement that it is about."""
        told = error.located(self._query_place().below(_line(error.message, statement) - 1))
        if count > 1:
            told.message = f"statement {statement.number} of {count}: {error.message}"
        told.hint = told.hint or self._missing(statement)
        return told

    def _missing(self, statement: Statement) -> str | None:
        """That a statement seems to want parameters which the block does not give, where it gives any."""
        given = self.spec.props.get("params")
        names = [placeholder.name for placeholder in placeholders(statement)] if isinstance(given, Mapping) else ()
        missing = next((name for name in names if name and name not in given), None)  # type: ignore[operator]  # a map
        return None if missing is None else f'params holds no "{missing}"'

    def _query_place(self) -> Place:
        """Where the SQL begins: in the runbook, or in a file of its own."""
        path = self.spec.props.get("queryFile")
        return Place(str(Path(self.spec.place.path).parent / str(path)), 1) if path else self.spec.place_of("query")


def _line(message: str, statement: Statement) -> int:
    """The line of the query that an error is about: where its server found it, else where the statement begins."""
    *_, found = (None, *_WHERE.finditer(message))
    if found is None or not statement.tokens:
        return statement.line
    before = statement.text[: statement.tokens[0].start - statement.offset].count("\n")
    character, line = found[1], found[2] or found[3]
    down = int(line) - 1 if line else statement.text.count("\n", 0, int(character) - 1)
    return statement.line - before + min(down, statement.text.count("\n"))


def _rendered(context: ExecutionContext, value: object) -> object:
    return context.render_text(value, "params") if isinstance(value, str) else value


def no_connection(server: str, error: BaseException | None) -> Unreachable:
    """A connection that could not be made, from what the system says. server: its URI as people may see it."""
    match error:
        case ConnectionRefusedError():
            return Unreachable(f"no connection to {server}: refused", hint=_IS_IT_UP)
        case socket.gaierror():
            hint = "is the name right, and does this machine's DNS know it?"
            return Unreachable(f"no connection to {server}: no such name", hint=hint)
        case OSError(strerror=str(why)):
            return Unreachable(f"no connection to {server}: {why}", hint=_IS_IT_UP)
    why = "it does not answer as such a server does"
    return Unreachable(
        f"no connection to {server}: {why}", hint="is the port right? If it is, look at the server's log"
    )


def _did(context: ExecutionContext, statement: Statement, count: int) -> str:
    which = f"statement {statement.number} of {count}: " if count > 1 else ""
    return which + context.redactor.excerpt(statement.text, 80)


def _sum(results: Sequence[SqlResult]) -> str:
    queries = [result for result in results if isinstance(result, QueryResult)]
    changes = [result.rows_affected or 0 for result in results if isinstance(result, StatementResult)]
    told = [_count(sum(len(query.rows) for query in queries), "row")] if queries else []
    return " and ".join(told + ([f"{_count(sum(changes), 'row')} affected"] if changes else []))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sections(results: Sequence[SqlResult], failed: Statement | None = None) -> list[Section]:
    """For reports: the statement that failed, and the first rows of the last query, a line each."""
    queries = [result for result in results if isinstance(result, QueryResult)]
    statements = [] if failed is None else [Section("statement", failed.text[:SHOWN_STATEMENT])]
    return [*statements, *(Section("rows", "\n".join(_lines(query))) for query in queries[-1:])]


def _lines(query: QueryResult) -> Iterator[str]:
    yield " | ".join(query.columns)
    for row in query.rows[:SHOWN_ROWS]:
        yield " | ".join(shorten(to_text(value), SHOWN_CELL) for value in row.values())
    if len(query.rows) > SHOWN_ROWS:
        yield f"... {len(query.rows) - SHOWN_ROWS:,} more"


def _default_port(uri: str) -> int:
    return _DEFAULT_PORTS.get(uri.partition(":")[0].partition("+")[0].lower(), 5432)
