"""Results of SQL statements, rows or counts of affected rows, and the ``output`` made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ...context.json_form import wire_data
from ...context.output import Output
from .rows import SqlRows

MAX_KEPT_ROWS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """The result of a statement that returns rows.

    duration: in seconds. sent: when the query was sent, in seconds since the epoch.
    rows_read, bytes_read: how much the server read; None if it does not report that.
    """

    columns: tuple[str, ...]
    rows: SqlRows
    duration: float
    sent: float
    rows_read: int | None = None
    bytes_read: int | None = None

    @property
    def data(self) -> dict[str, object]:
        """The result under the names of the runbook format's messages."""
        return {
            "columns": list(self.columns),
            "rows": self.rows,
            "rowsRead": self.rows_read,
            "bytesRead": self.bytes_read,
            "duration": self.duration,
            "time": _moment(self.sent),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementResult:
    """The result of a statement that changes something.

    rows_affected, last_insert_rowid: None if the server does not report them.
    duration: in seconds. sent: when the statement was sent, in seconds since the epoch.
    """

    rows_affected: int | None
    last_insert_rowid: int | None
    duration: float
    sent: float

    @property
    def data(self) -> dict[str, object]:
        return {
            "rowsAffected": self.rows_affected,
            "lastInsertRowid": self.last_insert_rowid,
            "duration": self.duration,
            "time": _moment(self.sent),
        }


SqlResult = QueryResult | StatementResult


def _moment(seconds: float) -> str:
    """Return a time as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def tagged_result(result: SqlResult) -> dict[str, object]:
    """Return a result as an item of ``output.results``."""
    return {"type": "Query" if isinstance(result, QueryResult) else "Statement", "data": result.data}


def wire_result(result: SqlResult) -> Mapping[str, object]:
    """Return a result in JSON's types, for clients of the message channel."""
    plain: Mapping[str, object] = wire_data(tagged_result(result))
    return plain


def sql_output(results: Sequence[SqlResult]) -> Output:
    """Return the block's ``output``. Keys about rows are missing without a query, those about changes without one."""
    queries = [result for result in results if isinstance(result, QueryResult)]
    statements = [result for result in results if isinstance(result, StatementResult)]
    fields: dict[str, object] = {
        "results": lambda: [tagged_result(result) for result in results],
        "first": lambda: tagged_result(results[0]),
        "total_rows": sum(len(query.rows) for query in queries),
        "total_rows_affected": sum(statement.rows_affected or 0 for statement in statements),
        "total_duration": sum(result.duration for result in results),
        "result_count": len(results),
    }
    if queries:
        fields |= {"rows": queries[0].rows, "columns": list(queries[0].columns)}
    if statements:
        fields["rows_affected"] = statements[0].rows_affected
    is_large = sum(len(query.rows) for query in queries) > MAX_KEPT_ROWS
    return Output(fields, lambda: _one_cell(queries), large=("results", "first", "rows") if is_large else ())


def _one_cell(queries: Sequence[QueryResult]) -> object:
    if len(queries) != 1:
        raise ValueError(f"{len(queries) or 'no'} statements gave rows, not one; use output.results")
    rows, columns = queries[0].rows, queries[0].columns
    if len(rows) != 1 or len(columns) != 1:
        raise ValueError(
            f"the query gave {count_of(len(rows), 'row')} of {count_of(len(columns), 'column')}, not one cell"
        )
    return rows[0][columns[0]]


def count_of(number: int, noun: str) -> str:
    """Return a number and its noun: ``1 row``, ``1,200 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
