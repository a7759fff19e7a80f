"""Collectors and items: a runbook file is a module, and each block that does work is an item of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

from ..document.inputs import Inputs
from ..errors import FileError, Location, Refused, RunbookError, UnreadableFile
from ..execution.result import BlockResult, Outcome
from ..model.runbook import display_type
from ..policy.permissions import refusal_of
from ..secrets.provenance import ContextValue, Origin
from ..text import escape_controls
from .reports.failure import FailureRepr, block_failure_repr, error_failure_repr, file_failure_repr, rerun_command
from .reports.properties import (
    properties_of_environment,
    properties_of_kind,
    properties_of_result,
    properties_of_runbook,
    properties_of_spec,
    properties_of_whole,
)
from .reports.prose_texts import rows_about

if TYPE_CHECKING:
    from pathlib import Path

    from ..blocks.behavior import BlockBehavior
    from ..blocks.registry import BlockRegistry
    from ..document.document import Document
    from ..document.matrix import MatrixCell
    from ..document.run import RunbookRun
    from ..document.settings import Settings
    from ..model.prose import Prose
    from ..model.runbook import BlockSpec, ExpectedFailure, Runbook

LONGEST_NAME = 160
UNREADABLE = "(unreadable)"
REQUIRED = "(required)"
XFAIL_KINDS = frozenset({"assertion", "block", "timeout", "unreachable"})
# pytest acts on markers of these names: a tag of the same name would do more than mark the block.
RESERVED_TAGS = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})


class BlockFault(Exception):
    """Carries the result of a failed block to the report."""

    def __init__(self, result: BlockResult) -> None:
        super().__init__(result.message)
        self.result = result


class BlockFailure(BlockFault):
    """The failure of a block that was tried and failed by itself: the kind that ``xfail`` may expect."""


class ItemSession(Protocol):
    """What collectors and items need of the session."""

    fails_collection: bool
    """True if a file that can't be read is a collection error and not an item."""

    @property
    def registry(self) -> BlockRegistry: ...

    @property
    def settings(self) -> Settings: ...

    @property
    def reruns_are_on(self) -> bool: ...

    def read_for_hosts(self, path: Path) -> Runbook: ...

    def cells(self, runbook: Runbook) -> tuple[MatrixCell, ...]: ...

    def record_runbook(self, runbook: Runbook) -> None: ...

    def run_block(self, item: BlockItem) -> BlockResult: ...


class RunbookNode(pytest.Module):
    """A collector that runs from its first block to its last: a runbook file, or one cell of it. Its items are blocks.

    runbook: set when the file was collected. run: the flow of its run, while its document is open.
    document: the value of the fixture `runbook_document`, while that is set up.
    cell: the cell of the matrix; None for a whole file. total: how many items it has.
    selected: the items that will run, in their order.
    not_run: blocks that a marker, a fixture or the policy skipped, each id with the reason.
    """

    obj = None  # there is no Python module behind it
    runbook_session: ItemSession
    runbook: Runbook | None = None
    run: RunbookRun | None = None
    document: Document | None = None
    cell: MatrixCell | None = None
    total = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.selected: list[BlockItem] = []
        self.not_run: dict[str, str] = {}

    @property
    def display_path(self) -> str:
        """The path of the file as reports show it."""
        assert self.runbook is not None
        return self.runbook.location.path

    @property
    def rerun_id(self) -> str:
        """The argument for pytest that runs this node alone."""
        return self.display_path

    @property
    def cell_name(self) -> str | None:
        """The name of the cell; None for a whole file."""
        return None if self.cell is None else self.name

    def _items(self, runbook: Runbook) -> Iterator[RunbookItem]:
        specs = self.runbook_session.registry.catalog.work_items(runbook)
        self.total = len(specs)
        for index, (spec, name) in enumerate(zip(specs, node_names(specs), strict=True)):
            yield BlockItem.of(self, name, spec, index)
        if runbook.require:
            required: RequiredItem = RequiredItem.from_parent(self, name=REQUIRED, callobj=_placeholder_function(()))
            required.index = len(specs)
            required.user_properties += properties_of_whole(runbook)
            required.user_properties += properties_of_environment(self.runbook_session.settings.environment)
            required.add_marker("runbook")
            yield required


def with_cell_values(node: RunbookNode, inputs: Inputs) -> Inputs:
    """Return the inputs with the host and the values of a node's cell."""
    if node.cell is None:
        return inputs
    matrix, host = node.runbook.matrix if node.runbook else None, node.cell.host
    source = Origin(f'cell "{node.name}" of the matrix', matrix.location if matrix else None)
    values = {name: ContextValue(value, source) for name, value in node.cell.values.items()}
    host_value = None if host is None else ContextValue(host.name, Origin("hosts", host.location))
    return replace(inputs, cell=values, host=host_value)


class RunbookModule(RunbookNode):
    """The collector of a runbook file.

    fault: an error of the file that was found before it was read; None if there is none.
    """

    fault: FileError | None = None

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        runbook = None
        try:
            runbook = self._read()
            self._check(runbook)
            cells = self.runbook_session.cells(runbook)
        except UnreadableFile as error:
            yield from self._unreadable(error, runbook)
            return
        self.runbook = runbook
        self.runbook_session.record_runbook(runbook)
        for tag in runbook.tags:
            self.add_marker(tag)
        if not cells:
            yield from self._items(runbook)
        for cell, name in zip(cells, unique_names(cell.name for cell in cells), strict=True):
            yield RunbookCell.of(self, name, cell)

    def _read(self) -> Runbook:
        if self.fault is not None:
            raise UnreadableFile([self.fault])
        return self.runbook_session.read_for_hosts(self.path)

    def _check(self, runbook: Runbook) -> None:
        if runbook.tags or any(spec.rules.tags for spec in runbook.blocks):
            _check_tags(runbook, RESERVED_TAGS | _markers_with_arguments(self.config))

    def _unreadable(self, error: UnreadableFile, runbook: Runbook | None) -> Iterator[pytest.Item]:
        if self.runbook_session.fails_collection:
            raise self.CollectError(str(error)) from None
        item = UnreadableItem.from_parent(self, name=UNREADABLE, callobj=_unreadable_function)
        item.error, item.runbook = error, runbook
        if runbook is not None:
            item.user_properties += properties_of_whole(runbook)
        item.user_properties += properties_of_environment(self.runbook_session.settings.environment)
        item.add_marker("runbook")
        yield item


class RunbookCell(RunbookNode):
    """The collector of a runbook on one of its hosts, with the values of one cell of its matrix."""

    @classmethod
    def of(cls, module: RunbookModule, name: str, matrix_cell: MatrixCell) -> RunbookCell:
        node_id = f"{module.nodeid}::{name}"
        cell: RunbookCell = cls.from_parent(module, path=module.path, name=name, nodeid=node_id)
        cell.runbook_session, cell.runbook, cell.cell = module.runbook_session, module.runbook, matrix_cell
        return cell

    @property
    def rerun_id(self) -> str:
        return f"{self.display_path}::{self.name}"

    def collect(self) -> Iterator[pytest.Item]:
        assert self.runbook is not None
        yield from self._items(self.runbook)


class ChecksModule(pytest.Module):
    """The collector of a checks file. It is empty: the items are collected from the runbook beside it."""

    obj = None

    def collect(self) -> Iterator[pytest.Item]:
        return iter(())


class RunbookItem(pytest.Function):
    """An item of a runbook. index: its 0-based position. fixtures: the names of the fixtures whose values it reads."""

    index: int
    fixtures: tuple[str, ...] = ()

    def setup(self) -> None:
        """Set up the fixtures, but for the document if it is open and `request` if the block does not name it."""
        # A runbook has many blocks that share one document; looking each fixture up again would cost time.
        __tracebackhide__ = True
        if self.node.document is not None:
            self.funcargs["runbook_document"] = self.node.document
        self.fixturenames = [name for name in self.fixturenames if name != "request" or name in self.fixtures]
        super().setup()

    @property
    def node(self) -> RunbookNode:
        """The collector of this item."""
        return cast("RunbookNode", self.parent)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, RunbookError):
            return error_failure_repr(error, self.rows_about())
        return super().repr_failure(excinfo)

    def rows_about(self) -> Iterator[str]:
        """Yield the rows of a failure about the runbook of this item."""
        runbook = self.node.runbook
        assert runbook is not None, "it was collected"
        return rows_about(runbook, self._prose(runbook).texts())

    def _prose(self, runbook: Runbook) -> Prose:
        return runbook.prose.inherited()


class RequiredItem(RunbookItem):
    """The last item of a runbook that requires blocks: it fails unless all of them have passed."""

    def runtest(self) -> None:
        run = self.node.run
        fault = None if run is None else run.required_failure()
        if fault is not None:
            raise fault

    def reportinfo(self) -> tuple[Any, int | None, str]:
        runbook = self.node.runbook
        line = runbook.require[0].location.line if runbook else None
        return self.path, (line or 1) - 1, self.name


class BlockItem(RunbookItem):
    """The item of a block that does work.

    refusal: why the policy does not let it run, known from its set-up on. result: None until it was tried.
    previous: the item of this runbook that runs right before it. was_reached: True from its set-up on.
    """

    spec: BlockSpec
    refusal: Refused | None = None
    result: BlockResult | None = None
    previous: BlockItem | None = None
    was_reached: bool = False

    @classmethod
    def of(cls, module: RunbookNode, name: str, spec: BlockSpec, index: int) -> BlockItem:
        assert module.runbook is not None
        fixtures = (*module.runbook.required_fixtures, *spec.rules.fixtures)
        item: BlockItem = cls.from_parent(module, name=name, callobj=_placeholder_function(fixtures))
        item.spec, item.index, item.fixtures = spec, index, fixtures
        for marker in ("runbook", type_marker(spec.type), *spec.rules.tags):
            item.add_marker(marker)
        if module.runbook_session.reruns_are_on:
            # pytest-rerunfailures would repeat a failed block alone; a block declares its own `retry`.
            item.add_marker(pytest.mark.flaky(reruns=0, condition=False))
        if spec.rules.xfail is not None:
            item.add_marker(_xfail(spec.rules.xfail))
        if spec.name:
            item.extra_keyword_matches.add(spec.name)
        item.user_properties += properties_of_spec(spec) + properties_of_runbook(module.runbook)
        item.user_properties += properties_of_environment(module.runbook_session.settings.environment)
        return item

    @property
    def is_pending_cleanup(self) -> bool:
        """True if it is a clean-up of a run that was started, and has no result yet."""
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
        """Skip a block that the policy refuses, before a fixture is set up for it."""
        __tracebackhide__ = True
        node = self.node
        assert node.runbook is not None, "it was collected"
        block = self._behavior() if node.document is None else node.document.behavior(self.spec.id)
        self.refusal = refusal_of(node.runbook, self.spec, block, node.runbook_session.settings.permissions)
        if self.refusal is not None:
            self.user_properties += properties_of_kind(self.refusal.kind)
            pytest.skip(escape_controls(self.refusal.message))

    def _behavior(self) -> BlockBehavior | None:
        behavior = self.node.runbook_session.registry.behavior(self.spec.type)
        return None if behavior is None else behavior(self.spec, self.spec.label)

    def runtest(self) -> None:
        __tracebackhide__ = True
        self.result = result = self.node.runbook_session.run_block(self)
        self.user_properties += properties_of_result(result)
        if result.outcome is Outcome.SKIPPED:
            pytest.skip(escape_controls(result.message or ""))
        if result.outcome is Outcome.FAILED:
            raise (BlockFailure if result.kind in XFAIL_KINDS else BlockFault)(result)

    def fixture_values(self) -> dict[str, object]:
        """The values of the fixtures that the block or its runbook names."""
        return {name: self.funcargs[name] for name in self.fixtures}

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        error = excinfo.value
        if isinstance(error, BlockFault):
            return self._failure_repr(error.result)
        return super().repr_failure(excinfo)

    def _prose(self, runbook: Runbook) -> Prose:
        return self.spec.rules.prose

    def reportinfo(self) -> tuple[Any, int | None, str]:
        name = f"{self.name} " if "." in self.name else self.name  # without the space, `-v` shows `::` for each dot
        return self.path, (self.spec.location.line or 1) - 1, name

    def _fixture_error(self, name: str | None, message: str, hint: str) -> RunbookError:
        location = self.spec.location_of("fixtures") if name in self.spec.rules.fixtures else self.spec.location
        return FileError(message, location=location, block=self.spec.label, hint=hint)

    def _failure_repr(self, result: BlockResult) -> FailureRepr:
        module = self.node
        assert module.runbook is not None
        results = module.run.results.values() if module.run else ()
        return block_failure_repr(
            result,
            node_id=self.nodeid,
            runbook=module.runbook,
            spec=self.spec,
            total=module.total,
            before=[earlier for earlier in results if earlier.block_id != result.block_id],
            command=rerun_command(module.rerun_id, module.runbook_session.settings.environment),
        )


class UnreadableItem(pytest.Function):
    """The only item of a file that can't be read: it fails with the errors of the file.

    runbook: None if the errors are such that there is none.
    """

    error: UnreadableFile
    runbook: Runbook | None = None

    def runtest(self) -> None:
        raise self.error

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if excinfo.value is self.error:
            runbook = self.runbook
            about = () if runbook is None else rows_about(runbook, runbook.prose.inherited().texts())
            return file_failure_repr(self.error, about)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        location = self.error.errors[0].location
        return self.path, ((location.line if location else None) or 1) - 1, self.name


def _parametrized_fixture(failure: BaseException) -> str | None:
    """Return the name of a parametrized fixture that pytest refused to set up; None for any other failure.

    pytest raises no exception type of its own for this, so its message decides.
    """
    message = str(failure)
    found = re.search(r"Requested fixture '(\w+)'", message)
    return found[1] if found and message.startswith("The requested fixture has no parameter") else None


def node_names(specs: Iterable[BlockSpec]) -> list[str]:
    """Return a name for each block that pytest can select, unique in its runbook: ``Check (2)``, ``script 3``."""
    ordinals: Counter[str] = Counter()
    names = []
    for spec in specs:
        ordinals[spec.type] += 1
        names.append(node_name(spec.name) or f"{display_type(spec.type)} {ordinals[spec.type]}")
    return unique_names(names)


def unique_names(proposed: Iterable[str]) -> list[str]:
    """Return names that pytest can select, each once: a repeated one gets a number."""
    names: list[str] = []
    used: set[str] = set()
    for base in map(node_name, proposed):
        name, number = base, 1
        while name in used:
            number += 1
            name = f"{base} ({number})"
        used.add(name)
        names.append(name)
    return names


def node_name(name: str) -> str:
    """Return a block's name without ``::``, brackets and control characters, which have a meaning in a node id."""
    plain = escape_controls(" ".join(name.split())).replace("[", "(").replace("]", ")")
    while "::" in plain:
        plain = plain.replace("::", ":")
    return plain[:LONGEST_NAME].strip()


def type_marker(block_type: str) -> str:
    """Return the name of a block type's marker: ``runbook_script``, ``runbook_kubernetes_get``."""
    return f"runbook_{block_type.replace('-', '_')}"


def _xfail(expected: ExpectedFailure) -> pytest.MarkDecorator:
    """Return pytest's own marker, so that its report, settings and options apply."""
    strict = {} if expected.strict is None else {"strict": expected.strict}
    return pytest.mark.xfail(reason=expected.reason, raises=BlockFailure, **strict)


def _markers_with_arguments(config: pytest.Config) -> Set[str]:
    """Return the markers that are declared with arguments, as `timeout(seconds)`: plugins act on them."""
    lines = (re.match(r"\s*(\w+)\s*\(", line) for line in config.getini("markers"))
    return {found[1] for found in lines if found}


def _check_tags(runbook: Runbook, reserved: Set[str]) -> None:
    """:raises UnreadableFile: if the runbook or a block has a tag that pytest or a plugin acts on."""
    tagged: list[tuple[str, Location, str | None]] = [
        (tag, runbook.checks_location or runbook.location, None) for tag in runbook.tags
    ]
    tagged += [
        (tag, spec.checks_location or spec.location_of("tags"), spec.label)
        for spec in runbook.blocks
        for tag in spec.rules.tags
    ]
    faults = [
        FileError(
            f'tag "{tag}" means something else to pytest', location=location, block=label, hint="choose another name"
        )
        for tag, location, label in tagged
        if tag in reserved or tag.startswith(("_", "runbook_")) or tag == "runbook"
    ]
    if faults:
        raise UnreadableFile(faults)


@lru_cache(maxsize=256)
def _placeholder_function(fixtures: tuple[str, ...]) -> Callable[..., None]:
    """Return a function from which pytest reads the fixtures of a block. It is never called."""

    def block(runbook_document: object) -> None:
        raise NotImplementedError

    return pytest.mark.usefixtures(*fixtures)(block) if fixtures else block


def _unreadable_function() -> None:
    """The function of `UnreadableItem`: pytest needs one. It is never called."""
    raise NotImplementedError
