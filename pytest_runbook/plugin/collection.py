"""Files become modules, blocks become items."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import pytest

from ..document.document import items_of
from ..document.inputs import Inputs
from ..errors import FileError, Place, Refused, RunbookError, UnreadableFile
from ..execution.result import BlockResult, Outcome
from ..model.runbook import type_for_people
from ..policy.permissions import refusal_of
from ..secrets.provenance import ContextValue, Source
from ..text import escape_controls
from .reports.failure import FailurePicture, again, picture_of_block, picture_of_file
from .reports.properties import properties_of_environment, properties_of_kind, properties_of_result, properties_of_spec

if TYPE_CHECKING:
    from ..blocks.behavior import BlockBehavior
    from ..document.document import Document
    from ..document.matrix import Cell
    from ..document.run import RunbookRun
    from ..model.runbook import BlockSpec, ExpectedFailure, Runbook
    from .session import RunbookSession

LONGEST_NAME = 160
UNREADABLE = "(unreadable)"
REQUIRED = "(required)"
OWN_FAILURES = frozenset({"assertion", "block", "timeout", "unreachable"})
# pytest gives these a meaning of its own: a tag of that name would not only be a tag.
RESERVED_TAGS = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})


class BlockFault(Exception):
    """A block's failure on its way to the report."""

    def __init__(self, result: BlockResult) -> None:
        super().__init__(result.message)
        self.result = result


class BlockFailure(BlockFault):
    """One that an author may expect with ``xfail``: the block was tried, and failed by itself."""


class RunbookNode(pytest.Module):
    """What is run from its first block to its last: a runbook file, or one cell of it. Its blocks are its items.

    book: what the file says, once it was collected. run: the flow of its run, while its document is open.
    document: what `runbook_document` gives, as long as that is set up.
    cell: which one it is. total: how many items it has. selected: those that are to run, in their order.
    left_out: what became of blocks that others skipped, by id.
    """

    obj = None  # there is no Python module behind it
    books: RunbookSession
    book: Runbook | None = None
    run: RunbookRun | None = None
    document: Document | None = None
    cell: Cell | None = None
    total = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.selected: list[BlockItem] = []
        self.left_out: dict[str, str] = {}

    @property
    def shown_path(self) -> str:
        """Its path as people see it."""
        assert self.book is not None
        return self.book.place.path

    @property
    def shown_id(self) -> str:
        """What pytest is to be given to run it alone."""
        return self.shown_path

    @property
    def cell_name(self) -> str | None:
        """What the cell is called, if it is one."""
        return None if self.cell is None else self.name

    def _items(self, book: Runbook) -> Iterator[RunbookItem]:
        specs = items_of(book, self.books.registry.catalog)
        self.total = len(specs)
        for index, (spec, name) in enumerate(zip(specs, node_names(specs), strict=True)):
            yield BlockItem.of(self, name, spec, index)
        if book.require:
            required: RequiredItem = RequiredItem.from_parent(self, name=REQUIRED, callobj=_function_with(()))
            required.index = len(specs)
            required.user_properties += properties_of_environment(self.books.settings.environment)
            required.add_marker("runbook")
            yield required


def in_cell(node: RunbookNode, inputs: Inputs) -> Inputs:
    """With the host of a cell, and its values."""
    if node.cell is None:
        return inputs
    matrix, host = node.book.matrix if node.book else None, node.cell.host
    source = Source(f'cell "{node.name}" of the matrix', matrix.place if matrix else None)
    values = {name: ContextValue(value, source) for name, value in node.cell.values.items()}
    where = None if host is None else ContextValue(host.name, Source("hosts", host.place))
    return replace(inputs, cell=values, host=where)


class RunbookModule(RunbookNode):
    """A runbook file.

    fault: what is wrong with the file, where that was found before it was read.
    """

    fault: FileError | None = None

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        try:
            book = self._read()
            cells = self.books.cells(book)
        except UnreadableFile as error:
            yield from self._unreadable(error)
            return
        self.book = book
        self.books.note_book(book)
        for tag in book.tags:
            self.add_marker(tag)
        if not cells:
            yield from self._items(book)
        for cell, name in zip(cells, unique_names(cell.name for cell in cells), strict=True):
            yield RunbookCell.of(self, name, cell)

    def _read(self) -> Runbook:
        if self.fault is not None:
            raise UnreadableFile([self.fault])
        book = self.books.read_for_hosts(self.path)
        if book.tags or any(spec.rules.tags for spec in book.blocks):
            _check_tags(book, RESERVED_TAGS | _markers_with_arguments(self.config))
        return book

    def _unreadable(self, error: UnreadableFile) -> Iterator[pytest.Item]:
        if self.books.fails_collection:
            raise self.CollectError(str(error)) from None
        item = UnreadableItem.from_parent(self, name=UNREADABLE, callobj=_unreadable)
        item.error = error
        item.user_properties += properties_of_environment(self.books.settings.environment)
        item.add_marker("runbook")
        yield item


class RunbookCell(RunbookNode):
    """A runbook on one of its hosts, with the values of one cell of its matrix."""

    @classmethod
    def of(cls, module: RunbookModule, name: str, which: Cell) -> RunbookCell:
        node_id = f"{module.nodeid}::{name}"
        cell: RunbookCell = cls.from_parent(module, path=module.path, name=name, nodeid=node_id)
        cell.books, cell.book, cell.cell = module.books, module.book, which
        return cell

    @property
    def shown_id(self) -> str:
        return f"{self.shown_path}::{self.name}"

    def collect(self) -> Iterator[pytest.Item]:
        assert self.book is not None
        yield from self._items(self.book)


class ChecksModule(pytest.Module):
    """A checks file that was named beside its runbook, in which its items are."""

    obj = None

    def collect(self) -> Iterator[pytest.Item]:
        return iter(())


class RunbookItem(pytest.Function):
    """An item of a runbook. index: its 0-based place among them. fixtures: the names of those whose values it reads."""

    index: int
    fixtures: tuple[str, ...] = ()

    def setup(self) -> None:
        """Ask for no fixture that is there already: a runbook's blocks are many, and share theirs."""
        __tracebackhide__ = True
        if self.node.document is not None:
            self.funcargs["runbook_document"] = self.node.document
        self.fixturenames = [name for name in self.fixturenames if name != "request" or name in self.fixtures]
        super().setup()

    @property
    def node(self) -> RunbookNode:
        """What it is part of."""
        return cast("RunbookNode", self.parent)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, RunbookError):
            return FailurePicture(str(error), f"{error.kind}: {error.message}", error.place)
        return super().repr_failure(excinfo)


class RequiredItem(RunbookItem):
    """The last item of a runbook that requires blocks: it fails unless all of them have passed."""

    def runtest(self) -> None:
        run = self.node.run
        fault = None if run is None else run.unmet()
        if fault is not None:
            raise fault

    def reportinfo(self) -> tuple[Any, int | None, str]:
        book = self.node.book
        line = book.require[0].place.line if book else None
        return self.path, (line or 1) - 1, self.name


class BlockItem(RunbookItem):
    """One block that does work.

    spec: what the file says of it. refusal: why it may not run here, once it was set up.
    result: None until it was tried.
    previous: the item of this runbook that is to run right before it. was_reached: True once its turn came.
    """

    spec: BlockSpec
    refusal: Refused | None = None
    result: BlockResult | None = None
    previous: BlockItem | None = None
    was_reached: bool = False

    @classmethod
    def of(cls, module: RunbookNode, name: str, spec: BlockSpec, index: int) -> BlockItem:
        assert module.book is not None
        fixtures = (*module.book.wanted_fixtures, *spec.rules.fixtures)
        item: BlockItem = cls.from_parent(module, name=name, callobj=_function_with(fixtures))
        item.spec, item.index, item.fixtures = spec, index, fixtures
        for marker in ("runbook", type_marker(spec.type), *spec.rules.tags):
            item.add_marker(marker)
        if module.books.reruns_are_on:
            item.add_marker(pytest.mark.flaky(reruns=0, condition=False))
        if spec.rules.xfail is not None:
            item.add_marker(_xfail(spec.rules.xfail))
        if spec.name:
            item.extra_keyword_matches.add(spec.name)
        item.user_properties += properties_of_spec(spec) + properties_of_environment(module.books.settings.environment)
        return item

    @property
    def is_pending_cleanup(self) -> bool:
        """True if it has to clean up after a run that was begun, and has not done so yet."""
        if not self.spec.rules.is_cleanup:
            return False
        run = self.node.run
        return run is not None and run.is_started and self.spec.id not in run.results

    def setup(self) -> None:
        __tracebackhide__ = True
        self._check_permission()
        try:
            super().setup()
        except pytest.FixtureLookupError as error:
            hint = "define it in a conftest.py of this folder or above, or take it out of `fixtures`"
            raise self._fixture_error(error.argname, f'unknown fixture "{error.argname}"', hint) from None
        except pytest.fail.Exception as failure:
            name = _parametrized_fixture(failure)
            if name is None:
                raise
            message = f'fixture "{name}" is parametrized, and a block runs once'
            raise self._fixture_error(name, message, "give it a fixture without params") from None

    def _check_permission(self) -> None:
        """Skip a block that may not run here before a fixture is set up for it."""
        __tracebackhide__ = True
        node = self.node
        assert node.book is not None, "it was collected"
        block = self._behavior() if node.document is None else node.document.behavior(self.spec.id)
        self.refusal = refusal_of(node.book, self.spec, block, node.books.settings)
        if self.refusal is not None:
            self.user_properties += properties_of_kind(self.refusal.kind)
            pytest.skip(escape_controls(self.refusal.message))

    def _behavior(self) -> BlockBehavior | None:
        behavior = self.node.books.registry.behavior(self.spec.type)
        return None if behavior is None else behavior(self.spec, self.spec.label)

    def runtest(self) -> None:
        __tracebackhide__ = True
        self.result = result = self.node.books.running.step(self)
        self.user_properties += properties_of_result(result)
        if result.outcome is Outcome.SKIPPED:
            pytest.skip(escape_controls(result.message or ""))
        if result.outcome is Outcome.FAILED:
            raise (BlockFailure if result.kind in OWN_FAILURES else BlockFault)(result)

    def fixture_values(self) -> dict[str, object]:
        """The values of the fixtures that the block or its runbook names."""
        return {name: self.funcargs[name] for name in self.fixtures}

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, BlockFault):
            return self._picture(error.result)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        shown = f"{self.name} " if "." in self.name else self.name  # else `-v` makes `::` of the dots in its id
        return self.path, (self.spec.place.line or 1) - 1, shown

    def _fixture_error(self, name: str | None, message: str, hint: str) -> RunbookError:
        place = self.spec.place_of("fixtures") if name in self.spec.rules.fixtures else self.spec.place
        return FileError(message, place=place, block=self.spec.label, hint=hint)

    def _picture(self, result: BlockResult) -> FailurePicture:
        module = self.node
        assert module.book is not None
        results = module.run.results.values() if module.run else ()
        return picture_of_block(
            result,
            node_id=self.nodeid,
            book=module.book,
            spec=self.spec,
            total=module.total,
            before=[earlier for earlier in results if earlier.block_id != result.block_id],
            command=again(module.shown_id, module.books.settings.environment),
        )


class UnreadableItem(pytest.Function):
    """The one item of a file that can't be read: it fails, saying why."""

    error: UnreadableFile

    def runtest(self) -> None:
        raise self.error

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if excinfo.value is self.error:
            return picture_of_file(self.error)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        place = self.error.errors[0].place
        return self.path, ((place.line if place else None) or 1) - 1, self.name


def _parametrized_fixture(failure: BaseException) -> str | None:
    """The name of the fixture that pytest could not give a parameter, by its own words; None for other failures."""
    words = str(failure)
    found = re.search(r"Requested fixture '(\w+)'", words)
    return found[1] if found and words.startswith("The requested fixture has no parameter") else None


def node_names(specs: Iterable[BlockSpec]) -> list[str]:
    """A name for each block that pytest can select, unique in its runbook: ``Check (2)``, ``script 3``."""
    ordinals: Counter[str] = Counter()
    names = []
    for spec in specs:
        ordinals[spec.type] += 1
        names.append(node_name(spec.name) or f"{type_for_people(spec.type)} {ordinals[spec.type]}")
    return unique_names(names)


def unique_names(wanted: Iterable[str]) -> list[str]:
    """Names that pytest can select, each once: those that are repeated get a number."""
    names: list[str] = []
    taken: set[str] = set()
    for base in map(node_name, wanted):
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base} ({number})"
        taken.add(name)
        names.append(name)
    return names


def node_name(name: str) -> str:
    """A block's name without what means something else in a node id."""
    shown = escape_controls(" ".join(name.split())).replace("[", "(").replace("]", ")")
    while "::" in shown:
        shown = shown.replace("::", ":")
    return shown[:LONGEST_NAME].strip()


def type_marker(block_type: str) -> str:
    """``runbook_script``, ``runbook_kubernetes_get``."""
    return f"runbook_{block_type.replace('-', '_')}"


def _xfail(expected: ExpectedFailure) -> pytest.MarkDecorator:
    """pytest's own marker: its report, its settings and its options hold."""
    strict = {} if expected.strict is None else {"strict": expected.strict}
    return pytest.mark.xfail(reason=expected.reason, raises=BlockFailure, **strict)


def _markers_with_arguments(config: pytest.Config) -> Set[str]:
    """The markers that plugins act on by their arguments: `timeout(seconds)`."""
    lines = (re.match(r"\s*(\w+)\s*\(", line) for line in config.getini("markers"))
    return {found[1] for found in lines if found}


def _check_tags(book: Runbook, reserved: Set[str]) -> None:
    tagged: list[tuple[str, Place, str | None]] = [(tag, book.checks or book.place, None) for tag in book.tags]
    tagged += [
        (tag, spec.checks_place or spec.place_of("tags"), spec.label) for spec in book.blocks for tag in spec.rules.tags
    ]
    faults = [
        FileError(f'tag "{tag}" means something else to pytest', place=place, block=label, hint="choose another name")
        for tag, place, label in tagged
        if tag in reserved or tag.startswith(("_", "runbook_")) or tag == "runbook"
    ]
    if faults:
        raise UnreadableFile(faults)


@lru_cache(maxsize=256)
def _function_with(fixtures: tuple[str, ...]) -> Callable[..., None]:
    """The function that pytest reads the wanted fixtures from. It is never called."""

    def block(runbook_document: object) -> None:
        raise NotImplementedError

    return pytest.mark.usefixtures(*fixtures)(block) if fixtures else block


def _unreadable() -> None:
    """Stands for a file that can't be read. It is never called."""
    raise NotImplementedError
