"""Runbooks that others need: run once in a session, before those, and what they hand over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..context.resolver import Values
from ..document.inputs import Inputs
from ..document.run import RunbookRun
from ..errors import ContextError, FileError, NotTried, Place, RunbookError, UnreadableFile
from ..execution.result import Outcome
from ..model.loaders.checks import find_checks
from ..model.loading import read_head
from ..model.runbook import Named, Runbook
from ..secrets.provenance import ContextValue, Source
from .collection import RunbookItem, RunbookNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@dataclass(frozen=True, slots=True)
class Handed:
    """What came of a runbook that others need. fault: why it is of no use. is_reported: its own items tell that."""

    variables: Values = field(default_factory=dict)
    fault: str | None = None
    is_reported: bool = False


def needed_path(book: Runbook, needed: Named) -> Path:
    return (book.path.parent / needed.name).resolve()


def check_needs(book: Runbook) -> None:
    """:raises UnreadableFile: if a runbook needs one that is not there, or itself."""
    faults = []
    for needed in book.needs:
        path = needed_path(book, needed)
        if path == book.path.resolve():
            faults.append(FileError(f"needs: {needed.name} is this runbook itself", place=needed.place))
        elif not path.is_file():
            hint = "a path, relative to this file"
            faults.append(FileError(f"needs: there is no runbook {needed.name}", place=needed.place, hint=hint))
    if faults:
        raise UnreadableFile(faults)


class Needs:
    """Runs what is needed, if its items did not, and keeps what it handed over.

    read: reads a runbook. run: runs one to its end.
    """

    def __init__(self, read: Callable[[Path], Runbook], run: Callable[[Runbook, Inputs], RunbookRun]) -> None:
        self._read = read
        self._run = run
        self._wanted: set[Path] = set()
        self._handed: dict[tuple[Path, str | None], Handed] = {}
        self._under_way: list[Path] = []

    def note_book(self, book: Runbook) -> None:
        """Know what a runbook needs, itself or through others, so that what becomes of it is kept."""
        if book.needs:
            path = book.path.resolve()
            self._wanted.update(_before(path, {path: [needed_path(book, needed) for needed in book.needs]}))

    def keep(self, node: RunbookNode, run: RunbookRun) -> None:
        """Keep what the items of a runbook leave, if somebody needs it and all of them ran."""
        path, cell = node.path.resolve(), node.cell
        if path in self._wanted and len(run.results) == node.total and not (cell and cell.values):
            host = cell.host.name if cell and cell.host else None
            self._handed[path, host] = replace(_handed(run), is_reported=True)

    def given_to(self, book: Runbook, inputs: Inputs) -> tuple[Inputs, RunbookError | None]:
        """What a runbook gets of those that it needs; and why it can't run, if one of them is of no use."""
        given: dict[str, ContextValue] = {}
        for needed in book.needs:
            try:
                handed = self._of(needed_path(book, needed), inputs)
            except RunbookError as error:
                handed = Handed(fault=error.message)
            if handed.fault is not None:
                return inputs, _blocked(needed, handed)
            source = f"{needed.name}, which this runbook needs"
            given |= {name: replace(value, source=Source(source)) for name, value in handed.variables.items()}
        return replace(inputs, vars={**inputs.vars, **given}), None

    def _of(self, path: Path, inputs: Inputs) -> Handed:
        """What a runbook hands over, that of the same host if it has hosts; it runs now if it did not yet."""
        book = self._read(path)
        if book.matrix is not None:
            raise FileError("it has a matrix, and nobody can say which of its cells is needed")
        host = _shared_host(book, inputs)
        key = path, None if host is None else str(host.value)
        if key not in self._handed:
            with self._working_on(path):
                self._handed[key] = _handed(self._run(book, replace(inputs, host=host, cell={})))
        return self._handed[key]

    @contextmanager
    def _working_on(self, path: Path) -> Iterator[None]:
        if path in self._under_way:
            names = " > ".join(other.name for other in (*self._under_way, path))
            raise FileError(f"runbooks need each other: {names}")
        self._under_way.append(path)
        try:
            yield
        finally:
            self._under_way.pop()


def _shared_host(book: Runbook, inputs: Inputs) -> ContextValue | None:
    """The host on which a needed runbook runs: that of the one that needs it; None if it has no hosts."""
    if not book.hosts:
        return None
    if inputs.host is None or inputs.host.value not in [host.name for host in book.hosts]:
        raise FileError("it has hosts, and this runbook does not run on one of them")
    return inputs.host


def _handed(run: RunbookRun) -> Handed:
    failed = next((result for result in run.results.values() if result.outcome is Outcome.FAILED), None)
    if failed is not None:
        return Handed(fault=f"failed: block {failed.number} {failed.label}: {failed.message}")
    if not any(result.outcome is Outcome.PASSED for result in run.results.values()):
        return Handed(fault="ran nothing")
    unmet = run.unmet()
    if unmet is not None:
        return Handed(fault=f"failed: {unmet.message}")
    return Handed(variables=dict(run.document.final_resolver().vars.items()))


def _blocked(needed: Named, handed: Handed) -> RunbookError:
    """One error for a runbook that is of no use: its own where it was reported, else that of the first block."""
    message = f"needs {needed.name}: {handed.fault}"
    return NotTried(message, place=needed.place) if handed.is_reported else ContextError(message, place=needed.place)


def needed_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The items, those of runbooks that others need before those others."""
    items = list(items)
    if not any(map(_needs_others, items)):
        return items
    groups: dict[Path, list[pytest.Item]] = {}
    needs: dict[Path, list[Path]] = {}
    for item in items:
        if isinstance(item, RunbookItem) and item.node.book is not None:
            book = item.node.book
            groups.setdefault(book.path.resolve(), []).append(item)
            needs[book.path.resolve()] = [needed_path(book, needed) for needed in book.needs]
    ordered: dict[pytest.Item, None] = {}
    for item in items:
        path = item.path.resolve() if isinstance(item, RunbookItem) else None
        for first in _before(path, needs) if path else ():
            ordered.update(dict.fromkeys(groups.get(first, ())))
        ordered[item] = None
    return list(ordered)


def _needs_others(item: pytest.Item) -> bool:
    return isinstance(item, RunbookItem) and item.node.book is not None and bool(item.node.book.needs)


def _before(path: Path, needs: dict[Path, list[Path]], on_the_way: tuple[Path, ...] = ()) -> Iterator[Path]:
    """All that has to run before a runbook, what is needed by what it needs included.

    needs: what is known of this; what files say that were not collected is added.
    """
    if path not in needs:
        needs[path] = _needs_written(path)
    for needed in needs[path]:
        if needed not in on_the_way:
            yield from _before(needed, needs, (*on_the_way, path))
            yield needed


def needed_groups(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Which runbooks belong together because one needs the other, or both need the same one, collected or not.

    names: paths relative to the root. Gives the name of their group, for those that have one.
    """
    paths = {(root / name).resolve(): name for name in names}
    group: dict[Path, str] = {}
    needs: dict[Path, list[Path]] = {}
    for path, name in paths.items():
        linked = {path, *_before(path, needs)}
        if len(linked) > 1:
            old = {group[one] for one in linked if one in group}
            group |= dict.fromkeys(linked, name)
            group |= {one: name for one, known in group.items() if known in old}
    return {name: group[path] for path, name in paths.items() if path in group}


def _needs_written(path: Path) -> list[Path]:
    """What a file, or its checks file, says that it needs; nothing where that can't be read."""
    found: list[Path] = []
    for file in (path, *find_checks(path)):
        if not file.is_file() or b"needs" not in file.read_bytes():
            continue
        with suppress(UnreadableFile):
            tree = read_head(file, Place(str(file)))
            for part in tree if isinstance(tree, list) else [tree]:
                written = part.get("needs") if isinstance(part, dict) else None
                names = written if isinstance(written, list) else [written]
                found += [(path.parent / name).resolve() for name in names if isinstance(name, str)]
    return found
