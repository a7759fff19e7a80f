"""PostgreSQL blocks: run SQL on a PostgreSQL server."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from socket import socket
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from ...errors import BlockFailed, InvalidValue, RunbookError, Unreachable
from ...execution.context import ExecutionContext
from ...resources.database.pool import is_socket_idle
from ...resources.tls import ssl_context_for
from ...secrets.masker import MASK
from ...text import shorten
from ..query_block import connection_name
from .parameters import Params, numbered
from .postgres_values import CODECS, CONVERTERS, character, coerce_params, is_parsed_by_server
from .rows import Converters
from .sql_block import DriverResult, SqlBlockBehavior, SqlSession, connection_error
from .statements import Statement

CLOSE_TIMEOUT = 4.0
NO_CONNECT_TIMEOUT = 86_400.0  # the caller has the deadline
_IGNORED_PARAMETERS = frozenset(
    {
        "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "gssencmode", "channel_binding", "fallback_application_name",
    }
)  # fmt: skip
_LOG_HINT = "is the port right? If it is, look at the server's log"
_HINTS = {
    "42704": "what the URI's parameters name beside those of the driver are settings of the session",
    "28P01": "look at user and password",
    "28000": "the server's pg_hba.conf does not admit this user from this address",
    "3D000": "the server has no database of that name",
    "53300": "the server has no connection left",
    "57014": "by the server's own statement_timeout, or by a cancel request",
    "57P03": "the server is starting up or shutting down",
    "25006": "the session is read-only: effects, --runbook-read-only, or the server's own setting",
    "25P02": "an earlier statement of the transaction failed: roll it back",
}


class _Connection(asyncpg.Connection):
    """A connection of the driver, with access to its socket."""

    @property
    def server_socket(self) -> socket:
        found: socket = self._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # the stubs lack it
        return found


class PostgresSession(SqlSession):
    """A session with a PostgreSQL server."""

    def __init__(self, connection: _Connection) -> None:
        super().__init__()
        self._connection = connection

    async def run(self, statement: Statement, params: Params) -> DriverResult:
        _check_sendable(statement)
        try:
            return await self._run(statement, params)
        except (asyncpg.PostgresConnectionError, OSError) as error:
            self.is_broken = True
            hint = "look at the server's log: was it shut down, or was this session terminated?"
            raise BlockFailed(f"the server closed the connection: {error}", hint=hint) from error
        except asyncpg.PostgresError as error:
            raise _server_error(error) from error
        except asyncpg.InterfaceError as error:
            self.is_broken = True
            raise BlockFailed(str(error)) from error
        except BaseException:
            self.is_broken = True  # the driver has sent a cancel request; closing the session waits for it
            raise

    async def _run(self, statement: Statement, params: Params) -> DriverResult:
        text, values = numbered(statement, params)
        prepared = await self._connection.prepare(text, name="")  # unnamed: there is nothing to deallocate
        parameters = prepared.get_parameters()
        arguments = coerce_params(values, [parameter.name for parameter in parameters])
        if any(map(is_parsed_by_server, arguments, parameters)):
            arguments = [await self._parse_on_server(*each) for each in zip(arguments, parameters, strict=True)]
            # Parsing has used the unnamed statement for its own queries.
            prepared = await self._connection.prepare(text, name="")
        rows = await prepared.fetch(*arguments)
        attributes = prepared.get_attributes()
        if attributes:
            column_converters = {
                at: character for at, each in enumerate(attributes) if each.type.name in ("char", "char[]")
            }
            columns = [attribute.name for attribute in attributes]
            return DriverResult(
                columns=columns, rows=cast("Sequence[tuple[object, ...]]", rows), column_converters=column_converters
            )
        return DriverResult(rows_affected=_affected(prepared.get_statusmsg() or ""))

    async def _parse_on_server(self, value: object, parameter: asyncpg.Type) -> object:
        """Return a parameter as the driver takes it; the server parses texts that the driver can't, such as ranges."""
        if not is_parsed_by_server(value, parameter):
            return value
        schema, name = (part.replace('"', '""') for part in (parameter.schema, parameter.name))
        return await self._connection.fetchval(f'SELECT $1::text::"{schema}"."{name}"', value)

    @property
    def is_known_alive(self) -> bool:
        return not self._connection.is_closed() and is_socket_idle(self._connection.server_socket)

    async def is_alive(self) -> bool:
        try:
            await self._connection.execute("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False
        return True

    async def reset(self) -> None:
        if self._connection.is_in_transaction():  # the driver's reset would also call the loop's exception handler
            await self._connection.execute("ROLLBACK")
        await self._connection.execute("DISCARD ALL")

    async def close(self) -> None:
        try:
            await self._connection.close(timeout=CLOSE_TIMEOUT)
        except BaseException:
            self._connection.terminate()
            raise


class Postgres(SqlBlockBehavior):
    """Runs SQL on a PostgreSQL server."""

    dialect: ClassVar[str] = "postgres"
    converters: ClassVar[Converters] = CONVERTERS
    file_parameters: ClassVar[frozenset[str]] = frozenset({"sslrootcert", "sslcert", "sslkey", "sslcrl"})

    async def open_session(self, context: ExecutionContext, connection_string: str) -> PostgresSession:
        if urlsplit(connection_string).scheme not in ("postgres", "postgresql"):
            raise InvalidValue(
                "a PostgreSQL URI begins with postgres:// or postgresql://",
                location=self.spec.location_of("uri"),
                hint="postgresql://user:password@host:5432/database?sslmode=verify-full",
            )
        settings = {"default_transaction_read_only": "on"} if context.read_only else {}
        try:
            connection: Any = await asyncpg.connect(
                _driver_uri(connection_string),
                ssl=_tls(connection_string, self.tls_server_name(context)),
                connection_class=_Connection,
                statement_cache_size=0,
                server_settings=settings,
                timeout=NO_CONNECT_TIMEOUT,
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
            raise _connect_error(error, connection_string) from error
        except KeyError as error:  # getpass.getuser() in the driver: the system has no user name for this uid
            hint = f"name the user: {urlsplit(connection_string).scheme}://USER@HOST/DATABASE"
            raise BlockFailed("the URI has no user, and the system has no name for this user id", hint=hint) from error
        session = PostgresSession(connection)
        try:
            for name, codec in CODECS.items():
                await connection.set_type_codec(name, schema="pg_catalog", **codec)
        except BaseException:
            connection.terminate()
            raise
        return session


def _check_sendable(statement: Statement) -> None:
    """:raises InvalidValue: for a statement that can't be sent: client commands of psql, COPY over the connection."""
    if "\0" in statement.text:
        raise InvalidValue("the SQL holds a null character", hint="PostgreSQL knows none, not even in texts")
    if statement.text.startswith("\\"):
        command, hint = shorten(statement.text.split()[0], 20), "SQL can ask for it, too, as in information_schema"
        raise InvalidValue(f"{command} is a command of the program psql, not of the server", hint=hint)
    if statement.verb == "COPY" and not {"STDIN", "STDOUT"}.isdisjoint(statement.words):
        hint = "use INSERT or SELECT; for files, psql in a script block"
        raise InvalidValue("COPY FROM STDIN and TO STDOUT need a client that sends and receives the data", hint=hint)


def _driver_uri(uri: str) -> str:
    """Return the URI without the parameters that only other clients of PostgreSQL know.

    :raises InvalidValue: if it demands what the driver can't do.
    """
    # The driver sends each parameter that it does not know to the server as a setting; unknown ones are refused.
    parts = urlsplit(uri)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    if ("channel_binding", "require") in parameters:
        raise InvalidValue("channel_binding=require can't be met", hint="sslmode=verify-full verifies the server")
    kept = [(name, value) for name, value in parameters if name not in _IGNORED_PARAMETERS]
    return uri if kept == parameters else urlunsplit(parts._replace(query=urlencode(kept)))


def _tls(uri: str, server: str | None) -> ssl.SSLContext | None:
    """Return the TLS context that verifies a server behind a tunnel; None if the driver follows the URI itself.

    server: the server's own name, None without a tunnel.

    :raises OSError: if a file can't be used.
    """
    parameters = dict(parse_qsl(urlsplit(uri).query))
    if server is None or parameters.get("sslmode") != "verify-full":
        return None
    context = ssl_context_for(server, parameters.get("sslrootcert"))
    if "sslcert" in parameters:
        context.load_cert_chain(parameters["sslcert"], parameters.get("sslkey"))
    return context


def _affected(status: str) -> int:
    """Return the number of rows in a command tag, 3 in ``INSERT 0 3``; 0 for a tag without one."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def _connect_error(error: Exception, uri: str) -> RunbookError:
    """Translate an error of connecting."""
    # Some errors of the driver quote the URI, password included.
    message = _without_password(str(error), uri)
    server = connection_name(uri)
    if isinstance(error, asyncpg.PostgresConnectionError):
        return Unreachable(f"{server} closed the connection during the login: {message}", hint=_LOG_HINT)
    if isinstance(error, asyncpg.PostgresError):
        return Unreachable(f"{server} refuses the login: {message}", hint=_HINTS.get(error.sqlstate or ""))
    if isinstance(error, ssl.SSLError) or "SSL upgrade" in message:
        return Unreachable(f"no TLS with {server}: {message}", hint="look at sslmode and sslrootcert in the URI")
    if isinstance(error, OSError):
        return connection_error(server, error)
    if isinstance(error, ValueError) and not isinstance(error, asyncpg.InterfaceError):
        message = "is its port a number?"
    return InvalidValue(f"the URI can't be used: {message}", hint="postgresql://user:password@host:5432/database")


def _server_error(error: asyncpg.PostgresError) -> BlockFailed:
    fields = error.as_dict()
    detail = "\n".join(f"{name.upper()}: {fields[name]}" for name in ("detail", "hint", "where") if name in fields)
    position = f" (at character {fields['position']})" if "position" in fields else ""
    return BlockFailed(
        f"{error.args[0]}{position}", hint=fields.get("hint") or _HINTS.get(error.sqlstate or ""), detail=detail
    )


def _without_password(text: str, uri: str) -> str:
    password = re.search(r"//[^/@]*?:([^/]+)@", uri)
    return text.replace(password[1], MASK) if password else text
