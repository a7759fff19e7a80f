"""The cells of a runbook: which hosts and combinations of values it runs with, known when its file is collected."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from ..errors import FileError, Place, UnreadableFile, unknown
from ..model.runbook import AxisSource, Matrix, Named, Rows, Runbook
from ..model.source import read_source
from ..model.tree import plain
from ..templates import is_template
from .hosts import check_hosts

MOST_CELLS = 1000
COMMAND_SECONDS = 60

Known = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of several. name: of its host and its values, in a word. values: the variables of its combination."""

    name: str
    values: Mapping[str, object]
    host: Named | None = None


def cells_of(runbook: Runbook, given: Known, *, runs_commands: bool) -> tuple[Cell, ...]:
    """The cells of a runbook's hosts and matrix; none if it has neither.

    given: variables from outside, which `{var: NAME}` may name. runs_commands: somebody asked for `{command: LINE}`.

    :raises UnreadableFile: if an axis makes no sense, or nothing is left.
    """
    check_hosts(runbook)
    if runbook.matrix is None:
        return tuple(Cell(host.name, {}, host) for host in runbook.hosts)
    try:
        cells = _Reader(runbook, given, runs_commands).cells(runbook.matrix)
    except FileError as error:
        raise UnreadableFile([error]) from error
    on_hosts = (Cell(f"{host.name}-{cell.name}", cell.values, host) for host, cell in product(runbook.hosts, cells))
    return tuple(on_hosts) if runbook.hosts else cells


class _Reader:
    """Reads the values of axes, wherever they are."""

    def __init__(self, runbook: Runbook, given: Known, runs_commands: bool) -> None:
        self._runbook = runbook
        self._given = given
        self._runs_commands = runs_commands

    def cells(self, matrix: Matrix) -> tuple[Cell, ...]:
        axes = {axis.name: self._values(axis.values, axis.place, axis.name) for axis in matrix.axes}
        combinations = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())] if axes else []
        for row in self._rows(matrix.exclude):
            combinations = _without(combinations, row, matrix.exclude, list(axes))
        for row in self._rows(matrix.include):
            combinations.append(_complete(row, matrix.include, list(axes)))
        if not combinations:
            raise FileError("matrix: nothing is left of it", place=matrix.place)
        if len(combinations) > MOST_CELLS:
            raise FileError(f"matrix: {len(combinations):,} cells; at most {MOST_CELLS:,} are run", place=matrix.place)
        return tuple(_named(combinations, axes))

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
            return _of_csv(path.read_text(encoding="utf-8-sig") if path.is_file() else _gone(name, place))
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
        if not self._runs_commands:
            hint = "--runbook-matrix-commands, or the ini setting runbook_matrix_commands, lets it"
            raise FileError(f"matrix: nothing runs while files are collected: {command}", place=place, hint=hint)
        try:
            ran = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", command],
                cwd=self._runbook.path.parent,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise FileError(f"matrix: {command}: took longer than {COMMAND_SECONDS} s", place=place) from None
        if ran.returncode != 0:
            said = (ran.stderr.strip().splitlines() or [""])[-1]
            raise FileError(f"matrix: {command}: exit code {ran.returncode}: {said}", place=place)
        return [line.strip() for line in ran.stdout.splitlines() if line.strip()]


def _gone(name: str, place: Place) -> str:
    raise FileError(f"matrix: there is no file {name}", place=place, hint="relative to the runbook")


def _of_csv(text: str) -> Sequence[object]:
    """The rows by the names of their columns; the values where there is one column alone."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return [next(iter(row.values())) if len(row) == 1 else row for row in rows]


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


def _named(cells: Iterable[Mapping[str, object]], axes: Mapping[str, Sequence[object]]) -> Iterator[Cell]:
    for number, cell in enumerate(cells, 1):
        told = [cell[name] for name in axes] or list(cell.values())[:1]
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
