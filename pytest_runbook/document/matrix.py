"""The cells of a runbook: which hosts and combinations of values it runs with, known when its file is collected."""

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

from ..errors import FileError, Place, UnreadableFile, unknown
from ..model.runbook import AxisSource, Matrix, Named, Rows, Runbook
from ..model.source.located import plain
from ..model.source.source_file import read_source, read_text
from ..templates import is_template
from ..text import show_seconds
from .hosts import check_hosts

MOST_CELLS = 1000
LARGEST_PRODUCT = 100 * MOST_CELLS
COMMAND_SECONDS = 60.0

Known = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of several. name: of its host and its values, in a word. values: the variables of its combination."""

    name: str
    values: Mapping[str, object]
    host: Named | None = None


def cells_of(
    runbook: Runbook,
    given: Known,
    *,
    runs_commands: bool,
    command_seconds: float = COMMAND_SECONDS,
    is_secret: Callable[[str], bool] = lambda name: False,
) -> tuple[Cell, ...]:
    """The cells of a runbook's hosts and matrix; none if it has neither.

    given: variables from outside, which `{var: NAME}` may name. runs_commands: somebody asked for `{command: LINE}`,
    which may take so many seconds. is_secret: tells of a variable whether no name of a cell may say what it holds.

    :raises UnreadableFile: if an axis makes no sense, or nothing is left.
    """
    check_hosts(runbook)
    if runbook.matrix is None:
        return tuple(Cell(host.name, {}, host) for host in runbook.hosts)
    try:
        cells = _Reader(runbook, given, command_seconds if runs_commands else None, is_secret).cells(runbook.matrix)
    except FileError as error:
        raise UnreadableFile([error]) from error
    on_hosts = (Cell(f"{host.name}-{cell.name}", cell.values, host) for host, cell in product(runbook.hosts, cells))
    return tuple(on_hosts) if runbook.hosts else cells


class _Reader:
    """Reads the values of axes, wherever they are. command_seconds: for a command; None: none is run."""

    def __init__(
        self, runbook: Runbook, given: Known, command_seconds: float | None, is_secret: Callable[[str], bool]
    ) -> None:
        self._is_secret = is_secret
        self._runbook = runbook
        self._given = given
        self._command_seconds = command_seconds

    def cells(self, matrix: Matrix) -> tuple[Cell, ...]:
        axes = {axis.name: self._values(axis.values, axis.place, axis.name) for axis in matrix.axes}
        if (size := math.prod(map(len, axes.values()))) > LARGEST_PRODUCT:
            raise FileError(f"matrix: {size:,} combinations; at most {MOST_CELLS:,} are run", place=matrix.place)
        combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
        for row in self._rows(matrix.exclude):
            combinations = _without(combinations, row, matrix.exclude, list(axes))
        for row in self._rows(matrix.include):
            combinations.append(_complete(row, matrix.include, list(axes)))
        if not combinations:
            raise FileError("matrix: nothing is left of it", place=matrix.place)
        if len(combinations) > MOST_CELLS:
            raise FileError(f"matrix: {len(combinations):,} cells; at most {MOST_CELLS:,} are run", place=matrix.place)
        return tuple(_named(combinations, axes, self._is_secret))

    def _rows(self, rows: Rows | None) -> Sequence[Mapping[str, object]]:
        if rows is None:
            return ()
        found = self._values(rows.rows, rows.place, "rows")
        for row in found:
            if not isinstance(row, dict):
                raise FileError(f"matrix: {row!r} is no mapping of variables", place=rows.place)
        return [dict(row) for row in found if isinstance(row, dict)]

    def _values(self, values: AxisSource | Sequence[object], place: Place, name: str) -> Sequence[object]:
        if not isinstance(values, AxisSource):
            return values
        if values.var is not None:
            found = self._of_variable(values.var, place)
        elif values.file is not None:
            found = self._of_file(values.file, place)
        else:
            found = self._of_command(values.command or "", place)
        if not found:
            raise FileError(f"matrix {name}: there are no values", place=place)
        return found

    def _of_variable(self, name: str, place: Place) -> Sequence[object]:
        own = {given.name: given.value for given in (*self._runbook.vars, *self._runbook.checks_vars)}
        known = {**own, **self._given}
        if name not in known:
            message, hint = unknown("variable", name, list(known))
            raise FileError(f"matrix: {message}, as far as files and options say", place=place, hint=hint)
        value = known[name]
        if isinstance(value, str) and is_template(value):
            raise FileError(f"matrix: var.{name} is a template, and rendered only when blocks run", place=place)
        if isinstance(value, str):
            return [word for word in re.split(r"[,\s]+", value) if word]
        if isinstance(value, Sequence):
            return value
        raise FileError(f"matrix: var.{name} is no list", place=place)

    def _of_file(self, name: str, place: Place) -> Sequence[object]:
        path = self._runbook.path.parent / name
        if path.suffix.lower() == ".csv":
            return _of_csv(path, name, place)
        try:
            _, tree = read_source(path, Place(name))
        except UnreadableFile as error:
            first = error.errors[0]
            raise FileError(f"matrix: {first.place}: {first.message}", place=place, hint=first.hint) from error
        values = plain(tree)
        if not isinstance(values, list):
            raise FileError(f"matrix: {name} holds no list", place=place)
        return values

    def _of_command(self, command: str, place: Place) -> Sequence[object]:
        if self._command_seconds is None:
            hint = "--runbook-matrix-commands, or the ini setting runbook_matrix_commands, lets it"
            raise FileError(f"matrix: nothing runs while files are collected: {command}", place=place, hint=hint)
        try:
            code, printed, said = _ran(command, self._runbook.path.parent, self._command_seconds)
        except OSError as error:
            raise FileError(f"matrix: {command}: {error.strerror}", place=place) from error
        except subprocess.TimeoutExpired:
            taken = show_seconds(self._command_seconds)
            raise FileError(f"matrix: {command}: took longer than {taken}", place=place) from None
        if code != 0:
            last = (said.strip().splitlines() or [""])[-1]
            raise FileError(f"matrix: {command}: exit code {code}: {last}", place=place)
        return [line.strip() for line in printed.splitlines() if line.strip()]


def _ran(command: str, folder: Path, seconds: float) -> tuple[int, str, str]:
    """Exit code and output of a command line; nothing of it is left running.

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
            printed, said = process.communicate(timeout=seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, printed, said


def _of_csv(path: Path, name: str, place: Place) -> Sequence[object]:
    """The rows by the names of their columns; the values where there is one column alone."""
    try:
        rows = csv.reader(io.StringIO(read_text(path, Place(name)).text), strict=True)
        columns, *lines = [row for row in rows if row] or [[]]
    except (UnreadableFile, csv.Error) as error:
        message = error.errors[0].message if isinstance(error, UnreadableFile) else f"is no CSV: {error}"
        raise FileError(f"matrix: {name} {message}", place=place, hint="a path relative to the runbook") from error
    for line in lines:
        if len(line) != len(columns):
            message = f"matrix: {name} has {len(columns)} columns, and a row of {len(line)}: {','.join(line)}"
            raise FileError(message, place=place, hint="the first line names the columns")
    return [line[0] if len(columns) == 1 else dict(zip(columns, line, strict=True)) for line in lines]


def _without(
    cells: list[dict[str, object]], row: Mapping[str, object], rows: Rows | None, axes: Sequence[str]
) -> list[dict[str, object]]:
    place = None if rows is None else rows.place
    for name in row:
        if name not in axes:
            message, hint = unknown("axis", name, axes)
            raise FileError(f"matrix exclude: {message}", place=place, hint=hint)
    left = [cell for cell in cells if not row.items() <= cell.items()]
    if len(left) == len(cells):
        raise FileError(f"matrix exclude: no cell has {dict(row)}", place=place)
    return left


def _complete(row: Mapping[str, object], rows: Rows | None, axes: Sequence[str]) -> dict[str, object]:
    missing = [name for name in axes if name not in row]
    if not row:
        raise FileError("matrix include: an empty mapping makes no cell", place=None if rows is None else rows.place)
    if missing:
        raise FileError(f"matrix include: {dict(row)} has no {missing[0]}", place=None if rows is None else rows.place)
    return dict(row)


def _named(
    cells: Iterable[Mapping[str, object]], axes: Mapping[str, Sequence[object]], is_secret: Callable[[str], bool]
) -> Iterator[Cell]:
    for number, cell in enumerate(cells, 1):
        told = [number if is_secret(name) else cell[name] for name in (*axes,) or list(cell)[:1]]
        yield Cell("-".join(_word(value, number) for value in told), cell)


def _word(value: object, number: int) -> str:
    match value:
        case bool() | None:
            return str(value).lower()
        case str() | int() | float() if str(value).strip():
            return str(value)
        case {"name": str(name)} if name.strip():
            return name
    return str(number)
