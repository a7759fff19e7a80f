"""What the plugin knows in a session that has runbooks: which files are runbooks, and which of them are open."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..blocks.registry import BlockRegistry
from ..context.storage import FileStorage, NoStorage
from ..document.document import Document, items_of
from ..document.inputs import Inputs
from ..document.matrix import Cell, cells_of
from ..document.run import RunbookRun
from ..document.runtime import read_runbook
from ..errors import FileError
from ..model.loaders.checks import is_checks_file, orphan_checks
from ..model.loading import looks_like_runbook
from ..policy.permissions import elsewhere
from ..secrets.masker import Redactor
from ..secrets.names import SensitiveNames
from ..secrets.sources import learn_secrets
from . import options as given
from .checks_files import ChecksFiles
from .collection import BlockItem, ChecksModule, RunbookModule, RunbookNode, in_cell, type_marker
from .dependencies import Needs, check_needs, needed_first
from .leak_check import Verification
from .prompts import Questions
from .report_hooks import OUTPUT_KEY, Reports
from .reports.masking import Concealing
from .reports.summary import Summary
from .runtime_portal import Engine
from .selection import NOT_SELECTED, in_document_order, note_selection
from .session_loop import Running

if TYPE_CHECKING:
    from ..context.resolver import ResolvedContext
    from ..context.storage import ContextStorage
    from ..document.runtime import Runtime
    from ..model.runbook import Runbook


_ONLY_BLOCKS = "is for the blocks of a runbook; ask for `runbook` in Python tests"


class RunbookSession:
    """The plugin object that is registered with the first runbook of a session.

    registry: the block types, with those that other plugins add. settings: how runbooks run.
    engine: open from the first runbook that runs on.
    fails_collection: True if a file that can't be read is a collection error and not an item.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.registry = BlockRegistry()
        self.redactor = Redactor(SensitiveNames(config.getini("runbook_sensitive_names")))
        self.redactor.learn_environment(os.environ)
        self.summary = Summary(self.redactor)
        wish = given.choice(config, "errors", ("item", "collect"))
        self.fails_collection = wish == "collect" or config.option.collectonly
        self._unknown_blocks = given.choice(config, "unknown_blocks", ("error", "skip"))
        self.given = given.GivenValues.of(config)
        self.summary.note_given(self.given.variables)
        self._hosts = given.hosts(config)
        self._add_block_types()
        self.settings = given.settings_of(config, self._difference, self.registry.catalog)
        self.engine = Engine(self.settings, self.registry, self._storage(), self.redactor)
        self.running = Running(self)
        self.needs = Needs(self.read_for_hosts, self.run_whole)
        self.checks_files = ChecksFiles(config, self.summary, self.redactor, self.registry.catalog)
        self._open_modules: dict[RunbookNode, RunbookRun] = {}
        reports = Reports(config, self.summary, self.settings.environment, self.running.note_worker)
        plugins: list[object] = [self.running, self.checks_files, reports, Concealing(self.redactor)]
        self._plans = bool(config.getoption("runbook_plan") or config.getoption("runbook_plan_json"))
        if self._plans:
            from .plan_loop import Plans  # what nobody else pays for

            plugins.append(Plans(self))
        for plugin in plugins:
            config.pluginmanager.register(plugin)
        self.verification = Verification(config, self.redactor) if given.flag(config, "verify_secrets") else None
        if self.verification is not None:
            config.pluginmanager.register(self.verification)

    # Collection

    def collector(self, path: Path, parent: pytest.Collector, *, is_named: bool) -> pytest.Collector | None:
        """The collector of a file that may be ours; None if it is not."""
        fault: FileError | None = None
        if is_checks_file(path):
            fault = orphan_checks(path, shown=given.shown_path(path, self.config))
            if fault is None:
                return ChecksModule.from_parent(parent, path=path) if is_named else None
        elif is_named and not _is_meant_for_us(path):
            return None
        module: RunbookModule = RunbookModule.from_parent(parent, path=path)
        module.books, module.fault = self, fault
        return module

    def read(self, path: Path) -> Runbook:
        """The runbook of a file. :raises UnreadableFile: with every fault that was found."""
        shown = given.shown_path(path, self.config)
        book = read_runbook(path, self.registry, shown=shown, unknown_blocks=self._unknown_blocks)
        check_needs(book)
        return book

    def read_for_hosts(self, path: Path) -> Runbook:
        """The same, with the hosts of the option in place of the file's."""
        book = self.read(path)
        return replace(book, hosts=self._hosts) if self._hosts else book

    def cells(self, book: Runbook) -> tuple[Cell, ...]:
        """Its cells; none if it has neither hosts nor a matrix. :raises UnreadableFile: if they make no sense."""
        known = {**self.given.of_files(book.path.parent), **self.given.variables}
        runs_commands = given.flag(self.config, "matrix_commands")
        values = {name: value.value for name, value in known.items()}
        return cells_of(book, values, runs_commands=runs_commands, is_secret=self.redactor.names.match)

    def note_book(self, book: Runbook) -> None:
        """Keep what the summary tells of a runbook, and make its tags known as markers."""
        self.needs.note_book(book)
        self.checks_files.note_book(book)
        self.summary.note_book(book, has_items=bool(items_of(book, self.registry.catalog)))
        for tag in {*book.tags, *(tag for spec in book.blocks for tag in spec.rules.tags)}:
            self.config.addinivalue_line("markers", f"{tag}: a tag of runbook blocks")

    @property
    def reruns_are_on(self) -> bool:
        """True if a plugin would run failed items again."""
        return self.config.pluginmanager.hasplugin("rerunfailures")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        result = yield
        items[:] = needed_first(in_document_order(items))
        return result

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        note_selection(session.items)
        if not session.config.option.collectonly and not self._plans:
            books = {
                item.node.book.path: item.node.book
                for item in session.items
                if isinstance(item, BlockItem) and item.node.book
            }
            for book in books.values():
                learn_secrets(book.secrets, book.path.parent, self.redactor.add)

    def attend(self) -> None:
        """Handle interruptions already now, where others run the runbooks."""
        self.engine.interruption.__enter__()

    # Open runbooks

    def runtime(self) -> Runtime:
        """What runs all runbooks, opened when it is first asked for, and closed at the end of the session."""
        if not self.engine.is_open:
            self.engine.__enter__()
        return self.engine.runtime

    def run_of(self, book: Runbook, inputs: Inputs) -> RunbookRun:
        """Open a runbook with all that is given to it, by those that it needs, too."""
        runtime = self.runtime()
        is_refused = elsewhere(book, self.settings.environment) is not None
        inputs, blocked = (inputs, None) if is_refused else self.needs.given_to(book, inputs)
        questions = None if self.engine.asking is None else Questions(self.engine.asking)
        document = self.engine.call(runtime.open_document, book, inputs, questions)
        if questions is not None:
            questions.document = document
        run = RunbookRun(document, runtime)
        run.blocked = blocked
        return run

    def run_whole(self, book: Runbook, inputs: Inputs) -> RunbookRun:
        """Run a runbook to its end, clean-ups included."""
        run = self.run_of(book, inputs)
        self.engine.run(run.run_all, cancel=run.cancel)
        for result in run.results.values():
            self.summary.note_warnings(result, None)
        self._note_end(run, None)
        return run

    @contextmanager
    def opened(self, module: RunbookNode, inputs: Inputs) -> Iterator[Document]:
        """The document of a runbook file, as long as its items run; its clean-ups get the one that was left to them."""
        if not isinstance(module, RunbookNode) or module.book is None:
            pytest.fail(f"runbook_document {_ONLY_BLOCKS}", pytrace=False)
        if module.run is None:
            module.run = self._open_modules[module] = self.run_of(module.book, in_cell(module, inputs))
            self._tell_deselected(module, module.run.document)
        module.document = module.run.document
        try:
            yield module.document
        finally:
            module.document = None
            if not any(item.is_pending_cleanup for item in module.selected):
                self._finish(module)

    def resolved_context(self, item: pytest.Item, document: Document) -> ResolvedContext:
        """What a block sees."""
        if not isinstance(item, BlockItem):
            pytest.fail(f"runbook_context {_ONLY_BLOCKS}", pytrace=False)
        run = item.node.run
        assert run is not None, "its document is open"
        self.engine.run(partial(document.fetch_secrets, item.spec.id), cancel=run.cancel)
        return self.engine.call(document.resolved_context, item.spec.id)

    def close(self) -> None:
        """End everything that is still open."""
        for module in list(self._open_modules):
            self._finish(module)
        if self.engine.is_open:
            self.summary.note_all(self.engine.runtime.notes)
            self.engine.__exit__(None, None, None)
        self.engine.interruption.__exit__()
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[OUTPUT_KEY] = self.summary.to_json()
            if self.verification is not None:
                self.verification.finish_worker(self.config.workeroutput)

    def _finish(self, module: RunbookNode) -> None:
        """End what a runbook left behind, and keep what the summary tells of it."""
        run = self._open_modules.pop(module)
        module.run = None
        self.needs.keep(module, run)
        self.checks_files.write(run)
        for leftover in self.engine.run(run.finish, cancel=run.cancel):
            self.summary.note_leftover(run.document.runbook, leftover)
        self._note_end(run, module.cell_name)

    def _note_end(self, run: RunbookRun, cell: str | None) -> None:
        for spec, why in run.uncleaned():
            self.summary.note_uncleaned(spec, why, cell)
        self.summary.note_read(run.document.names_read)

    def _tell_deselected(self, module: RunbookNode, document: Document) -> None:
        """Let nothing run as if the blocks above it had; failures say so where a value is missing."""
        selected = {item.spec.id for item in module.selected}
        unselected = [spec.id for spec in document.items if spec.id not in selected]
        self.engine.call(document.fates.update, dict.fromkeys(unselected, "was not selected"))
        assert module.run is not None, "it was opened just now"
        module.run.leave_out({**self.gaps(module), **module.left_out})

    def gaps(self, node: RunbookNode) -> dict[str, str]:
        """What became of the blocks that were not selected, and without which others do not run, by id."""
        if node.book is None or given.flag(self.config, "alone"):
            return {}
        selected = {item.spec.id for item in node.selected}
        specs = items_of(node.book, self.registry.catalog)
        return {spec.id: NOT_SELECTED for spec in specs if spec.id not in selected}

    # What it is made of

    def _storage(self) -> ContextStorage:
        wish = given.choice(self.config, "store", ("auto", "yes", "no"))
        cache = getattr(self.config, "cache", None)
        if cache is None or wish == "no" or (wish == "auto" and os.environ.get("CI")):
            return NoStorage()
        try:
            return FileStorage(Path(cache.mkdir("runbook")))
        except OSError as error:
            self.summary.note(f"what blocks left could not be kept: {error}")
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
        """pytest's own lines on how two values differ, those of other plugins included."""
        found = self.config.hook.pytest_assertrepr_compare(config=self.config, op=operator, left=left, right=right)
        return next(([str(line) for line in lines] for lines in found if lines), [])


def _is_meant_for_us(path: Path) -> bool:
    """True if a file that was named on the command line is a runbook, or is meant to be one."""
    return path.suffix == ".atrb" or ".runbook." in path.name or looks_like_runbook(path)
