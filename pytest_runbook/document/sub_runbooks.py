"""Runs sub-runbooks: finds their files, prevents recursion, and runs them in the context of a block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from ..context.storage import MemoryStorage
from ..errors import BlockFailed, UnreadableFile
from ..execution.child_runbooks import ChildNotFound, ChildOutcome, ChildProgress, ChildRecursion, ChildReference
from ..execution.context import ExecutionContext
from ..execution.time_limit import TimeLimit
from ..messages.client_messages import PromptAnswer
from ..model.runbook import BlockSpec, Runbook
from .document import Document
from .inputs import Inputs
from .run import RunbookRun
from .services import Services
from .settings import Settings

MAX_MARGIN = 0.1  # seconds
MAX_NESTING = 32

RunbookReader = Callable[[Path, str], Runbook]
"""Reads a runbook. Called with its path, and with the path in display form."""


class SubRunbooks:
    """Runs the sub-runbooks of one document.

    lineage: the runbooks that are running, from the outermost to the one that has these blocks.
    """

    def __init__(self, services: Services, inputs: Inputs, read: RunbookReader, lineage: tuple[Runbook, ...]) -> None:
        self._services = services
        self._inputs = inputs
        self._read = read
        self._lineage = lineage
        self._open_documents: list[Document] = []

    async def run_child(
        self, context: ExecutionContext, reference: ChildReference, report_progress: Callable[[ChildProgress], object]
    ) -> ChildOutcome:
        runbook = await self._find_or_load(context, reference)
        with self._opened_document(context, runbook) as document:
            run = RunbookRun(document, self._services, is_child=True)
            total = len(document.items)

            def record_progress(spec: BlockSpec | None) -> None:
                context.report_details.children = tuple(run.results.values())
                name = "" if spec is None else spec.name or spec.type
                report_progress(ChildProgress(len(run.results), total, name))

            await _run_to_end(run, context, record_progress)
            display_path = runbook.location.path
            results = tuple(run.results.values())
            return ChildOutcome(
                display_path=display_path,
                results=results,
                required_failure=run.required_failure(),
                first_not_run=run.first_not_run,
                final_resolver=document.final_resolver,
            )

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        for document in self._open_documents:
            with suppress(KeyError):
                return document.answer(prompt_id, answer)
        raise KeyError(prompt_id)

    @contextmanager
    def _opened_document(self, context: ExecutionContext, runbook: Runbook) -> Iterator[Document]:
        """Open a document for a sub-runbook. It sees the context of the block, and shares its channel and services."""
        children = SubRunbooks(self._services, self._inputs, self._read, (*self._lineage, runbook))
        document = Document(
            runbook,
            self._services,
            context.run_id,
            self._inputs,
            context.channel,
            children,
            storage=MemoryStorage(),
            base_resolver=context.resolver,
            effect_limit=context.effect_limit,
        )
        self._open_documents.append(document)
        try:
            yield document
        finally:
            self._open_documents.remove(document)

    def find(self, context: ExecutionContext, reference: ChildReference) -> Runbook:
        """Find and read a runbook without running it; for a plan.

        :raises RunbookError: if there is none, it can't be read, or it is running already.
        """
        path = self._file(context, reference)
        runbook = self._read(path, _display_path(path, self._services.settings))
        return self._check_runnable(reference, runbook)

    async def _find_or_load(self, context: ExecutionContext, reference: ChildReference) -> Runbook:
        """Find and read the runbook of a reference.

        :raises BlockFailed: if there is none, it can't be read, or it is running already.
        """
        if reference.path:
            runbook = await self._read_file(self._file(context, reference))
        else:
            runbook = await self._load(reference)
        return self._check_runnable(reference, runbook)

    def _check_runnable(self, reference: ChildReference, runbook: Runbook) -> Runbook:
        """Return a runbook if it may run here: not within itself, not nested too deep, and only one run of it."""
        self._refuse_recursion(reference, runbook.path, runbook.id)
        if len(self._lineage) > MAX_NESTING:
            raise BlockFailed(
                f"{MAX_NESTING} runbooks run one within the other already", hint=_lineage_text(self._lineage)
            )
        _refuse_several_runs(runbook)
        return runbook

    def _file(self, context: ExecutionContext, reference: ChildReference) -> Path:
        """Find the file of a path: relative to the containing runbook, to the outermost one, or to the working
        directory.
        """
        folders = dict.fromkeys((context.folder, self._lineage[0].path.parent, Path.cwd()))
        candidates = list(dict.fromkeys((folder / Path(reference.path).expanduser()).resolve() for folder in folders))
        path = next(filter(_is_file, candidates), None)
        if path is None:
            searched = ", ".join(str(location) for location in candidates)
            error = BlockFailed(f'there is no runbook "{reference.path}"', hint=f"looked for {searched}")
            raise error from ChildNotFound()
        self._refuse_outside(path)
        self._refuse_recursion(reference, path, None)
        return path

    def _refuse_outside(self, path: Path) -> None:
        settings = self._services.settings
        roots = (settings.runbook_root,) if settings.runbook_root else (settings.root, self._lineage[0].path.parent)
        if not any(path.is_relative_to(root.resolve()) for root in roots):
            hint = f"runbooks that others run lie below {roots[0]}; the ini setting runbook_root says where"
            raise BlockFailed(f"the path leads out of the project: {path}", hint=hint)

    def _refuse_recursion(self, reference: ChildReference, path: Path, runbook_id: str | None) -> None:
        for running in self._lineage:
            if running.path.resolve() == path.resolve() or running.id == runbook_id:
                hint = f"{_lineage_text(self._lineage)} > {path.name}"
                error = BlockFailed(f'runbook "{reference}" is running already', hint=hint)
                raise error from ChildRecursion()

    async def _load(self, reference: ChildReference) -> Runbook:
        """Load a runbook by its uri or id with the loader of the settings."""
        loader = self._services.settings.runbook_loader
        if loader is None:
            raise BlockFailed(
                f'runbook "{reference}" is on a hub, and nothing here loads runbooks from one',
                hint="keep it in a file and give its path, or implement the hook pytest_runbook_load",
            ) from ChildNotFound()
        found = await loader(reference)
        return found if isinstance(found, Runbook) else await self._read_file(found)

    async def _read_file(self, path: Path) -> Runbook:
        display_path = _display_path(path, self._services.settings)
        try:
            return await to_thread.run_sync(self._read, path, display_path)
        except UnreadableFile as error:
            first, *more = error.errors
            rest = f" (and {len(more)} more)" if more else ""
            message = f"{first.location or display_path}: {first.message}{rest}"
            raise BlockFailed(message, location=first.location, hint=first.hint) from error


def _lineage_text(lineage: Iterable[Runbook]) -> str:
    return " > ".join(runbook.location.path for runbook in lineage)


def _is_file(path: Path) -> bool:
    """Return True if a path is a file."""
    try:
        return path.is_file()
    except OSError:  # such as a name that is too long
        return False


def _refuse_several_runs(runbook: Runbook) -> None:
    """Refuse a runbook that makes several runs: its own cells, or runbooks that it needs.

    :raises BlockFailed: if it is one.
    """
    for key, value in (("matrix", runbook.matrix), ("hosts", runbook.hosts), ("needs", runbook.needs)):
        if value:
            message = f"{runbook.location.path} has `{key}`, which counts only where pytest runs it for itself"
            raise BlockFailed(message, hint="use blocks of this runbook instead")


async def _run_to_end(
    run: RunbookRun, context: ExecutionContext, record_progress: Callable[[BlockSpec | None], object]
) -> None:
    """Run all of a runbook. If the block is cancelled or out of time, the runbook ends, clean-ups included, before the
    block.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_forward_cancellation, run, context)
        # Shielded: `_forward_cancellation` cancels the runbook instead, which then still runs its clean-ups.
        with anyio.CancelScope(shield=True):
            await run.run_all(limit=_limit(context), on_next_block=record_progress)
            record_progress(None)
        tasks.cancel_scope.cancel()
    await checkpoint_if_cancelled()


async def _forward_cancellation(run: RunbookRun, context: ExecutionContext) -> None:
    """Wait until the block is cancelled, and cancel the runbook."""
    try:
        await anyio.sleep_forever()
    finally:
        cancellation = context.handle.cancellation
        run.cancel(cancellation.message if cancellation else f"the time of {context.spec.label} is up")


def _limit(context: ExecutionContext) -> TimeLimit:
    """Return the time that is left for the block, less a small margin, so that the inner block reports the timeout
    first.
    """
    remaining = context.handle.scope.deadline - anyio.current_time()
    return TimeLimit(
        remaining - min(MAX_MARGIN, remaining / 10), f"{context.handle.limit.name} of {context.spec.label}"
    )


def _display_path(path: Path, settings: Settings) -> str:
    for folder in (settings.invocation, settings.root):
        if path.is_relative_to(folder.resolve()):
            return str(path.relative_to(folder.resolve()))
    return str(path)
