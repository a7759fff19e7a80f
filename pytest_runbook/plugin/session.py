"""What the plugin does in a session that has runbooks."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..blocks.registry import BlockRegistry
from ..context.storage import FileStorage, MemoryStorage
from ..document.document import Document, Inputs, items_of
from ..document.run import RunbookRun
from ..document.runtime import read_runbook
from ..errors import FileError
from ..execution.lifecycle import Limit
from ..execution.result import BlockResult
from ..masking import Redactor
from ..model.checks import orphan_checks
from ..text import show_seconds
from . import given
from .collection import BlockItem, RunbookModule, UnreadableItem, type_marker
from .engine import Engine
from .failure import FailurePicture, again, picture_of_block
from .order import in_document_order
from .reporting import Summary, restore_picture, shape_report

if TYPE_CHECKING:
    from ..context.resolver import ResolvedContext
    from ..context.storage import ContextStorage
    from ..model.runbook import Runbook

TERMINATED_STATUS = 143


class RunbookSession:
    """The plugin object that is registered with the first runbook of a session.

    registry: the block types, with those that other plugins add. passed_over: runbooks that nobody asked for.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.registry = BlockRegistry()
        self.redactor = Redactor()
        self.passed_over: set[Path] = set()
        self.summary = Summary(config, self.redactor)
        self.engine = Engine(given.settings_of(config, self._difference), self.registry, self._storage(), self.redactor)
        self._add_block_types()
        self._option_variables = given.given_variables(config)
        self._option_answers = given.given_answers(config)
        self._file_variables = given.variables_of_files(config)
        self._file_environment = given.environment_of_files(config)
        self._read_names: set[str] = set()

    # Collection

    def collector(self, path: Path, parent: pytest.Collector, *, is_named: bool) -> pytest.Collector | None:
        """The collector of a file that may be ours; None if it is not."""
        fault: FileError | None = None
        if path.name.endswith((".checks.yaml", ".checks.yml")):
            fault = orphan_checks(path, shown=given.shown_path(path, self.config))
            if fault is None:
                return None
        elif is_named and not self._is_runbook(path):
            return None
        module: RunbookModule = RunbookModule.from_parent(parent, path=path)
        module.books, module.fault = self, fault
        return module

    def read(self, path: Path) -> Runbook:
        """The runbook of a file. :raises UnreadableFile: with every fault that was found."""
        unknown = given.option(self.config, "unknown_blocks")
        return read_runbook(path, self.registry, shown=given.shown_path(path, self.config), unknown_blocks=unknown)

    def note_book(self, book: Runbook) -> None:
        """Keep what the summary tells of a runbook, and make its tags known as markers."""
        self.summary.note_book(book, has_items=bool(items_of(book, self.registry.catalog)))
        for tag in {*book.tags, *(tag for spec in book.blocks for tag in spec.rules.tags)}:
            self.config.addinivalue_line("markers", f"{tag}: a tag of runbook blocks")

    @property
    def fails_collection(self) -> bool:
        """True if a file that can't be read is a collection error and not an item."""
        return bool(self.config.option.collectonly) or given.option(self.config, "errors") == "collect"

    @property
    def reruns_are_on(self) -> bool:
        """True if a plugin would run failed items again."""
        return self.config.pluginmanager.hasplugin("rerunfailures")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        result = yield
        items[:] = in_document_order(items)
        return result

    # Running

    @contextmanager
    def opened(
        self, module: RunbookModule, vars: Mapping[str, object], env: Mapping[str, str], answers: Mapping[str, str]
    ) -> Iterator[Document]:
        """The document of a runbook file, as long as its items run."""
        if not isinstance(module, RunbookModule) or module.book is None:
            raise pytest.UsageError(
                "runbook_document is for the blocks of a runbook; ask for `runbook` in Python tests"
            )
        document, run = self.engine.call(self.open, module.book, vars, env, answers)
        module.run = run
        try:
            yield document
        finally:
            self._finish(module, document, run)

    def open(
        self, book: Runbook, vars: Mapping[str, object], env: Mapping[str, str], answers: Mapping[str, str]
    ) -> tuple[Document, RunbookRun]:
        """Open a runbook with all that is given to it. In the event loop's thread."""
        inputs = Inputs(
            fixed=self._option_variables,
            vars={**self._file_environment, **self._file_variables, **given.typed(vars, "fixture runbook_vars")},
            env={**self._file_environment, **given.texts(env, "fixture runbook_env")},
            answers=(self._option_answers, given.texts(answers, "fixture runbook_answers")),
        )
        document = self.engine.runtime.open_document(book, inputs)
        return document, RunbookRun(document, self.engine.runtime)

    def step(self, item: BlockItem) -> BlockResult:
        """Run one block, if it is to run. After an interruption the session ends with it."""
        run = item.module_node.run
        assert run is not None
        result = self.engine.run(self._step_of(run, item), cancel=run.cancel)
        item.user_properties += properties_of(result)
        if self.engine.interrupted_by is not None:
            item.session.shouldstop = f"interrupted by {self.engine.interrupted_by}"
        return result

    def resolved_context(self, item: pytest.Item, document: Document) -> ResolvedContext:
        """What a block sees."""
        if not isinstance(item, BlockItem):
            raise pytest.UsageError("runbook_context is for the blocks of a runbook")
        return self.engine.call(document.resolved_context, item.spec.id)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Whatever ends the loop, clean-ups of runbooks that were begun still run, and are reported."""
        try:
            return (yield)
        finally:
            self._clean_up(session)

    def _clean_up(self, session: pytest.Session) -> None:
        pending = [item for item in session.items if isinstance(item, BlockItem) and _is_pending_cleanup(item)]
        for index, item in enumerate(pending):
            following = pending[index + 1] if index + 1 < len(pending) else None
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)

    def _step_of(self, run: RunbookRun, item: BlockItem) -> Any:
        limit = time_limit_of(item)
        return lambda: run.step(item.spec.id, upper_limit=limit, fixtures=item.fixture_values())

    def _finish(self, module: RunbookModule, document: Document, run: RunbookRun) -> None:
        """End what a runbook left behind, and keep what the summary tells of it."""
        for spec in document.items:
            if spec.rules.is_cleanup and run.is_started and spec.id not in run.results:
                self.summary.note_missed_cleanup(spec)
        for leftover in self.engine.run(run.finish, cancel=run.cancel):
            self.summary.note_leftover(document.runbook, leftover)
        self._read_names |= document.names_read
        module.run = None

    # Reports

    def failure_picture(self, item: BlockItem, result: BlockResult) -> FailurePicture:
        module = item.module_node
        assert module.book is not None
        results = list(module.run.results.values()) if module.run else []
        return picture_of_block(
            result,
            node_id=item.nodeid,
            book=module.book,
            spec=item.spec,
            total=len([other for other in item.session.items if other.parent is module]),
            before=[earlier for earlier in results if earlier.block_id != result.block_id],
            command=again(given.shown_path(item.path, self.config)),
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        report = yield
        if isinstance(item, BlockItem | UnreadableItem):
            shape_report(report, item, self.redactor)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        report.sections = [(name, self.redactor.redact(text)) for name, text in report.sections]
        self.summary.count(report)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self, report: Any) -> Generator[None, Any, Any]:
        data = yield
        picture = getattr(report, "longrepr", None)
        if isinstance(data, dict) and isinstance(picture, FailurePicture):
            crash = picture.reprcrash
            data["runbook_crash"] = [crash.path, crash.lineno, crash.message]
        return data

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> Generator[None, Any, Any]:
        crash = data.pop("runbook_crash", None)
        report = yield
        if report is not None and crash is not None:
            restore_picture(report, crash)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.engine.interrupted_by == "SIGTERM":
            session.exitstatus = TERMINATED_STATUS
        elif self.summary.ran_nothing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        unread = [name for name in self._option_variables if f"var.{name}" not in self._read_names]
        self.summary.write(terminalreporter, passed_over=len(self.passed_over), unread_variables=unread)

    # What it is made of

    def _storage(self) -> ContextStorage:
        wish = given.option(self.config, "store")
        cache = getattr(self.config, "cache", None)
        if cache is None or wish == "no" or (wish == "auto" and os.environ.get("CI")):
            return MemoryStorage()
        return FileStorage(Path(cache.mkdir("runbook")))

    def _add_block_types(self) -> None:
        for plugins in self.config.hook.pytest_runbook_block_types():
            for plugin in plugins:
                try:
                    self.registry.add(plugin)
                except ValueError as error:
                    raise pytest.UsageError(f"pytest_runbook_block_types: {error}") from error
        for block_type in self.registry.catalog:
            self.config.addinivalue_line("markers", f"{type_marker(block_type.name)}: {block_type.help}")

    def _difference(self, operator: str, left: object, right: object) -> Sequence[str]:
        """pytest's own lines on how two values differ, those of other plugins included."""
        found = self.config.hook.pytest_assertrepr_compare(config=self.config, op=operator, left=left, right=right)
        return next(([str(line) for line in lines] for lines in found if lines), [])

    def _is_runbook(self, path: Path) -> bool:
        """True if a file that was named on the command line is a runbook, or is meant to be one."""
        from ..model.loading import looks_like_runbook

        return path.suffix == ".atrb" or ".runbook." in path.name or looks_like_runbook(path)


def time_limit_of(item: pytest.Item) -> Limit | None:
    """The limit that a timeout marker or pytest-timeout sets, met by ours just before."""
    marker = item.get_closest_marker("timeout")
    given_limit: object = None
    if marker is not None:
        given_limit = marker.args[0] if marker.args else marker.kwargs.get("timeout")
    elif item.config.pluginmanager.hasplugin("timeout"):
        given_limit = item.config.getoption("timeout", None) or item.config.getini("timeout")
    try:
        seconds = float(str(given_limit)) if given_limit else 0.0
    except ValueError:
        return None
    if seconds <= 0:
        return None
    return Limit(seconds - min(1.0, seconds / 10), f"pytest's timeout {show_seconds(seconds)}")


def properties_of(result: BlockResult) -> list[tuple[str, object]]:
    """What machines read of a block, as JUnit properties."""
    path, _, line = result.place.rpartition(":")
    known = {
        "runbook_block_id": result.block_id,
        "runbook_block_type": result.type,
        "runbook_block_name": result.name,
        "runbook_host": result.host,
        "runbook_exit_code": result.exit_code,
        "runbook_attempts": result.attempts,
        "runbook_seconds": round(result.seconds, 3),
        "runbook_failure_kind": result.kind,
        "runbook_file": path,
        "runbook_line": line,
    }
    return [(name, value) for name, value in known.items() if value not in (None, "")]


def _is_pending_cleanup(item: BlockItem) -> bool:
    run = item.module_node.run
    return item.spec.rules.is_cleanup and run is not None and run.is_started and item.spec.id not in run.results
