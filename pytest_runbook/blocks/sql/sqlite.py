"""SQLite: a database that is a file."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

import anyio

from ...errors import BlockFailed, Malformed, Unreachable
from ...execution.context import ExecutionContext
from ...resources.threads import Threads
from .behavior import SCALARS_ALONE, Answer, SqlBlockBehavior, SqlSession
from .parameters import Params
from .rows import Converters, converters
from .statements import Statement

BUSY_SECONDS = 5.0
INTERRUPT_EVERY = 0.05
MEMORY = ":memory:"
PARAMETERS = {
    "mode": ("ro", "rw", "rwc", "memory"),
    "cache": ("shared", "private"),
    "immutable": ("0", "1", "true", "false"),
    "vfs": (),
}
_KNOWN = "sqlite:///absolute/path, sqlite://relative/path, a path, or :memory:"

Result = TypeVar("Result")


class SqliteSession(SqlSession):
    """A connection to a file, used in worker threads. Never shared: opening one costs next to nothing.

    The call that runs the last statement closes it as well: each call costs as much as all that it does.
    """

    def __init__(self, uri: str, threads: Threads) -> None:
        super().__init__()
        self.is_spoilt = True
        self._threads = threads
        self._uri = uri
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    async def open(self) -> None:
        """Open the file.

        :raises sqlite3.Error: if it can't be opened, or is no database.
        """
        await self._in_thread(self._open)

    async def run(self, statement: Statement, params: Params) -> Answer:
        try:
            return await self._in_thread(lambda: self._run(statement, params))
        except sqlite3.Error as error:
            raise BlockFailed(str(error), hint=_hint(error)) from error
        except (ValueError, OverflowError) as error:  # a null character, a parameter that is too large
            raise BlockFailed(f"SQL can't be sent: {error}") from error

    async def is_alive(self) -> bool:
        return False

    async def reset(self) -> None:
        """Nothing to do: it is not used again."""

    async def close(self) -> None:
        await self._threads.run(self._close)

    async def _in_thread(self, function: Callable[[], Result]) -> Result:
        """Call a function while nothing else uses the connection. Cancelled, the wait ends; `close` ends the call."""
        return await self._threads.run(partial(self._alone, function))

    def _alone(self, function: Callable[[], Result]) -> Result:
        with self._lock:
            return function()

    def _open(self) -> None:
        self._connection = sqlite3.connect(
            self._uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
        )
        self._connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").close()

    def _run(self, statement: Statement, params: Params) -> Answer:
        assert self._connection is not None
        answer = _answer(self._connection.execute(statement.text, params))
        if statement.is_last:
            self._connection.close()
            self.is_closed = True
        return answer

    def _close(self) -> None:
        while not self._lock.acquire(timeout=INTERRUPT_EVERY):
            if self._connection is not None:
                self._connection.interrupt()
        if self._connection is not None:
            self._connection.close()


class Sqlite(SqlBlockBehavior):
    """Runs SQL on an SQLite file."""

    dialect: ClassVar[str] = "sqlite"
    converters: ClassVar[Converters] = converters()

    def target(self, context: ExecutionContext, connection_string: str) -> str:
        """The file itself: its path may be relative to the directory."""
        return super().target(context, file_uri(connection_string, Path(context.resolver.cwd), read_only=False))

    def address(self, context: ExecutionContext, connection_string: str) -> str:
        """The file, whatever its URI looks like."""
        uri = file_uri(connection_string, Path(context.resolver.cwd), read_only=False)
        path = unquote(uri.removeprefix("file:").partition("?")[0])
        return f"sqlite:{path if path == MEMORY else Path(path).resolve()}"

    def at_hand(self, context: ExecutionContext, connection_string: str) -> None:
        """Nothing is: no two blocks share a connection."""

    async def connect(self, context: ExecutionContext, connection_string: str) -> SqlSession:
        return await self.open_session(context, connection_string)

    async def open_session(self, context: ExecutionContext, connection_string: str) -> SqliteSession:
        uri = file_uri(connection_string, Path(context.resolver.cwd), read_only=context.read_only)
        session = SqliteSession(uri, context.resources.threads)
        try:
            await session.open()
        except sqlite3.Error as error:
            await session.close()
            raise Unreachable(f"{_shown(uri)} can't be opened: {error}", hint=_opening_hint(error, uri)) from error
        except BaseException:
            with anyio.CancelScope(shield=True):
                await session.close()
            raise
        return session


def _answer(cursor: sqlite3.Cursor) -> Answer:
    if cursor.description is not None:
        return Answer(columns=[column[0] for column in cursor.description], rows=cursor.fetchall())
    return Answer(rows_affected=max(cursor.rowcount, 0), last_insert_rowid=cursor.lastrowid)


def file_uri(text: str, folder: Path, *, read_only: bool) -> str:
    """A connection string as SQLite's own URI, the file relative to that folder.

    :raises BlockFailed: if it names no file.
    """
    path, _, query = re.sub("^(sqlite|file):(//)?", "", text).partition("?")
    if "://" in path:
        raise Malformed(f'"{path.partition(":")[0]}" is not SQLite\'s scheme', hint=f"one of: {_KNOWN}")
    parameters = _parameters(query)
    if path in ("", MEMORY):
        if not path and text.strip() not in ("sqlite:", "sqlite://"):
            raise Malformed("the URI names no file", hint=f"one of: {_KNOWN}")
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
            raise Malformed(f'SQLite knows no parameter "{name}"', hint=f"known: {', '.join(PARAMETERS)}")
        if known and value not in known:
            raise Malformed(f'{name} is "{value}"', hint=f"one of: {', '.join(known)}")
    return parameters


def _shown(uri: str) -> str:
    return uri.removeprefix("file:").partition("?")[0]


def _opening_hint(error: sqlite3.Error, uri: str) -> str:
    path = Path(_shown(uri))
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if "mode=ro" in uri and not path.exists():
        return "there is no such file, and a read-only connection creates none"
    return {"file is not a database": "is it the right file?"}.get(str(error), "may this user read and write it?")


def _hint(error: sqlite3.Error) -> str | None:
    hints: Sequence[tuple[str, str]] = (
        ("readonly database", "the connection is read-only: effects, --runbook-read-only or mode=ro in the URI"),
        ("Error binding parameter", SCALARS_ALONE),
        ("is locked", "another connection writes to it"),
    )
    return next((hint for words, hint in hints if words in str(error)), None)
