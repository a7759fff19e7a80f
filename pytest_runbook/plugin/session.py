"""The plugin's object of a session that has runbooks: collects their files, opens and closes them."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..blocks.registry import BlockRegistry
from ..context.storage import FileStorage, NoStorage
from ..document.document import Document
from ..document.inputs import Inputs
from ..document.matrix import MatrixCell, cells_of
from ..document.run import RunbookRun
from ..document.runtime import read_runbook
from ..errors import FileError
from ..model.loaders.checks import is_checks_file, orphan_checks
from ..model.loading import looks_like_runbook
from ..policy.environments import environment_refusal
from ..secrets.masker import Masker
from ..secrets.names import SensitiveNames
from ..secrets.sources import read_available_secrets
from .checks_files import ChecksFileWriter
from .collection import BlockItem, ChecksModule, RunbookModule, RunbookNode, type_marker, with_cell_values
from .dependencies import DependencyRunner, check_dependencies, dependencies_first
from .interruptible_portal import InterruptiblePortal
from .leak_check import LeakCheck
from .options import RunbookOptions, choice, display_path, flag, hosts, settings_of
from .prompts import PromptChannel
from .report_hooks import OUTPUT_KEY, ReportHooks
from .reports.masking import ReportMasking
from .reports.summary import Summary
from .selection import in_document_order, record_selection, unselected_blocks
from .session_loop import SessionLoop

if TYPE_CHECKING:
    from ..context.resolver import ResolvedContext
    from ..context.storage import ContextStorage
    from ..document.runtime import Runtime
    from ..execution.result import BlockResult
    from ..model.runbook import Runbook

_ONLY_BLOCKS = "is for the blocks of a runbook; ask for `runbook` in Python tests"


class RunbookSession:
    """The plugin object that is registered with the first runbook of a session.

    registry: the block types, those of other plugins included. settings: how runbooks run.
    portal: opened with the first runbook that runs, closed at the end of the session.
    fails_collection: True if a file that can't be read is a collection error and not an item.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.registry = BlockRegistry()
        self.masker = Masker(SensitiveNames(config.getini("runbook_sensitive_names")))
        self.masker.add_environment(os.environ)
        self.summary = Summary(self.masker)
        error_mode = choice(config, "errors", ("item", "collect"))
        self.fails_collection = error_mode == "collect" or config.option.collectonly
        self._unknown_blocks = choice(config, "unknown_blocks", ("error", "skip"))
        self.options = RunbookOptions.of(config)
        self.summary.record_variables(self.options.variables)
        self._hosts = hosts(config)
        self._add_block_types()
        self.settings = settings_of(config, self._difference, self.registry.catalog)
        self.portal = InterruptiblePortal(self.settings, self.registry, self._storage(), self.masker)
        self.session_loop = SessionLoop(self.portal, self.summary, self.close)
        self.dependencies = DependencyRunner(self.read_for_hosts, self.run_whole)
        self.checks_file_writer = ChecksFileWriter(config, self.summary, self.masker, self.registry.catalog)
        self._stack = ExitStack()  # the handled signals and the open portal
        self._open_modules: dict[RunbookNode, RunbookRun] = {}
        reports = ReportHooks(config, self.summary, self.settings.environment, self.session_loop.record_worker)
        plugins: list[object] = [self.session_loop, self.checks_file_writer, reports, ReportMasking(self.masker)]
        self._is_planning = bool(config.getoption("runbook_plan") or config.getoption("runbook_plan_json"))
        if self._is_planning:
            from .plan_loop import PlanPrinter  # here: a session that runs its items does not import it

            plugins.append(PlanPrinter(config, self.settings, self.registry, self.masker.names, self.options))
        for plugin in plugins:
            config.pluginmanager.register(plugin)
        self.leak_check = LeakCheck(config, self.masker) if flag(config, "verify_secrets") else None
        if self.leak_check is not None:
            config.pluginmanager.register(self.leak_check)

    # Collection

    def collector(self, path: Path, parent: pytest.Collector, *, is_named: bool) -> pytest.Collector | None:
        """Return the collector of a file; None if it is no runbook after all.

        is_named: True if the file itself is an argument of the command line.
        """
        fault: FileError | None = None
        if is_checks_file(path):
            fault = orphan_checks(path, display_path=display_path(path, self.config))
            if fault is None:
                return ChecksModule.from_parent(parent, path=path) if is_named else None
        elif is_named and not _is_intended_runbook(path):
            return None
        module: RunbookModule = RunbookModule.from_parent(parent, path=path)
        module.runbook_session, module.fault = self, fault
        return module

    def read(self, path: Path) -> Runbook:
        """Read the runbook of a file.

        :raises UnreadableFile: with every error that was found.
        """
        shown = display_path(path, self.config)
        runbook = read_runbook(path, self.registry, display_path=shown, unknown_blocks=self._unknown_blocks)
        check_dependencies(runbook)
        return runbook

    def read_for_hosts(self, path: Path) -> Runbook:
        """Read the runbook of a file, with the hosts of `--runbook-hosts` in place of its own if there are any.

        :raises UnreadableFile: with every error that was found.
        """
        runbook = self.read(path)
        return replace(runbook, hosts=self._hosts) if self._hosts else runbook

    def cells(self, runbook: Runbook) -> tuple[MatrixCell, ...]:
        """Return the cells of a runbook; none if it has neither hosts nor a matrix.

        :raises UnreadableFile: if they can't be made.
        """
        known = {**self.options.variables_for(runbook.path.parent), **self.options.variables}
        runs_commands = flag(self.config, "matrix_commands")
        values = {name: value.value for name, value in known.items()}
        return cells_of(runbook, values, runs_commands=runs_commands, is_secret=self.masker.names.match)

    def record_runbook(self, runbook: Runbook) -> None:
        """Record a collected runbook for dependencies, checks files and the summary; register its tags as markers."""
        self.dependencies.record_runbook(runbook)
        self.checks_file_writer.record_runbook(runbook)
        self.summary.record_runbook(runbook, has_items=bool(self.registry.catalog.work_items(runbook)))
        for tag in {*runbook.tags, *(tag for spec in runbook.blocks for tag in spec.rules.tags)}:
            self.config.addinivalue_line("markers", f"{tag}: a tag of runbook blocks")

    @property
    def reruns_are_on(self) -> bool:
        """True if pytest-rerunfailures is loaded, which can run failed items again."""
        return self.config.pluginmanager.hasplugin("rerunfailures")

    def run_block(self, item: BlockItem) -> BlockResult:
        """Run the block of an item."""
        return self.session_loop.step(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        result = yield
        items[:] = dependencies_first(in_document_order(items))
        return result

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        record_selection(session.items)
        if not session.config.option.collectonly and not self._is_planning:
            runbooks = {
                item.node.runbook.path: item.node.runbook
                for item in session.items
                if isinstance(item, BlockItem) and item.node.runbook
            }
            for runbook in runbooks.values():
                read_available_secrets(runbook.secrets, runbook.path.parent, self.masker.add)

    def handle_signals(self) -> None:
        """Handle Ctrl-C and SIGTERM from now on: for a controller of xdist, in which the portal is never opened."""
        self._stack.enter_context(self.portal.interruption)

    # Open runbooks

    def runtime(self) -> Runtime:
        """Return the runtime of all runbooks, opened by the first call and closed at the end of the session."""
        if not self.portal.is_open:
            self._stack.enter_context(self.portal)
        return self.portal.runtime

    def open_run(self, runbook: Runbook, inputs: Inputs) -> RunbookRun:
        """Open a runbook with its inputs and the variables of the runbooks that it needs, which run first."""
        runtime = self.runtime()
        is_refused = environment_refusal(runbook, self.settings.environment) is not None
        inputs, blocked = (inputs, None) if is_refused else self.dependencies.with_dependencies(runbook, inputs)
        channel = None if self.portal.prompter is None else PromptChannel(self.portal.prompter)
        document = self.portal.call(runtime.open_document, runbook, inputs, channel)
        if channel is not None:
            channel.document = document
        run = RunbookRun(document, runtime)
        run.blocked = blocked
        return run

    def run_whole(self, runbook: Runbook, inputs: Inputs) -> RunbookRun:
        """Run a runbook to its end, clean-ups included."""
        run = self.open_run(runbook, inputs)
        self.portal.run(run.run_all, cancel=run.cancel)
        for result in run.results.values():
            self.summary.record_warnings(result, None)
        self._record_end(run, None)
        return run

    @contextmanager
    def open_document(self, module: RunbookNode, inputs: Inputs) -> Iterator[Document]:
        """Open the document of a runbook file or a cell for the fixture, and finish its run on leaving.

        A run with pending clean-ups is not finished: their items get its document again.
        """
        if not isinstance(module, RunbookNode) or module.runbook is None:
            pytest.fail(f"runbook_document {_ONLY_BLOCKS}", pytrace=False)
        if module.run is None:
            module.run = self._open_modules[module] = self.open_run(module.runbook, with_cell_values(module, inputs))
            self._record_deselected(module, module.run.document)
        module.document = module.run.document
        try:
            yield module.document
        finally:
            module.document = None
            if not any(item.is_pending_cleanup for item in module.selected):
                self._finish(module)

    def resolved_context(self, item: pytest.Item, document: Document) -> ResolvedContext:
        """Return the context that the block of an item runs in, its secrets read."""
        if not isinstance(item, BlockItem):
            pytest.fail(f"runbook_context {_ONLY_BLOCKS}", pytrace=False)
        run = item.node.run
        assert run is not None, "its document is open"
        self.portal.run(partial(document.fetch_secrets, item.spec.id), cancel=run.cancel)
        return self.portal.call(document.resolved_context, item.spec.id)

    def close(self) -> None:
        """Finish the runbooks that are still open, close the portal, and send a worker's part of the summary."""
        for module in list(self._open_modules):
            self._finish(module)
        if self.portal.is_open:
            self.summary.record_messages(self.portal.runtime.warnings)
        self._stack.close()
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[OUTPUT_KEY] = self.summary.to_json()
            if self.leak_check is not None:
                self.leak_check.finish_worker(self.config.workeroutput)

    def _finish(self, module: RunbookNode) -> None:
        """Finish the run of a runbook, which ends processes that it left in the background, and record its end."""
        run = self._open_modules.pop(module)
        module.run = None
        self.dependencies.store(module, run)
        self.checks_file_writer.write(run)
        for leftover in self.portal.run(run.finish, cancel=run.cancel):
            self.summary.record_leftover(run.document.runbook, leftover)
        self._record_end(run, module.cell_name)

    def _record_end(self, run: RunbookRun, cell: str | None) -> None:
        for spec, reason in run.unfinished_cleanups():
            self.summary.record_unfinished_cleanup(spec, reason, cell)
        self.summary.record_read_names(run.document.names_read)

    def _record_deselected(self, module: RunbookNode, document: Document) -> None:
        """Record the blocks that were not selected as not run, so that no block below runs as if they had passed."""
        selected = {item.spec.id for item in module.selected}
        unselected = [spec.id for spec in document.items if spec.id not in selected]
        # A failure of a block that lacks a variable shows this for the blocks that would have set it.
        self.portal.call(document.outcome_texts.update, dict.fromkeys(unselected, "was not selected"))
        assert module.run is not None, "it was opened just now"
        not_run = unselected_blocks(module, self.registry.catalog, is_alone=flag(self.config, "alone"))
        module.run.mark_not_run({**not_run, **module.not_run})

    # Its parts

    def _storage(self) -> ContextStorage:
        store_mode = choice(self.config, "store", ("auto", "yes", "no"))
        cache = getattr(self.config, "cache", None)
        if cache is None or store_mode == "no" or (store_mode == "auto" and os.environ.get("CI")):
            return NoStorage()
        try:
            return FileStorage(Path(cache.mkdir("runbook")))
        except OSError as error:
            self.summary.record_message(f"what blocks left could not be kept: {error}")
            return NoStorage()

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
        """Return pytest's lines on how two values differ, those of other plugins included."""
        found = self.config.hook.pytest_assertrepr_compare(config=self.config, op=operator, left=left, right=right)
        return next(([str(line) for line in lines] for lines in found if lines), [])


def _is_intended_runbook(path: Path) -> bool:
    """Return True if a file that was named on the command line is a runbook, or is meant to be one."""
    return path.suffix == ".atrb" or ".runbook." in path.name or looks_like_runbook(path)
