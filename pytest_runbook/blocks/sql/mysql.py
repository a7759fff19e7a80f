"""MySQL blocks: run SQL on MySQL and MariaDB servers."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from socket import socket
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

import aiomysql  # type: ignore[import-untyped]  # the driver has no types
import anyio
from pymysql.constants import CLIENT
from pymysql.err import MySQLError, OperationalError

from ...errors import BlockFailed, InvalidValue, RunbookError, Unreachable
from ...execution.context import ExecutionContext
from ...resources.database.pool import is_socket_idle
from ...resources.tls import ssl_context_for
from ..query_block import connection_name
from .mysql_values import CONVERTERS, DECODERS, boolean_value, is_boolean
from .parameters import Params, formatted
from .rows import Converters
from .sql_block import SCALARS_HINT, DriverResult, SqlBlockBehavior, SqlSession, connection_error
from .statements import Statement

DEFAULT_PORT = 3306
KILL_GRACE = 3.0
CLOSE_GRACE = 2.0
_RESET_CONNECTION = 0x1F
_CONNECTION_LOST = frozenset({2006, 2013, 2014, 2055, 1927, 4031})
_TLS_ERROR = 2026
# What the driver raises when the server speaks another protocol.
_PROTOCOL_ERRORS = (LookupError, ValueError, TypeError, AssertionError, struct.error)
# The verbs of statements that may change the current database: USE, and executable comments, which are not parsed.
_MAY_CHANGE_DATABASE = frozenset({"USE", ""})
_SAMPLE = "mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY"
_PARAMETERS = ("ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket", "charset", "collation")
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_HINTS = {
    1044: "the user may not use this database",
    1045: "look at user and password; some users have to show a certificate: ssl-cert, ssl-key",
    1049: "the server has no database of that name",
    1040: "the server has no connection left",
    2026: "ssl-mode=PREFERRED goes without",
    1792: "the session is read-only: effects, --runbook-read-only, or the server's own setting",
}


class _Cursor(aiomysql.Cursor):  # type: ignore[misc]  # the driver has no types
    """A cursor that does not turn the server's warnings into Python warnings."""

    async def _show_warnings(self, conn: object) -> None:
        pass  # overrides the driver's own method


@dataclass(frozen=True, slots=True, kw_only=True)
class MysqlAddress:
    """A URI, parsed: the server, the credentials and the TLS settings.

    socket: the path of a Unix socket. tls: None for no TLS. needs_tls: True if a server without TLS is an error.
    """

    host: str
    port: int
    user: str | None
    password: str
    database: str | None
    socket: str | None
    tls: ssl.SSLContext | None
    needs_tls: bool

    async def connect(self) -> _Connection:
        """Open a new connection.

        :raises MySQLError: if that fails.
        """
        connection = _Connection(
            needs_tls=self.needs_tls,
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            db=self.database,
            unix_socket=self.socket,
            ssl=self.tls,
            charset="utf8mb4",
            conv=dict(DECODERS),
            autocommit=None,
        )
        await connection.open()
        return connection


class _Connection(aiomysql.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection of the driver that can require TLS, be reset, and be closed without a leak."""

    def __init__(self, *, needs_tls: bool, **options: object) -> None:
        self._opened: asyncio.StreamWriter | None = None
        super().__init__(**options)
        self._needs_tls = needs_tls

    @property
    def _writer(self) -> asyncio.StreamWriter | None:
        # The driver's own attribute. When a login fails, the driver sets it to None without closing the stream;
        # `_opened` keeps the stream, so that `abort` can close it.
        return self._current

    @_writer.setter
    def _writer(self, writer: asyncio.StreamWriter | None) -> None:
        self._current, self._opened = writer, writer or self._opened

    async def open(self) -> None:
        """Connect and log in. Nothing is left open if that fails."""
        try:
            await self._connect()
        except BaseException:
            await self.abort()
            raise

    async def abort(self) -> None:
        """Close the connection at once, whatever its state is, without notice to the server."""
        with anyio.move_on_after(CLOSE_GRACE, shield=True):
            if self._opened is not None:
                self._opened.transport.abort()
                with suppress(OSError):
                    await self._opened.wait_closed()
            self.close()

    async def reset_connection(self) -> None:
        """Reset the session at the server: transaction, settings, temporary tables and locks."""
        await self._execute_command(_RESET_CONNECTION, "")
        await self._read_ok_packet()

    async def disconnect(self, *, notify_server: bool) -> None:
        """Close the connection and wait until it is closed. notify_server: send COM_QUIT first."""
        if not notify_server:
            await self.abort()
            return
        writer = self._writer
        await self.ensure_closed()
        if writer is not None:
            with suppress(OSError):
                await writer.wait_closed()

    @property
    def server_socket(self) -> socket | None:
        """The socket of the connection; None if it is closed."""
        found: socket | None = None if self._writer is None else self._writer.get_extra_info("socket")
        return found

    @property
    def connection_id(self) -> int:
        """The server's id of this connection, as KILL takes it."""
        return int(self.thread_id())

    async def _get_server_information(self) -> None:
        # Overrides the driver's own method: after the greeting, and before any credentials are sent.
        await super()._get_server_information()
        if self._needs_tls and not self.server_capabilities & CLIENT.SSL:
            raise OperationalError(_TLS_ERROR, "the server has no TLS, and ssl-mode demands it")


class MysqlSession(SqlSession):
    """A session with a MySQL or MariaDB server.

    setup_statements: statements that run when the session is opened, and again after each reset.
    """

    def __init__(self, connection: _Connection, address: MysqlAddress, setup_statements: tuple[str, ...]) -> None:
        super().__init__()
        self._connection = connection
        self._address = address
        self._setup_statements = setup_statements
        self._may_have_changed_database = False

    async def run(self, statement: Statement, params: Params) -> DriverResult:
        if statement.verb == "DELIMITER":
            hint = "leave it out: semicolons in the bodies of procedures and triggers end nothing here"
            raise InvalidValue("DELIMITER is a command of the program mysql, not of the server", hint=hint)
        text, values = formatted(statement, params)
        self._may_have_changed_database = self._may_have_changed_database or statement.verb in _MAY_CHANGE_DATABASE
        try:
            return await self._run(text, values)
        except MySQLError as error:
            self.is_broken = _code(error) in _CONNECTION_LOST
            raise _server_error(error, lost=self.is_broken) from error
        except (UnicodeError, TypeError) as error:
            self.is_broken = True
            raise BlockFailed(
                f"the statement can't be sent, or its rows not read: {error}",
                hint=SCALARS_HINT if "parameter" in str(error) else None,
            ) from error
        except BaseException:
            self.is_broken = True
            await self._kill()
            raise

    async def _run(self, text: str, values: object) -> DriverResult:
        result = DriverResult()
        async with self._connection.cursor(_Cursor) as cursor:
            await cursor.execute(text, values)
            while True:
                if result.columns is None:
                    result = _driver_result(cursor)
                if not await cursor.nextset():
                    return result

    async def _kill(self) -> None:
        """End the session and its statement at the server, over another connection."""
        with anyio.move_on_after(KILL_GRACE, shield=True):
            with suppress(MySQLError):  # it has ended already, or the server has
                other = await self._address.connect()
                try:
                    await other.query(f"KILL {self._connection.connection_id}")
                finally:
                    await other.disconnect(notify_server=False)

    @property
    def is_known_alive(self) -> bool:
        return is_socket_idle(self._connection.server_socket)

    async def is_alive(self) -> bool:
        try:
            await self._connection.ping(reconnect=False)
        except (MySQLError, OSError):
            return False
        return True

    async def reset(self) -> None:
        if self._may_have_changed_database:
            await self._restore_database()
        await self._connection.reset_connection()
        await self.set_up()

    async def _restore_database(self) -> None:
        """Go back to the URI's database: a reset of the connection keeps the current one.

        :raises MySQLError: if the URI names none, or it is gone.
        """
        if self._address.database is None:
            raise MySQLError("no statement goes back to having no database")
        await self._connection.select_db(self._address.database)
        self._may_have_changed_database = False

    async def set_up(self) -> None:
        for statement in self._setup_statements:
            await self._connection.query(statement)

    async def close(self) -> None:
        await self._connection.disconnect(notify_server=not self.is_broken)


class Mysql(SqlBlockBehavior):
    """Runs SQL on a MySQL or MariaDB server."""

    dialect: ClassVar[str] = "mysql"
    converters: ClassVar[Converters] = CONVERTERS
    file_parameters: ClassVar[frozenset[str]] = frozenset({"ssl-ca", "ssl-cert", "ssl-key"})

    async def open_session(self, context: ExecutionContext, connection_string: str) -> MysqlSession:
        address = address_of(connection_string, self.tls_server_name(context))
        try:
            connection = await address.connect()
        except (MySQLError, OSError, *_PROTOCOL_ERRORS) as error:
            raise _connect_error(error, connection_string) from error
        session = MysqlSession(connection, address, self._setup_statements(read_only=context.read_only))
        try:
            await session.set_up()
        except BaseException as error:
            await connection.abort()
            if not isinstance(error, MySQLError):
                raise
            hint = "skip_sql_mode_init: true leaves the server's sql_mode alone"
            raise Unreachable(f"the session can't be set up: {_error_text(error)}", hint=hint) from error
        return session

    def target(self, context: ExecutionContext, connection_string: str) -> str:
        skips = " as the server has it" if self.spec.props.get("skipSqlModeInit") is True else ""
        return super().target(context, connection_string) + skips

    def _setup_statements(self, *, read_only: bool) -> tuple[str, ...]:
        """Return the statements that set what the reference sets: SQL modes, UTC and autocommit."""
        settings = ["time_zone = '+00:00'", "autocommit = 1"]
        if self.spec.props.get("skipSqlModeInit") is not True:
            settings.insert(0, "sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT,NO_ENGINE_SUBSTITUTION')")
        statements = (f"SET NAMES utf8mb4, {', '.join(settings)}",)
        return (*statements, "SET SESSION TRANSACTION READ ONLY") if read_only else statements


def address_of(uri: str, server: str | None = None) -> MysqlAddress:
    """Parse a URI. server: the name that TLS verifies, where the URI has the local end of a tunnel.

    :raises BlockFailed: if the URI is invalid, or its certificates can't be used.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise InvalidValue("the URI can't be read: is its port a number?", hint=_SAMPLE) from None
    if parts.scheme not in ("mysql", "mariadb"):
        raise InvalidValue("a MySQL URI begins with mysql:// or mariadb://", hint=_SAMPLE)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in _PARAMETERS:
            raise InvalidValue(f'the URI\'s parameter "{name}" is not known', hint=f"known: {', '.join(_PARAMETERS)}")
    mode = options.get("ssl-mode", "PREFERRED").upper().replace("VERIFY-", "VERIFY_")
    if mode not in _MODES:
        raise InvalidValue(f'ssl-mode is "{options["ssl-mode"]}"', hint=f"one of: {', '.join(_MODES)}")
    return MysqlAddress(
        host=parts.hostname or "localhost",
        port=port,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
        database=unquote(parts.path.lstrip("/")) or None,
        socket=options.get("socket"),
        tls=None if options.get("socket") else _tls(mode, options, server),
        needs_tls=mode not in ("DISABLED", "PREFERRED"),
    )


def _tls(mode: str, options: Mapping[str, str], server: str | None) -> ssl.SSLContext | None:
    if mode == "DISABLED":
        return None
    try:
        ca = options.get("ssl-ca")
        context = ssl_context_for(server, ca) if server else ssl.create_default_context(cafile=ca)
        context.check_hostname = mode == "VERIFY_IDENTITY"
        if mode in ("PREFERRED", "REQUIRED"):
            context.verify_mode = ssl.CERT_NONE
        if "ssl-cert" in options:
            context.load_cert_chain(options["ssl-cert"], options.get("ssl-key"))
    except OSError as error:  # ssl.SSLError is one
        raise BlockFailed(
            f"the certificates can't be used: {error}", hint="ssl-ca, ssl-cert, ssl-key: files"
        ) from error
    return context


def _driver_result(cursor: Any) -> DriverResult:
    if cursor.description is None:
        return DriverResult(rows_affected=cursor.rowcount, last_insert_rowid=cursor.lastrowid)
    column_converters = {
        position: boolean_value
        for position, column in enumerate(cursor.description)
        if is_boolean(type_code=column[1], length=column[3])
    }
    return DriverResult(
        columns=[column[0] for column in cursor.description], rows=cursor._rows, column_converters=column_converters
    )


def _code(error: MySQLError) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _error_text(error: Exception) -> str:
    return str(error.args[-1]) if error.args else str(error)


def _server_error(error: MySQLError, *, lost: bool) -> BlockFailed:
    code = _code(error)
    if lost:
        return BlockFailed(f"the server closed the connection: {_error_text(error)}", hint="look at the server's log")
    return BlockFailed(f"{_error_text(error)} (error {code})" if code else _error_text(error), hint=_HINTS.get(code))


def _connect_error(error: Exception, uri: str) -> RunbookError:
    server = connection_name(uri)
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError) or isinstance(error, ssl.SSLError):
        return Unreachable(f"no TLS with {server}: {cause or error}", hint="look at ssl-mode and ssl-ca in the URI")
    if isinstance(cause, OSError) or isinstance(error, OSError):
        return connection_error(server, cause or error)
    code = _code(error) if isinstance(error, MySQLError) else 0
    if not 1000 <= code < 2000 and code != _TLS_ERROR:
        return connection_error(server, None)
    return Unreachable(f"{server} refuses the login: {_error_text(error)}", hint=_HINTS.get(code))
