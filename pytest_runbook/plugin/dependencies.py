"""Dependencies (`needs`): runbooks that others need run before them, once in a session, and pass on their variables."""

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
    """The result of a needed runbook: its variables, or why it can't be used.

    fault: the reason; None if it passed. is_reported: True if its own items report a failure.
    """

    variables: Values = field(default_factory=dict)
    fault: str | None = None
    is_reported: bool = False


def dependency_path(runbook: Runbook, dependency: NameReference) -> Path:
    return (runbook.path.parent / dependency.name).resolve()


def check_dependencies(runbook: Runbook) -> None:
    """:raises UnreadableFile: if a runbook needs a file that does not exist, or itself."""
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
    """Runs needed runbooks of which no items ran, and keeps the results of all that are needed.

    read: reads the runbook of a file. run: runs a runbook to its end.
    """

    def __init__(self, read: Callable[[Path], Runbook], run: Callable[[Runbook, Inputs], RunbookRun]) -> None:
        self._read = read
        self._run = run
        self._dependency_paths: set[Path] = set()
        self._results: dict[tuple[Path, str | None], DependencyResult] = {}
        self._running: list[Path] = []

    def record_runbook(self, runbook: Runbook) -> None:
        """Record what a runbook needs, itself or through others, so that `store` keeps the results of these."""
        if runbook.needs:
            path = runbook.path.resolve()
            self._dependency_paths.update(
                _all_dependencies(path, {path: [dependency_path(runbook, dependency) for dependency in runbook.needs]})
            )

    def store(self, node: RunbookNode, run: RunbookRun) -> None:
        """Keep the result of a runbook that ran as items, if another one needs it and all its items ran."""
        path, cell = node.path.resolve(), node.cell
        if path in self._dependency_paths and len(run.results) == node.total and not (cell and cell.values):
            host = cell.host.name if cell and cell.host else None
            self._results[path, host] = replace(_dependency_result(run), is_reported=True)

    def with_dependencies(self, runbook: Runbook, inputs: Inputs) -> tuple[Inputs, RunbookError | None]:
        """Return the inputs with the variables of needed runbooks, and the error if one of these can't be used."""
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
        """Return the result of a needed runbook, that of the same host if it has hosts. It runs now if it did not yet.

        :raises RunbookError: if it can't be read or can't run.
        """
        runbook = self._read(path)
        if runbook.matrix is not None:
            raise FileError("it has a matrix, and `needs` can't name one of its cells")
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
    """Return the host on which a needed runbook runs: that of the runbook that needs it; None if it has no hosts.

    :raises FileError: if the host is none of its hosts.
    """
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
    """Return the error for a needed runbook that can't be used.

    Where its own items report the failure, the blocks are skipped; else the first block fails with it.
    """
    message = f"needs {dependency.name}: {result.fault}"
    return (
        BlockSkipped(message, location=dependency.location)
        if result.is_reported
        else ContextError(message, location=dependency.location)
    )


def dependencies_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the items, each needed runbook's before those of the runbooks that need it."""
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
    """Yield the runbooks that have to run before one, those that they need in turn included.

    needs: the known dependencies by path; those of files that were not collected are read and added.
    dependents: the runbooks on the way here, which are left out: a cycle ends.
    """
    if path not in needs:
        needs[path] = _declared_dependencies(path)
    for dependency in needs[path]:
        if dependency not in dependents:
            yield from _all_dependencies(dependency, needs, (*dependents, path))
            yield dependency


def dependency_groups(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Group runbooks of which one needs the other, or which need the same one, collected or not.

    names: paths relative to the root. Returns the name of the group by path; a runbook without a group is left out.
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
    """Read the key `needs` of a file and of its checks file; none from a file that can't be read."""
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
