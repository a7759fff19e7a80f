"""Blocks that query a remote service: one lifecycle for SQL, Prometheus and others."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Generic, TypeVar

import anyio

from ..context.output import Output
from ..errors import FileError, Unreachable
from ..execution.context import ExecutionContext, WorkResult
from ..text import DURATION_HINT, duration_seconds, show_seconds
from .behavior import BlockBehavior
from .planned_work import PlannedWork
from .remote_access import via_of

CONNECT_TIMEOUT = 10.0

ConnectionT = TypeVar("ConnectionT")
QueryResultT = TypeVar("QueryResultT")


class QueryBlockBehavior(BlockBehavior, Generic[ConnectionT, QueryResultT]):
    """A block that connects to a service, runs a query and returns its results.

    A block type implements the steps; `execute_query_block` runs them. Connecting has a timeout of its own, the query
    has the block's. The connection is always released, and a service that can't be reached is reported only once.

    connection_prop: the prop that holds the address of the service. disconnect_grace: seconds that `disconnect` gets.
    """

    connection_prop: ClassVar[str] = "uri"
    disconnect_grace: ClassVar[float] = 5.0

    @abstractmethod
    async def connect(self, context: ExecutionContext, connection_string: str) -> ConnectionT:
        """Connect to the service.

        :raises Unreachable: if it can't be reached, or refuses the login.
        """

    @abstractmethod
    async def execute_query(
        self, context: ExecutionContext, connection: ConnectionT, query: str
    ) -> Sequence[QueryResultT]:
        """Run the query. When this is cancelled, the query must have ended at the service as well.

        :raises BlockFailed: if the service reports an error; `detail` has the whole of it.
        """

    @abstractmethod
    def create_output(self, results: Sequence[QueryResultT]) -> Output:
        """Return the block's ``output``."""

    @abstractmethod
    def result_message(self, result: QueryResultT) -> Mapping[str, object]:
        """Return one result as plain data, for clients of the message channel."""

    def connect_nowait(self, context: ExecutionContext, connection_string: str) -> ConnectionT | None:
        """Return a connection that is available without waiting; None if `connect` has to be called.

        :raises RunbookError: if no connection can be made.
        """
        return None

    def disconnect_nowait(self, context: ExecutionContext, connection: ConnectionT) -> bool:
        """Release the connection if that is possible without waiting; return False if `disconnect` has to be called."""
        return False

    async def disconnect(self, context: ExecutionContext, connection: ConnectionT) -> None:
        """Release the connection, whatever its state is. The caller shields this from cancellation and limits it."""

    def resolve_query(self, context: ExecutionContext) -> str:
        """Return the query, rendered.

        :raises RunbookError: if it is empty, or its template fails.
        """
        return context.require("query")

    def resolve_connection_string(self, context: ExecutionContext) -> str:
        """Return the connection string, rendered.

        A ``{{ }}`` that renders to nothing is an error: the driver would use a default in its place, such as another
        host or database.

        :raises RunbookError: if it is empty, or its template fails.
        """
        return context.require(self.connection_prop, forbid_empty=True).strip()

    def target(self, context: ExecutionContext, connection_string: str) -> str:
        """Return the key under which blocks share connections, and the knowledge that a service is unreachable."""
        via = via_of(context)
        way = "" if via is None else f" via {via}"
        return f"{self.spec.type} {connection_string}{way}{' read-only' if context.read_only else ''}"

    def policy_url(self, context: ExecutionContext, connection_string: str) -> str:
        """Return the URL of the service, as the allow list checks it."""
        return connection_string

    def plan(self, context: ExecutionContext) -> PlannedWork:
        query, via = self.resolve_query(context), via_of(context)
        connection_string = self.resolve_connection_string(context)
        where = connection_name(connection_string) + ("" if via is None else f" via {via}")
        return PlannedWork(action=query, where=where, urls=(self.policy_url(context, connection_string),))

    async def execute(self, context: ExecutionContext) -> WorkResult:
        return await self.execute_query_block(context)

    async def execute_query_block(self, context: ExecutionContext) -> WorkResult:
        """Resolve the props, connect, run the query, send the results and disconnect."""
        query = self.resolve_query(context)
        connection_string = self.resolve_connection_string(context)
        context.masker.add_uri_passwords(connection_string, "the connection")
        if (check := context.resources.allow_list.url_check) is not None:
            check(self.policy_url(context, connection_string))
        context.report_details.where = connection_name(connection_string)
        target = self.target(context, connection_string)
        reachability = context.resources.reachability
        context.check_reachable(target)
        try:
            results = await self._run_query(context, connection_string, query)
        except Unreachable as error:
            reachability.record_failure(target, error.with_location(self.spec.location), self.label)
            raise
        reachability.forget(target)
        if context.has_listener:
            for result in results:
                context.send_output(data=self.result_message(result))
        return WorkResult(output=self.create_output(results))

    async def _run_query(self, context: ExecutionContext, connection_string: str, query: str) -> Sequence[QueryResultT]:
        context.send_output(stdout=b"Connecting...")
        connection = self.connect_nowait(context, connection_string)
        if connection is None:
            connection = await self._connect_with_timeout(context, connection_string)
        try:
            context.send_output(stdout=b"Connected successfully")
            context.send_output(stdout=b"Executing query...")
            return await self.execute_query(context, connection, query)
        finally:
            if not self.disconnect_nowait(context, connection):
                with anyio.move_on_after(self.disconnect_grace, shield=True):
                    await self.disconnect(context, connection)

    async def _connect_with_timeout(self, context: ExecutionContext, connection_string: str) -> ConnectionT:
        seconds = self.connect_timeout()
        with anyio.move_on_after(seconds):
            return await self.connect(context, connection_string)
        raise connect_timeout_error(connection_name(connection_string), seconds)

    def connect_timeout(self) -> float:
        """Return how long connecting may take, in seconds.

        :raises FileError: if the prop is not a duration.
        """
        text = self.spec.props.get("connectTimeout")
        try:
            return CONNECT_TIMEOUT if text is None else duration_seconds(str(text))
        except ValueError as error:
            location = self.spec.location_of("connectTimeout")
            raise FileError(f"connect_timeout: {error}", location=location, hint=DURATION_HINT) from None


def connect_timeout_error(name: str, seconds: float) -> Unreachable:
    """Return the error for a connection that was not made within the timeout."""
    hint = "is it up, and is its port open from here? Raise connect_timeout on the block if it is slow to answer"
    return Unreachable(f"no connection to {name} within {show_seconds(seconds)}", hint=hint)


@lru_cache(maxsize=256)
def connection_name(connection_string: str) -> str:
    """Return a connection string without its password and parameters: scheme, user, host, port and path."""
    # Everything between the user and the last "@" is left out: a password may hold an "@" that is not encoded.
    scheme, separator, rest = connection_string.partition("://")
    if not separator:
        scheme, rest = "", connection_string
    credentials, at, host_and_path = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.partition(':')[0]}{at}{re.split('[?#]', host_and_path)[0]}"
