"""The matrix of a runbook: the hosts and combinations of values it runs with. They are known when the file is
collected.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ..errors import FileError, Location, UnreadableFile, unknown_name_message
from ..model.runbook import AxisSource, Matrix, MatrixRows, NameReference, Runbook
from ..model.source.located import to_builtins
from ..model.source.source_file import read_source, read_text
from ..templates import is_template
from ..text import show_seconds
from .hosts import check_hosts

MAX_CELLS = 1000
MAX_COMBINATIONS = 100 * MAX_CELLS
MATRIX_COMMAND_TIMEOUT = 60.0
"""Seconds."""

KnownVariables = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One of several runs of a runbook. name: of its host and its values. values: its variables."""

    name: str
    values: Mapping[str, object]
    host: NameReference | None = None


def cells_of(
    runbook: Runbook,
    provided: KnownVariables,
    *,
    runs_commands: bool,
    command_timeout: float = MATRIX_COMMAND_TIMEOUT,
    is_secret: Callable[[str], bool] = lambda name: False,
) -> tuple[MatrixCell, ...]:
    """Return the cells of a runbook's hosts and matrix; none if it has neither.

    provided: variables from outside, which `{var: NAME}` may use.
    runs_commands: True if `{command: LINE}` is permitted; a command may take `command_timeout` seconds.
    is_secret: returns True if the value of a variable must not be part of a cell's name.

    :raises UnreadableFile: if an axis is invalid, or no cell is left.
    """
    check_hosts(runbook)
    if runbook.matrix is None:
        return tuple(MatrixCell(host.name, {}, host) for host in runbook.hosts)
    try:
        cells = _AxisReader(runbook, provided, command_timeout if runs_commands else None, is_secret).cells(
            runbook.matrix
        )
    except FileError as error:
        raise UnreadableFile([error]) from error
    on_hosts = (
        MatrixCell(f"{host.name}-{cell.name}", cell.values, host) for host, cell in product(runbook.hosts, cells)
    )
    return tuple(on_hosts) if runbook.hosts else cells


class _AxisReader:
    """Reads the values of axes from their sources. command_timeout: in seconds; None: commands are not run."""

    def __init__(
        self,
        runbook: Runbook,
        provided: KnownVariables,
        command_timeout: float | None,
        is_secret: Callable[[str], bool],
    ) -> None:
        self._is_secret = is_secret
        self._runbook = runbook
        self._provided = provided
        self._command_timeout = command_timeout

    def cells(self, matrix: Matrix) -> tuple[MatrixCell, ...]:
        axes = {axis.name: self._values(axis.values, axis.location, axis.name) for axis in matrix.axes}
        # Checked before the product is made. `exclude` may still bring it below the limit of cells.
        if (size := math.prod(map(len, axes.values()))) > MAX_COMBINATIONS:
            raise FileError(f"matrix: {size:,} combinations; at most {MAX_CELLS:,} are run", location=matrix.location)
        combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
        for row in self._rows(matrix.exclude):
            combinations = _excluding(combinations, row, matrix.exclude, list(axes))
        for row in self._rows(matrix.include):
            combinations.append(_included_cell(row, matrix.include, list(axes)))
        if not combinations:
            raise FileError("matrix: nothing is left of it", location=matrix.location)
        if len(combinations) > MAX_CELLS:
            raise FileError(
                f"matrix: {len(combinations):,} cells; at most {MAX_CELLS:,} are run", location=matrix.location
            )
        return tuple(_name_cells(combinations, axes, self._is_secret))

    def _rows(self, rows: MatrixRows | None) -> Sequence[Mapping[str, object]]:
        if rows is None:
            return ()
        found = self._values(rows.rows, rows.location, "rows")
        for row in found:
            if not isinstance(row, dict):
                raise FileError(f"matrix: {row!r} is no mapping of variables", location=rows.location)
        return [dict(row) for row in found if isinstance(row, dict)]

    def _values(self, values: AxisSource | Sequence[object], location: Location, name: str) -> Sequence[object]:
        if not isinstance(values, AxisSource):
            return values
        if values.var is not None:
            found = self._variable_values(values.var, location)
        elif values.file is not None:
            found = self._file_values(values.file, location)
        else:
            found = self._command_values(values.command or "", location)
        if not found:
            raise FileError(f"matrix {name}: there are no values", location=location)
        return found

    def _variable_values(self, name: str, location: Location) -> Sequence[object]:
        own = {declaration.name: declaration.value for declaration in (*self._runbook.vars, *self._runbook.checks_vars)}
        known = {**own, **self._provided}
        if name not in known:
            message, hint = unknown_name_message("variable", name, list(known))
            raise FileError(f"matrix: {message} in files and options", location=location, hint=hint)
        value = known[name]
        if isinstance(value, str) and is_template(value):
            raise FileError(f"matrix: var.{name} is a template, and rendered only when blocks run", location=location)
        if isinstance(value, str):
            return [word for word in re.split(r"[,\s]+", value) if word]
        if isinstance(value, Sequence):
            return value
        raise FileError(f"matrix: var.{name} is no list", location=location)

    def _file_values(self, name: str, location: Location) -> Sequence[object]:
        path = self._runbook.path.parent / name
        if path.suffix.lower() == ".csv":
            return _csv_values(path, name, location)
        try:
            _, tree = read_source(path, Location(name))
        except UnreadableFile as error:
            first = error.errors[0]
            raise FileError(f"matrix: {first.location}: {first.message}", location=location, hint=first.hint) from error
        values = to_builtins(tree)
        if not isinstance(values, list):
            raise FileError(f"matrix: {name} holds no list", location=location)
        return values

    def _command_values(self, command: str, location: Location) -> Sequence[object]:
        if self._command_timeout is None:
            hint = "--runbook-matrix-commands, or the ini setting runbook_matrix_commands, lets it"
            raise FileError(f"matrix: nothing runs while files are collected: {command}", location=location, hint=hint)
        try:
            code, stdout, stderr = _run_command(command, self._runbook.path.parent, self._command_timeout)
        except OSError as error:
            raise FileError(f"matrix: {command}: {error.strerror}", location=location) from error
        except subprocess.TimeoutExpired:
            duration = show_seconds(self._command_timeout)
            raise FileError(f"matrix: {command}: took longer than {duration}", location=location) from None
        if code != 0:
            last = (stderr.strip().splitlines() or [""])[-1]
            raise FileError(f"matrix: {command}: exit code {code}: {last}", location=location)
        return [line.strip() for line in stdout.splitlines() if line.strip()]


def _run_command(command: str, folder: Path, timeout: float) -> tuple[int, str, str]:
    """Run a command line, and return its exit code, stdout and stderr. No process of it is left running.

    :raises subprocess.TimeoutExpired: if it takes longer. OSError: if there is no bash.
    """
    with subprocess.Popen(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        finally:
            with suppress(ProcessLookupError):
                # Also after a normal end: the command may have left processes in the background.
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, stdout, stderr


def _csv_values(path: Path, name: str, location: Location) -> Sequence[object]:
    """Return the rows of a CSV file as mappings, or as values if there is only one column."""
    try:
        rows = csv.reader(io.StringIO(read_text(path, Location(name)).text), strict=True)
        columns, *lines = [row for row in rows if row] or [[]]
    except (UnreadableFile, csv.Error) as error:
        message = error.errors[0].message if isinstance(error, UnreadableFile) else f"is no CSV: {error}"
        raise FileError(
            f"matrix: {name} {message}", location=location, hint="a path relative to the runbook"
        ) from error
    for line in lines:
        if len(line) != len(columns):
            message = f"matrix: {name} has {len(columns)} columns, and a row of {len(line)}: {','.join(line)}"
            raise FileError(message, location=location, hint="the first line names the columns")
    return [line[0] if len(columns) == 1 else dict(zip(columns, line, strict=True)) for line in lines]


def _excluding(
    cells: list[dict[str, object]], row: Mapping[str, object], rows: MatrixRows | None, axes: Sequence[str]
) -> list[dict[str, object]]:
    location = None if rows is None else rows.location
    for name in row:
        if name not in axes:
            message, hint = unknown_name_message("axis", name, axes)
            raise FileError(f"matrix exclude: {message}", location=location, hint=hint)
    remaining = [cell for cell in cells if not row.items() <= cell.items()]
    if len(remaining) == len(cells):
        raise FileError(f"matrix exclude: no cell has {dict(row)}", location=location)
    return remaining


def _included_cell(row: Mapping[str, object], rows: MatrixRows | None, axes: Sequence[str]) -> dict[str, object]:
    missing = [name for name in axes if name not in row]
    if not row:
        raise FileError(
            "matrix include: an empty mapping makes no cell", location=None if rows is None else rows.location
        )
    if missing:
        raise FileError(
            f"matrix include: {dict(row)} has no {missing[0]}", location=None if rows is None else rows.location
        )
    return dict(row)


def _name_cells(
    cells: Iterable[Mapping[str, object]], axes: Mapping[str, Sequence[object]], is_secret: Callable[[str], bool]
) -> Iterator[MatrixCell]:
    for number, cell in enumerate(cells, 1):
        name_parts = [number if is_secret(name) else cell[name] for name in (*axes,) or list(cell)[:1]]
        yield MatrixCell("-".join(_name_part(value, number) for value in name_parts), cell)


def _name_part(value: object, number: int) -> str:
    match value:
        case bool() | None:
            return str(value).lower()
        case str() | int() | float() if str(value).strip():
            return str(value)
        case {"name": str(name)} if name.strip():
            return name
    return str(number)
