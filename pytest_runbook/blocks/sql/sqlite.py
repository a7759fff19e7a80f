"""SQLite blocks: run SQL on a database file, or on a database in memory."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

import anyio

from ...errors import BlockFailed, InvalidValue, Unreachable
from ...execution.context import ExecutionContext
from ...resources.database.threads import Call, Threads
from ..query_block import connect_timeout_error
from .parameters import Params
from .rows import Converters, build_converters
from .sql_block import SCALARS_HINT, DriverResult, SqlBlockBehavior, SqlSession
from .statements import Statement

BUSY_TIMEOUT = 5.0
LOCK_TIMEOUT_SHARE = 0.9
"""The part of the connect timeout that SQLite may wait for a lock: its own error is more exact than our timeout."""
INTERRUPT_INTERVAL = 0.05
MEMORY = ":memory:"
PARAMETERS = {
    "mode": ("ro", "rw", "rwc", "memory"),
    "cache": ("shared", "private"),
    "immutable": ("0", "1", "true", "false"),
    "vfs": (),
}
_LOCKED = "another connection writes to it"
_KNOWN = "sqlite:///absolute/path, sqlite://relative/path, a path, or :memory:"


class _NotOpened(Exception):
    """The file can't be opened, or is no database: see the cause. Without one, the session was abandoned meanwhile."""


class SqliteSession(SqlSession):
    """A connection to a file, used in worker threads. It is not shared between blocks: opening one is cheap.

    connect_timeout: how long opening may take, in seconds.
    """

    # A call into a thread takes longer than opening and closing a connection. So the call that runs the first statement
    # opens it, and the call that runs the last one closes it.

    def __init__(self, uri: str, threads: Threads, connect_timeout: float) -> None:
        super().__init__()
        self.is_broken = True  # the pool never keeps it
        self.is_closed = True  # until the first statement runs
        self._threads = threads
        self._uri = uri
        self._connect_timeout = connect_timeout
        self._connection: sqlite3.Connection | None = None
        self._is_open = False
        self._is_abandoned = False
        self._lock = threading.Lock()

    async def run(self, statement: Statement, params: Params) -> DriverResult:
        self.is_closed = False
        call = self._threads.start(lambda: self._run(statement, params))
        try:
            if not call.is_over() and not self._is_open:
                await self._wait_until_open(call)
            return await call.result()
        except _NotOpened as error:
            message = f"{_display_path(self._uri)} can't be opened: {error.__cause__}"
            raise Unreachable(message, hint=_opening_hint(str(error.__cause__), self._uri)) from error
        except sqlite3.Error as error:
            raise BlockFailed(str(error), hint=_hint(error)) from error
        except (ValueError, OverflowError) as error:  # a null character, a parameter that is too large
            raise BlockFailed(f"SQL can't be sent: {error}") from error

    async def is_alive(self) -> bool:
        return False

    async def reset(self) -> None:
        """Nothing to do: it is not used again."""

    async def close(self) -> None:
        self._is_abandoned = True
        await self._threads.run(self._close)

    async def _wait_until_open(self, call: Call[DriverResult]) -> None:
        """:raises Unreachable: if it takes too long to open the file; the statement may take longer."""
        with anyio.move_on_after(self._connect_timeout):
            await call.result()
        if not self._is_open:
            raise connect_timeout_error(_display_path(self._uri), self._connect_timeout)

    def _run(self, statement: Statement, params: Params) -> DriverResult:
        with self._lock:
            connection = self._connection if self._connection is not None else self._open_connection()
            if self._is_abandoned:  # cancelled while the file was opened or locked: the statement must not run any more
                raise _NotOpened
            result = _driver_result(connection.execute(statement.text, params))
            if statement.is_last:
                connection.close()
                self.is_closed = True
            return result

    def _open_connection(self) -> sqlite3.Connection:
        """:raises _NotOpened: if it can't be opened."""
        lock_timeout = min(BUSY_TIMEOUT, self._connect_timeout * LOCK_TIMEOUT_SHARE)
        try:
            connection = self._connection = sqlite3.connect(
                self._uri, uri=True, isolation_level=None, timeout=lock_timeout, check_same_thread=False
            )
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").close()
            if lock_timeout < BUSY_TIMEOUT:
                connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}").close()
        except sqlite3.Error as error:
            raise _NotOpened from error
        self._is_open = True
        return connection

    def _close(self) -> None:
        """Interrupt what runs on the connection, and close it when that has ended."""
        # In a loop: an interrupt has no effect on a statement that is about to start.
        while not self._lock.acquire(timeout=INTERRUPT_INTERVAL):
            if self._connection is not None:
                self._connection.interrupt()
        if self._connection is not None:
            self._connection.close()


class Sqlite(SqlBlockBehavior):
    """Runs SQL on an SQLite file."""

    dialect: ClassVar[str] = "sqlite"
    converters: ClassVar[Converters] = build_converters()

    def target(self, context: ExecutionContext, connection_string: str) -> str:
        """Return a key with the absolute path of the file, which may be relative to the block's directory."""
        return super().target(context, file_uri(connection_string, Path(context.resolver.cwd), read_only=False))

    def policy_url(self, context: ExecutionContext, connection_string: str) -> str:
        """Return ``sqlite:`` and the absolute path of the file, whatever the form of its URI."""
        uri = file_uri(connection_string, Path(context.resolver.cwd), read_only=False)
        path = unquote(uri.removeprefix("file:").partition("?")[0])
        return f"sqlite:{path if path == MEMORY else Path(path).resolve()}"

    def connect_nowait(self, context: ExecutionContext, connection_string: str) -> SqliteSession:
        """Return a session of the block's own, which opens the file with its first statement."""
        uri = file_uri(connection_string, Path(context.resolver.cwd), read_only=context.read_only)
        return SqliteSession(uri, context.resources.threads, self.connect_timeout())

    async def open_session(self, context: ExecutionContext, connection_string: str) -> SqliteSession:
        return self.connect_nowait(context, connection_string)


def _driver_result(cursor: sqlite3.Cursor) -> DriverResult:
    if cursor.description is not None:
        return DriverResult(columns=[column[0] for column in cursor.description], rows=cursor.fetchall())
    return DriverResult(rows_affected=max(cursor.rowcount, 0), last_insert_rowid=cursor.lastrowid)


def file_uri(text: str, folder: Path, *, read_only: bool) -> str:
    """Return a connection string as SQLite's own URI. folder: the path is relative to it.

    :raises BlockFailed: if the string names no file, or has an unknown scheme or parameter.
    """
    path, _, query = re.sub("^(sqlite|file):(//)?", "", text).partition("?")
    if "://" in path:
        raise InvalidValue(f'"{path.partition(":")[0]}" is not SQLite\'s scheme', hint=f"one of: {_KNOWN}")
    parameters = _parameters(query)
    if path in ("", MEMORY):
        if not path and text.strip() not in ("sqlite:", "sqlite://"):
            raise InvalidValue("the URI names no file", hint=f"one of: {_KNOWN}")
        path = MEMORY
    else:
        path = str(folder / Path(path).expanduser())
    if read_only and path != MEMORY:
        parameters["mode"] = "ro"
    query = urlencode(parameters)
    return f"file:{quote(path)}{'?' if query else ''}{query}"


def _parameters(query: str) -> dict[str, str]:
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in parameters.items():
        known = PARAMETERS.get(name)
        if known is None:
            raise InvalidValue(f'SQLite knows no parameter "{name}"', hint=f"known: {', '.join(PARAMETERS)}")
        if known and value not in known:
            raise InvalidValue(f'{name} is "{value}"', hint=f"one of: {', '.join(known)}")
    return parameters


def _display_path(uri: str) -> str:
    return uri.removeprefix("file:").partition("?")[0]


def _opening_hint(error: str, uri: str) -> str:
    path = Path(_display_path(uri))
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if "mode=ro" in uri and not path.exists():
        return "there is no such file, and a read-only connection creates none"
    known = {"file is not a database": "is it the right file?", "database is locked": _LOCKED}
    return known.get(error, "may this user read and write it?")


def _hint(error: sqlite3.Error) -> str | None:
    hints: Sequence[tuple[str, str]] = (
        ("readonly database", "the connection is read-only: effects, --runbook-read-only or mode=ro in the URI"),
        ("Error binding parameter", SCALARS_HINT),
        ("is locked", _LOCKED),
    )
    return next((hint for words, hint in hints if words in str(error)), None)
