"""ClickHouse blocks: run SQL over the server's HTTP interface."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import anyio

from ...errors import BlockFailed, InvalidValue, NotSerializable, RunbookError, TimedOut, Unreachable
from ...execution.context import ExecutionContext
from ...resources.http.exchange import HttpExchange, HttpRequest
from ...resources.http.pool import HttpPool
from ...resources.http.url import parse_url
from ...resources.tls import TlsSettings
from ...text import shorten
from ..remote_access import proxy_of
from .clickhouse_values import CONVERTERS, column_converter
from .parameters import Params
from .rows import Converters
from .sql_block import DriverResult, SqlBlockBehavior, SqlSession
from .statements import Statement

KILL_GRACE = 3.0
MAX_RESPONSE_SIZE = 4 * 1024**3
FORMAT = "JSONCompactEachRowWithNamesAndTypes"
_PORT_HINT = "is it ClickHouse's HTTP port: 8123, or 8443 with TLS?"
_SAMPLE = "https://user:password@host:8443/database"
_TABLE_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})
_QUOTED_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'"})
_TLS_WORDS = {
    "`cert` and `key`": "client_cert and client_cert_key in the URI",
    "`ca`": "ca_cert in the URI",
    "`verify: false`": "verify=false",
}
_TLS_PARAMETERS = ("verify", "ca_cert", "client_cert", "client_cert_key")
SETTINGS = {
    "default_format": FORMAT,
    "wait_end_of_query": "1",  # a failure half way becomes a status, not a line among the rows
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_decimals": "1",
    "output_format_json_quote_denormals": "1",
    "output_format_decimal_trailing_zeros": "1",
    "date_time_output_format": "iso",
    "cancel_http_readonly_queries_on_client_close": "1",
}
_HINTS = {
    164: "it is read-only: effects, --runbook-read-only, or the user's profile, which has to be readonly = 2 or 0",
    516: "look at user and password",
    81: "the server has no database of that name",
}


class ClickhouseSession(SqlSession):
    """A session in ClickHouse's sense: temporary tables and settings last from one statement to the next.

    owner: the key of its HTTP connections in the pool; sessions with the same server share them.
    """

    def __init__(self, owner: str, connections: HttpPool, address: ClickhouseAddress) -> None:
        super().__init__()
        self._owner = owner
        self._connections = connections
        self._address = address
        self._session_id = str(uuid.uuid4())

    async def run(self, statement: Statement, params: Params) -> DriverResult:
        query_id = str(uuid.uuid4())
        settings = {"session_id": self._session_id, "query_id": query_id, **_param_settings(params)}
        try:
            exchange = await self._send(statement.text, settings)
        except Unreachable as error:
            raise BlockFailed(error.message, hint=error.hint) from error
        except BaseException:
            # The request was cut off, but the server goes on with the query: not all queries end with the connection.
            self.is_broken = True
            await self._kill(query_id)
            raise
        if exchange.status != 200:
            raise _server_error(exchange)
        return _driver_result(exchange)

    async def check(self) -> None:
        """Check that the server accepts the login.

        :raises Unreachable: if it does not.
        """
        exchange = await self._send("SELECT 1", {})
        if exchange.status != 200:
            error = _server_error(exchange)
            raise Unreachable(
                f"{self._address.display_url} refuses the login: {error.message}", hint=error.hint or _PORT_HINT
            )

    @property
    def is_known_alive(self) -> bool:
        return True  # a connection that its server closed is noticed, and replaced, when it is used

    async def is_alive(self) -> bool:
        """Return True if the server answers; the HTTP pool replaces a connection that the server has closed."""
        try:
            await self._connections.perform(HttpExchange(self._address.ping()), self._owner)
        except RunbookError:
            return False
        return True

    def reset_nowait(self) -> bool:
        self._session_id = str(uuid.uuid4())  # the server forgets the session by itself
        return True

    async def reset(self) -> None:
        self.reset_nowait()

    async def close(self) -> None:
        """Nothing to do: the server forgets a session by itself."""

    async def _send(self, text: str, settings: Mapping[str, str]) -> HttpExchange:
        exchange = HttpExchange(self._address.request(text, settings))
        await self._connections.perform(exchange, self._owner)
        return exchange

    async def _kill(self, query_id: str) -> None:
        """End a query at the server."""
        with anyio.move_on_after(KILL_GRACE, shield=True):
            with suppress(RunbookError):  # the server is gone, and the query with it
                await self._send(f"KILL QUERY WHERE query_id = '{query_id}' ASYNC", {})


class ClickhouseAddress:
    """A URI, parsed: server, credentials, TLS, and the settings that are sent with every query.

    read_only: sets readonly = 2, which lets queries change settings, but no data.
    proxy: the URL of the proxy to use; None for none.

    :raises InvalidValue: if the URI is invalid.
    """

    def __init__(self, uri: str, *, read_only: bool, proxy: str | None = None) -> None:
        self._proxy = proxy
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https"):
            raise InvalidValue("a ClickHouse URI begins with http:// or https://", hint=_SAMPLE)
        if not parts.hostname:
            raise InvalidValue("the URI names no host", hint=_SAMPLE)
        user, _, password = parts.netloc.rpartition("@")[0].partition(":")
        self._auth = (unquote(user), unquote(password)) if user else None
        self.display_url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self._root = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "/", "", ""))
        parse_url(self._root)
        database = unquote(parts.path.strip("/"))
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._tls = _tls(parameters, is_secure=parts.scheme == "https")
        self._settings = {
            **SETTINGS,
            **({"database": database} if database else {}),
            **{name: value for name, value in parameters.items() if name not in _TLS_PARAMETERS},
            **({"readonly": "2"} if read_only else {}),
        }
        self._query = urlencode(self._settings)

    def request(self, text: str, settings: Mapping[str, str]) -> HttpRequest:
        query = f"{self._query}&{urlencode(settings)}"
        if not self._settings.keys().isdisjoint(settings):  # the URI has some of these, too: send none of them twice
            query = urlencode({**self._settings, **settings})
        return HttpRequest(
            method="POST",
            url=parse_url(f"{self._root}?{query}"),
            body={"content": text.encode()},
            auth=self._auth,
            tls=self._tls,
            follow_redirects=False,
            read_timeout=None,
            max_body=MAX_RESPONSE_SIZE,
            proxy=self._proxy,
        )

    def ping(self) -> HttpRequest:
        """Return a request that runs no query and needs no login."""
        return HttpRequest(
            method="GET", url=parse_url(f"{self._root}ping"), tls=self._tls, follow_redirects=False, proxy=self._proxy
        )


class Clickhouse(SqlBlockBehavior):
    """Runs SQL on a ClickHouse server."""

    dialect: ClassVar[str] = "clickhouse"
    converters: ClassVar[Converters] = CONVERTERS
    file_parameters: ClassVar[frozenset[str]] = frozenset({"ca_cert", "client_cert", "client_cert_key"})
    param_hint: ClassVar[str] = "ClickHouse names them with their types: {id:UInt64}"

    def param_names(self, statement: Statement, params: Mapping[str, object]) -> list[str]:
        return [name for name in params if re.search(rf"\{{\s*{re.escape(name)}\s*:", statement.text)]

    async def connect(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        # Without the tunnel of other databases: `open_session` uses a proxy, as all HTTP does, so that TLS still sees
        # the server's own name.
        target = self.target(context, connection_string)
        return await context.resources.databases.acquire(target, lambda: self.open_session(context, connection_string))

    async def open_session(self, context: ExecutionContext, connection_string: str) -> ClickhouseSession:
        proxy = await proxy_of(context, self.label)
        address = ClickhouseAddress(connection_string, read_only=context.read_only, proxy=proxy)
        session = ClickhouseSession(self.target(context, connection_string), context.resources.http, address)
        try:
            await session.check()
        except InvalidValue:
            raise
        except (Unreachable, TimedOut, BlockFailed) as error:
            raise Unreachable(error.message, hint=_with_uri_parameters(error.hint)) from error
        return session


def _with_uri_parameters(hint: str | None) -> str | None:
    """Return a hint of the HTTP client with the URI's parameters in place of an http block's props."""
    for theirs, ours in _TLS_WORDS.items():
        hint = hint and hint.replace(theirs, ours)
    return hint


def _tls(parameters: Mapping[str, str], *, is_secure: bool) -> TlsSettings:
    """Return the TLS settings in the URI; the parameters have the names of the client clickhouse-connect.

    :raises InvalidValue: if they are invalid.
    """
    present = [name for name in _TLS_PARAMETERS if name in parameters]
    if present and not is_secure:
        raise InvalidValue(f"{present[0]} is about TLS, and the URI begins with http://", hint=_SAMPLE)
    verify = parameters.get("verify", "true").lower()
    if verify not in ("true", "false"):
        raise InvalidValue(f'verify is "{verify}"', hint="true or false")
    ca, cert, key = (parameters.get(name) for name in _TLS_PARAMETERS[1:])
    if key and not cert:
        raise InvalidValue("client_cert_key belongs to a certificate, and none is given", hint="name it: client_cert")
    return TlsSettings(verify=verify == "true", ca=ca, cert=cert, key=key)


def _param_settings(params: Params) -> Mapping[str, str]:
    if not params:
        return {}
    if not isinstance(params, Mapping):
        raise InvalidValue("ClickHouse's parameters have names", hint="params: {id: 7}, and {id:UInt64} in the query")
    return {f"param_{name}": _param(value) for name, value in params.items()}


def _param(value: object) -> str:
    """Return a parameter as the server reads it: a text escaped as in TabSeparated, anything else as a literal.

    Source: ClickHouse's documentation of its HTTP interface, queries with parameters.
    """
    if value is None:
        return "\\N"
    return value.translate(_TABLE_ESCAPES) if isinstance(value, str) else _literal(value)


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value.translate(_QUOTED_ESCAPES)}'"
        case Mapping():
            return f"{{{','.join(f'{_literal(key)}:{_literal(item)}' for key, item in value.items())}}}"
        case list() | tuple():
            return f"[{','.join(map(_literal, value))}]"
    return str(value)


def _driver_result(exchange: HttpExchange) -> DriverResult:
    headers = exchange.received_response.headers
    summary = json.loads(headers.get("x-clickhouse-summary") or "{}")
    if not exchange.body:
        return DriverResult(rows_affected=_int(summary, "written_rows"))
    lines = _lines(exchange)
    rows_read, bytes_read = _int(summary, "read_rows"), _int(summary, "read_bytes")
    if headers.get("x-clickhouse-format", FORMAT) != FORMAT:
        columns, rows = _object_rows(exchange, lines)
        return DriverResult(columns=columns, rows=rows, rows_read=rows_read, bytes_read=bytes_read)
    names, types, *rows = lines
    column_converters = {
        position: convert for position, name in enumerate(types) if (convert := column_converter(name)) is not None
    }
    return DriverResult(
        columns=names, rows=rows, column_converters=column_converters, rows_read=rows_read, bytes_read=bytes_read
    )


def _object_rows(exchange: HttpExchange, lines: list[Any]) -> tuple[list[str], list[list[object]]]:
    """Return columns and rows of a response in the format that the query named.

    :raises NotSerializable: if that is not a JSON object on each line.
    """
    if not all(isinstance(line, dict) for line in lines):
        raise _format_error(exchange)
    columns = list(dict.fromkeys(name for line in lines for name in line))
    return columns, [[line.get(name) for name in columns] for line in lines]


def _lines(exchange: HttpExchange) -> list[Any]:
    try:
        return [json.loads(line) for line in exchange.body.decode(errors="replace").split("\n") if line]
    except json.JSONDecodeError as error:
        raise _format_error(exchange) from error


def _format_error(exchange: HttpExchange) -> NotSerializable:
    format_name = exchange.headers.get("x-clickhouse-format", "something else")
    return NotSerializable(
        f"the server answered in {format_name}, not in JSON, a row a line",
        hint="leave FORMAT out of the query, or use JSONEachRow",
        detail=shorten(exchange.body[:2000].decode(errors="replace"), 500),
    )


def _server_error(exchange: HttpExchange) -> BlockFailed:
    detail = exchange.body.decode(errors="replace").strip()
    code = exchange.headers.get("x-clickhouse-exception-code", "")
    message = detail.partition("(version ")[0].strip() or f"status {exchange.status} {exchange.reason}"
    return BlockFailed(shorten(message, 1000), hint=_HINTS.get(int(code)) if code.isdigit() else None)


def _int(summary: Mapping[str, str], name: str) -> int | None:
    value = summary.get(name)
    return None if value is None else int(value)
