"""What statements gave: rows, or how many rows they touched; and the ``output`` made of it."""

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
    """Rows. duration: seconds. sent: when the query was, in seconds since the epoch.

    rows_read, bytes_read: what the server had to look at, where it tells.
    """

    columns: tuple[str, ...]
    rows: SqlRows
    duration: float
    sent: float
    rows_read: int | None = None
    bytes_read: int | None = None

    @property
    def data(self) -> dict[str, object]:
        """By the names of the format's own messages."""
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
    """A change. rows_affected, last_insert_rowid: None where the server does not tell."""

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
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def tagged_result(result: SqlResult) -> dict[str, object]:
    """A result as ``output.results`` has it."""
    return {"type": "Query" if isinstance(result, QueryResult) else "Statement", "data": result.data}


def wire_result(result: SqlResult) -> Mapping[str, object]:
    """A result as clients get it, in JSON's types."""
    plain: Mapping[str, object] = wire_data(tagged_result(result))
    return plain


def sql_output(results: Sequence[SqlResult]) -> Output:
    """The keys of ``output``; those about rows are missing where no statement was a query, and the other way round."""
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
