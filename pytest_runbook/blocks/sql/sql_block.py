"""The base class of SQL blocks: runs the statements of a query one after the other on one session."""

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
from ...errors import BlockFailed, InvalidValue, Location, TemplateError, Unreachable
from ...execution.context import ExecutionContext
from ...execution.result import OutputSection
from ...model.runbook import Effects
from ...policy.effects import Effect, worst_effect
from ...resources.database.pool import CHECK_TIMEOUT, DatabaseSession
from ...resources.tls import path_in_folder
from ...templates.values import to_text
from ...text import shorten, show_seconds
from ..query_block import QueryBlockBehavior
from ..remote_access import tunnelled, via_of
from .parameters import Params, names_used, placeholders
from .results import QueryResult, SqlResult, StatementResult, count_of, sql_output, wire_result
from .rows import Converter, Converters, RowLayout, SqlRows, column_names
from .statement_effects import effect_of
from .statements import Statement, returns_rows, split_statements

SCALARS_HINT = "a parameter is a text, a number, true, false or null; a list goes as JSON: '{{ list | tojson }}'"
SHOWN_ROWS = 20
SHOWN_CELL = 200
SHOWN_STATEMENT = 2000


# user:password@ with a character in it that ends the authority of a URI before the @.
_UNENCODED_CREDENTIALS = re.compile(r"[\w+.-]+://[^/?#@]*:[^/?#@]*[/?#][^?#]*@")
# How servers report the position of an error in a statement.
_ERROR_POSITION = re.compile(r"\(at character (\d+)\)|\bat line (\d+)|\(line (\d+), col \d+\)")
_DEFAULT_PORTS = {"mysql": 3306, "mariadb": 3306, "http": 8123, "clickhouse": 8123, "https": 8443}
_SERVER_HINT = "is the server up, and are host and port right?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverResult:
    """The result of one statement as the driver returns it.

    columns: the server's names; None if the statement returns no rows, which differs from a result without rows.
    column_converters: by position, for columns whose values' types do not determine the conversion.
    """

    columns: Sequence[str] | None = None
    rows: Sequence[Sequence[object]] = ()
    column_converters: Mapping[int, Converter] = field(default_factory=dict)
    rows_affected: int | None = None
    last_insert_rowid: int | None = None
    rows_read: int | None = None
    bytes_read: int | None = None


class SqlSession(DatabaseSession):
    """A session that runs SQL."""

    @abstractmethod
    async def run(self, statement: Statement, params: Params) -> DriverResult:
        """Run one statement. If cancelled, it ends at the server as well, at the latest when the session is closed.

        params: the parameters for the driver to bind; empty for none.

        :raises BlockFailed: if the server reports an error.
        """


class SqlBlockBehavior(QueryBlockBehavior[SqlSession, SqlResult]):
    """A block that runs SQL. A subclass for each database opens its sessions and has the converters of its values.

    dialect: the name of its SQL in sqlglot. param_hint: how its parameters are written.
    file_parameters: the URI's parameters that name files, which are relative to the runbook's folder.
    """

    dialect: ClassVar[str]
    converters: ClassVar[Converters]
    disconnect_grace: ClassVar[float] = CHECK_TIMEOUT
    file_parameters: ClassVar[frozenset[str]] = frozenset()
    param_hint: ClassVar[str] = "name them: params: {id: 7}, and :id in the SQL"

    @abstractmethod
    async def open_session(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        """Open a new session.

        :raises Unreachable: if the server can't be reached, or refuses the login.
        """

    def is_query(self, statement: Statement) -> bool:
        """Return True if the statement returns rows."""
        return returns_rows(statement, self.dialect)

    def resolve_query(self, context: ExecutionContext) -> str:
        """Return the SQL, rendered; that of a file is not rendered."""
        if not self.spec.props.get("queryFile"):
            return super().resolve_query(context)
        path = context.file("queryFile", context.require("queryFile"))
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeError) as error:
            raise InvalidValue(f"{path} can't be read: {error}", location=self.spec.location_of("queryFile")) from error

    def resolve_connection_string(self, context: ExecutionContext) -> str:
        uri = self._connection_string(context)
        if _UNENCODED_CREDENTIALS.match(uri):
            hint = "percent-encode it: / is %2F, ? is %3F, # is %23, @ is %40"
            raise InvalidValue(
                "user or password in the URI hold a / ? or # as it is", location=self.spec.location_of("uri"), hint=hint
            )
        return self._with_files(uri, context.folder) if self.file_parameters and "?" in uri else uri

    def _with_files(self, uri: str, folder: Path) -> str:
        """Return the URI with absolute paths of the files that its parameters name.

        :raises InvalidValue: if there is no such file.
        """
        address, _, query = uri.partition("?")
        parameters = parse_qsl(query, keep_blank_values=True)
        files = {name: path_in_folder(folder, value) for name, value in parameters if name in self.file_parameters}
        for name, path in files.items():
            if not Path(path).is_file():
                location = self.spec.location_of("uri")
                raise InvalidValue(f"{name}: there is no file {path}", location=location, hint=f"relative to {folder}")
        found = [(name, files.get(name, value)) for name, value in parameters]
        return f"{address}?{urlencode(found)}" if files else uri

    def _connection_string(self, context: ExecutionContext) -> str:
        name = self.spec.props.get("connection")
        if not name:
            return super().resolve_connection_string(context)
        connection = context.connections[str(name)]
        try:
            uri = context.resolver.resolve(str(connection.uri.value), context.read_log, forbid_empty=True).strip()
        except TemplateError as error:
            raise error.with_location(connection.uri.location) from None
        if not uri:
            raise InvalidValue(f"connection {name} is empty", location=connection.uri.location)
        return uri

    @property
    def known_effect(self) -> Effect | None:
        return None if self.spec.rules.effects is Effects.READ else self.declared_effect

    def effects(self, context: ExecutionContext) -> Effect:
        """Return the effect of the worst statement, or the declared one; a declared `read` is checked all the same."""
        if self.known_effect is not None:
            return self.known_effect
        statements = split_statements(self.resolve_query(context), self.dialect)
        return worst_effect(effect_of(statement, self.dialect) for statement in statements)

    def connect_nowait(self, context: ExecutionContext, connection_string: str) -> SqlSession | None:
        session = context.resources.databases.acquire_fresh(self.target(context, connection_string))
        assert session is None or isinstance(session, SqlSession)
        return session

    async def connect(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        target = self.target(context, connection_string)
        uri = await tunnelled(context, self.label, connection_string, _default_port(connection_string))
        return await context.resources.databases.acquire(target, lambda: self.open_session(context, uri))

    def tls_server_name(self, context: ExecutionContext) -> str | None:
        """Return the server's name for TLS verification if a tunnel hides it from the driver, else None."""
        return None if via_of(context) is None else urlsplit(self.resolve_connection_string(context)).hostname

    def disconnect_nowait(self, context: ExecutionContext, connection: SqlSession) -> bool:
        return context.resources.databases.release_nowait(connection)

    async def disconnect(self, context: ExecutionContext, connection: SqlSession) -> None:
        await context.resources.databases.release(connection)

    async def execute_query(self, context: ExecutionContext, connection: SqlSession, query: str) -> Sequence[SqlResult]:
        """Run the statements in order and stop at the first that fails."""
        statements = split_statements(query, self.dialect)
        if not statements:
            raise InvalidValue("Query is empty", location=self._query_location(), hint="it holds no statement")
        params = self._params(context, statements)
        context.send_output(data={"type": "queryCount", "count": len(statements)})
        results: list[SqlResult] = []
        context.report_details.output = lambda: _sections(results)
        started = time.monotonic()
        for statement in statements:
            context.report_details.did = _statement_excerpt(context, statement, len(statements))
            try:
                results.append(await self._execute(connection, statement, params))
            except BlockFailed as error:
                context.report_details.output = partial(_sections, results, statement)
                raise self._located_in_statement(error, statement, len(statements)) from error
        excerpt, took = _statement_excerpt(context, statements[0], 1), show_seconds(time.monotonic() - started)
        context.report_details.did = f"{excerpt} -> {_summary(results)} in {took}"
        return results

    async def execute_sql_query(self, connection: SqlSession, statement: Statement, params: Params) -> QueryResult:
        """Run a statement that returns rows."""
        began, sent = time.monotonic(), time.time()
        result = await connection.run(statement, params)
        return self._rows(result, time.monotonic() - began, sent)

    async def execute_sql_statement(self, connection: SqlSession, statement: Statement, params: Params) -> SqlResult:
        """Run a statement that changes something; if it returns rows all the same, they are its result."""
        began, sent = time.monotonic(), time.time()
        result = await connection.run(statement, params)
        duration = time.monotonic() - began
        if result.columns is not None:
            return self._rows(result, duration, sent)
        return StatementResult(
            rows_affected=result.rows_affected,
            last_insert_rowid=result.last_insert_rowid,
            duration=duration,
            sent=sent,
        )

    def create_output(self, results: Sequence[SqlResult]) -> Output:
        return sql_output(results)

    def result_message(self, result: SqlResult) -> Mapping[str, object]:
        return wire_result(result)

    def param_names(self, statement: Statement, params: Mapping[str, object]) -> Collection[str]:
        """Return the names of the parameters that a statement uses."""
        return names_used(statement, params)

    async def _execute(self, connection: SqlSession, statement: Statement, params: Params) -> SqlResult:
        if params and isinstance(params, Mapping):
            params = {name: params[name] for name in self.param_names(statement, params)}
        execute = self.execute_sql_query if self.is_query(statement) else self.execute_sql_statement
        return await execute(connection, statement, params)

    def _params(self, context: ExecutionContext, statements: Sequence[Statement]) -> Params:
        """Return the parameters for the driver to bind, with texts rendered.

        :raises InvalidValue: if no statement uses one of them, or a list is given for several statements.
        """
        declared = self.spec.props.get("params")
        location = self.spec.location_of("params")
        if isinstance(declared, Mapping):
            params = {name: _rendered(context, value) for name, value in declared.items()}
            used = {name for statement in statements for name in self.param_names(statement, params)}
            for name in params.keys() - used:
                raise InvalidValue(f'params: nothing in the SQL uses "{name}"', location=location, hint=self.param_hint)
            return params
        if not isinstance(declared, Sequence) or not declared:
            return {}
        if len(statements) > 1:
            raise InvalidValue(
                "params is a list, and there are several statements", location=location, hint=self.param_hint
            )
        return [_rendered(context, value) for value in declared]

    def _rows(self, result: DriverResult, duration: float, sent: float) -> QueryResult:
        columns = column_names(result.columns or ())
        index = {column: position for position, column in enumerate(columns)}
        layout = RowLayout(index, self.converters, result.column_converters)
        return QueryResult(
            columns=columns,
            rows=SqlRows(result.rows, layout),
            duration=duration,
            sent=sent,
            rows_read=result.rows_read,
            bytes_read=result.bytes_read,
        )

    def _located_in_statement(self, error: BlockFailed, statement: Statement, count: int) -> BlockFailed:
        """Return the error with the number and the line of its statement."""
        located = error.with_location(self._query_location().shifted(_line(error.message, statement) - 1))
        if count > 1:
            located.message = f"statement {statement.number} of {count}: {error.message}"
        located.hint = located.hint or self._missing_param_hint(statement)
        return located

    def _missing_param_hint(self, statement: Statement) -> str | None:
        """Return a hint if the block has named parameters, and lacks one that the statement uses."""
        declared = self.spec.props.get("params")
        names = [placeholder.name for placeholder in placeholders(statement)] if isinstance(declared, Mapping) else ()
        missing = next((name for name in names if name and name not in declared), None)  # type: ignore[operator]  # a map
        return None if missing is None else f'params holds no "{missing}"'

    def _query_location(self) -> Location:
        """Return where the SQL begins: in the runbook, or in its own file."""
        path = self.spec.props.get("queryFile")
        return (
            Location(str(Path(self.spec.location.path).parent / str(path)), 1)
            if path
            else self.spec.location_of("query")
        )


def _line(message: str, statement: Statement) -> int:
    """Return the line of the query that an error is about: the one the server reports, else the statement's first."""
    # The last match: a message may quote the statement, and the server's own position follows the quotation.
    *_, found = (None, *_ERROR_POSITION.finditer(message))
    if found is None or not statement.tokens:
        return statement.line
    before = statement.text[: statement.tokens[0].start - statement.offset].count("\n")
    character, line = found[1], found[2] or found[3]
    down = int(line) - 1 if line else statement.text.count("\n", 0, int(character) - 1)
    return statement.line - before + min(down, statement.text.count("\n"))


def _rendered(context: ExecutionContext, value: object) -> object:
    return context.render_text(value, "params") if isinstance(value, str) else value


def connection_error(server: str, error: BaseException | None) -> Unreachable:
    """Return the error for a connection that could not be made. server: its name for display."""
    match error:
        case ConnectionRefusedError():
            return Unreachable(f"no connection to {server}: refused", hint=_SERVER_HINT)
        case socket.gaierror():
            hint = "is the name right, and does this machine's DNS know it?"
            return Unreachable(f"no connection to {server}: no such name", hint=hint)
        case OSError(strerror=str(why)):
            return Unreachable(f"no connection to {server}: {why}", hint=_SERVER_HINT)
    why = "it does not answer as such a server does"
    return Unreachable(
        f"no connection to {server}: {why}", hint="is the port right? If it is, look at the server's log"
    )


def _statement_excerpt(context: ExecutionContext, statement: Statement, count: int) -> str:
    which = f"statement {statement.number} of {count}: " if count > 1 else ""
    return which + context.masker.excerpt(statement.text, 80)


def _summary(results: Sequence[SqlResult]) -> str:
    queries = [result for result in results if isinstance(result, QueryResult)]
    changes = [result.rows_affected or 0 for result in results if isinstance(result, StatementResult)]
    parts = [count_of(sum(len(query.rows) for query in queries), "row")] if queries else []
    return " and ".join(parts + ([f"{count_of(sum(changes), 'row')} affected"] if changes else []))


def _sections(results: Sequence[SqlResult], failed: Statement | None = None) -> list[OutputSection]:
    """Return the statement that failed, and the first rows of the last query, as report sections."""
    queries = [result for result in results if isinstance(result, QueryResult)]
    statements = [] if failed is None else [OutputSection("statement", failed.text[:SHOWN_STATEMENT])]
    return [*statements, *(OutputSection("rows", "\n".join(_lines(query))) for query in queries[-1:])]


def _lines(query: QueryResult) -> Iterator[str]:
    yield " | ".join(query.columns)
    for row in query.rows[:SHOWN_ROWS]:
        yield " | ".join(shorten(to_text(value), SHOWN_CELL) for value in row.values())
    if len(query.rows) > SHOWN_ROWS:
        yield f"... {len(query.rows) - SHOWN_ROWS:,} more"


def _default_port(uri: str) -> int:
    return _DEFAULT_PORTS.get(uri.partition(":")[0].partition("+")[0].lower(), 5432)
