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
from ..errors import BlockSkipped, ContextError, FileError, Location, RunbookError, UnreadableFile
from ..execution.result import Outcome
from ..model.loaders.checks import find_checks
from ..model.loading import read_tree
from ..model.runbook import NameReference, Runbook
from ..secrets.provenance import ContextValue, Origin
from .collection import RunbookItem, RunbookNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@dataclass(frozen=True, slots=True)
class DependencyResult:
    """What came of a runbook that others need. fault: why it is of no use. is_reported: its own items tell that."""

    variables: Values = field(default_factory=dict)
    fault: str | None = None
    is_reported: bool = False


def dependency_path(runbook: Runbook, dependency: NameReference) -> Path:
    return (runbook.path.parent / dependency.name).resolve()


def check_dependencies(runbook: Runbook) -> None:
    """:raises UnreadableFile: if a runbook needs one that is not there, or itself."""
    faults = []
    for dependency in runbook.needs:
        path = dependency_path(runbook, dependency)
        if path == runbook.path.resolve():
            faults.append(FileError(f"needs: {dependency.name} is this runbook itself", location=dependency.location))
        elif not path.is_file():
            hint = "a path, relative to this file"
            faults.append(
                FileError(f"needs: there is no runbook {dependency.name}", location=dependency.location, hint=hint)
            )
    if faults:
        raise UnreadableFile(faults)


class DependencyRunner:
    """Runs what is needed, if its items did not, and keeps what it handed over.

    read: reads a runbook. run: runs one to its end.
    """

    def __init__(self, read: Callable[[Path], Runbook], run: Callable[[Runbook, Inputs], RunbookRun]) -> None:
        self._read = read
        self._run = run
        self._dependency_paths: set[Path] = set()
        self._results: dict[tuple[Path, str | None], DependencyResult] = {}
        self._running: list[Path] = []

    def record_runbook(self, runbook: Runbook) -> None:
        """Know what a runbook needs, itself or through others, so that what becomes of it is kept."""
        if runbook.needs:
            path = runbook.path.resolve()
            self._dependency_paths.update(
                _all_dependencies(path, {path: [dependency_path(runbook, dependency) for dependency in runbook.needs]})
            )

    def store(self, node: RunbookNode, run: RunbookRun) -> None:
        """Keep what the items of a runbook leave, if somebody needs it and all of them ran."""
        path, cell = node.path.resolve(), node.cell
        if path in self._dependency_paths and len(run.results) == node.total and not (cell and cell.values):
            host = cell.host.name if cell and cell.host else None
            self._results[path, host] = replace(_dependency_result(run), is_reported=True)

    def with_dependencies(self, runbook: Runbook, inputs: Inputs) -> tuple[Inputs, RunbookError | None]:
        """What a runbook gets of those that it needs; and why it can't run, if one of them is of no use."""
        variables: dict[str, ContextValue] = {}
        for dependency in runbook.needs:
            try:
                result = self._result_of(dependency_path(runbook, dependency), inputs)
            except RunbookError as error:
                result = DependencyResult(fault=error.message)
            if result.fault is not None:
                return inputs, _dependency_error(dependency, result)
            origin = f"{dependency.name}, which this runbook needs"
            variables |= {name: replace(value, origin=Origin(origin)) for name, value in result.variables.items()}
        return replace(inputs, vars={**inputs.vars, **variables}), None

    def _result_of(self, path: Path, inputs: Inputs) -> DependencyResult:
        """What a runbook hands over, that of the same host if it has hosts; it runs now if it did not yet."""
        runbook = self._read(path)
        if runbook.matrix is not None:
            raise FileError("it has a matrix, and nobody can say which of its cells is needed")
        host = _shared_host(runbook, inputs)
        key = path, None if host is None else str(host.value)
        if key not in self._results:
            with self._detect_cycle(path):
                self._results[key] = _dependency_result(self._run(runbook, replace(inputs, host=host, cell={})))
        return self._results[key]

    @contextmanager
    def _detect_cycle(self, path: Path) -> Iterator[None]:
        if path in self._running:
            names = " > ".join(other.name for other in (*self._running, path))
            raise FileError(f"runbooks need each other: {names}")
        self._running.append(path)
        try:
            yield
        finally:
            self._running.pop()


def _shared_host(runbook: Runbook, inputs: Inputs) -> ContextValue | None:
    """The host on which a needed runbook runs: that of the one that needs it; None if it has no hosts."""
    if not runbook.hosts:
        return None
    if inputs.host is None or inputs.host.value not in [host.name for host in runbook.hosts]:
        raise FileError("it has hosts, and this runbook does not run on one of them")
    return inputs.host


def _dependency_result(run: RunbookRun) -> DependencyResult:
    failed = next((result for result in run.results.values() if result.outcome is Outcome.FAILED), None)
    if failed is not None:
        return DependencyResult(fault=f"failed: block {failed.number} {failed.label}: {failed.message}")
    if not any(result.outcome is Outcome.PASSED for result in run.results.values()):
        return DependencyResult(fault="ran nothing")
    required_failure = run.required_failure()
    if required_failure is not None:
        return DependencyResult(fault=f"failed: {required_failure.message}")
    return DependencyResult(variables=dict(run.document.final_resolver().vars.items()))


def _dependency_error(dependency: NameReference, result: DependencyResult) -> RunbookError:
    """One error for a runbook that is of no use: its own where it was reported, else that of the first block."""
    message = f"needs {dependency.name}: {result.fault}"
    return (
        BlockSkipped(message, location=dependency.location)
        if result.is_reported
        else ContextError(message, location=dependency.location)
    )


def dependencies_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The items, those of runbooks that others need before those others."""
    items = list(items)
    if not any(map(_has_dependencies, items)):
        return items
    groups: dict[Path, list[pytest.Item]] = {}
    needs: dict[Path, list[Path]] = {}
    for item in items:
        if isinstance(item, RunbookItem) and item.node.runbook is not None:
            runbook = item.node.runbook
            groups.setdefault(runbook.path.resolve(), []).append(item)
            needs[runbook.path.resolve()] = [dependency_path(runbook, reference) for reference in runbook.needs]
    ordered: dict[pytest.Item, None] = {}
    for item in items:
        path = item.path.resolve() if isinstance(item, RunbookItem) else None
        for dependency in _all_dependencies(path, needs) if path else ():
            ordered.update(dict.fromkeys(groups.get(dependency, ())))
        ordered[item] = None
    return list(ordered)


def _has_dependencies(item: pytest.Item) -> bool:
    return isinstance(item, RunbookItem) and item.node.runbook is not None and bool(item.node.runbook.needs)


def _all_dependencies(path: Path, needs: dict[Path, list[Path]], dependents: tuple[Path, ...] = ()) -> Iterator[Path]:
    """All that has to run before a runbook, what is needed by what it needs included.

    needs: what is known of this; what files say that were not collected is added.
    """
    if path not in needs:
        needs[path] = _declared_dependencies(path)
    for dependency in needs[path]:
        if dependency not in dependents:
            yield from _all_dependencies(dependency, needs, (*dependents, path))
            yield dependency


def dependency_groups(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Which runbooks belong together because one needs the other, or both need the same one, collected or not.

    names: paths relative to the root. Gives the name of their group, for those that have one.
    """
    paths = {(root / name).resolve(): name for name in names}
    group: dict[Path, str] = {}
    needs: dict[Path, list[Path]] = {}
    for path, name in paths.items():
        linked = {path, *_all_dependencies(path, needs)}
        if len(linked) > 1:
            old = {group[one] for one in linked if one in group}
            group |= dict.fromkeys(linked, name)
            group |= {one: name for one, known in group.items() if known in old}
    return {name: group[path] for path, name in paths.items() if path in group}


def _declared_dependencies(path: Path) -> list[Path]:
    """What a file, or its checks file, says that it needs; nothing where that can't be read."""
    found: list[Path] = []
    for file in (path, *find_checks(path)):
        if not file.is_file() or b"needs" not in file.read_bytes():
            continue
        with suppress(UnreadableFile):
            tree = read_tree(file, Location(str(file)))
            for part in tree if isinstance(tree, list) else [tree]:
                written = part.get("needs") if isinstance(part, dict) else None
                names = written if isinstance(written, list) else [written]
                found += [(path.parent / name).resolve() for name in names if isinstance(name, str)]
    return found
