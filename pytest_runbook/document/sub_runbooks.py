"""Runbooks within runbooks: found, kept from running within themselves, and run in the context of their block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint_if_cancelled

from ..context.storage import MemoryStorage
from ..errors import BlockFailed, UnreadableFile
from ..execution.block_runner import Limit
from ..execution.context import ExecutionContext
from ..execution.sub_runbooks import ChildNotFound, ChildOutcome, ChildProgress, ChildRecursion, ChildReference
from ..messages.client_messages import PromptAnswer
from ..model.runbook import BlockSpec, Runbook
from .document import Document
from .inputs import Inputs
from .run import RunbookRun
from .settings import Settings

if TYPE_CHECKING:
    from .runtime import Runtime

LONGEST_MARGIN = 0.1
MOST_NESTED = 32

Read = Callable[[Path, str], Runbook]
"""Reads a runbook: its path, and how that is shown."""


class SubRunbooks:
    """Runs what the blocks of one document run.

    lineage: the runbooks that are running, from the outermost to the one whose blocks these are.
    """

    def __init__(self, runtime: Runtime, inputs: Inputs, read: Read, lineage: tuple[Runbook, ...]) -> None:
        self._runtime = runtime
        self._inputs = inputs
        self._read = read
        self._lineage = lineage
        self._open: list[Document] = []

    async def run_child(
        self, context: ExecutionContext, reference: ChildReference, tell: Callable[[ChildProgress], object]
    ) -> ChildOutcome:
        runbook = await self._found(context, reference)
        with self._opened(context, runbook) as document:
            run = RunbookRun(document, self._runtime, is_child=True)
            total = len(document.items)

            def note(spec: BlockSpec | None) -> None:
                context.findings.children = tuple(run.results.values())
                name = "" if spec is None else spec.name or spec.type
                tell(ChildProgress(len(run.results), total, name))

            await _to_its_end(run, context, note)
            shown = runbook.place.path
            results = tuple(run.results.values())
            return ChildOutcome(
                shown=shown, results=results, unmet=run.unmet(), gap=run.gap, final=document.final_resolver
            )

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        for document in self._open:
            with suppress(KeyError):
                return document.answer(prompt_id, answer)
        raise KeyError(prompt_id)

    @contextmanager
    def _opened(self, context: ExecutionContext, runbook: Runbook) -> Iterator[Document]:
        """The document of a runbook that sees what a block sees, and shares what it shares."""
        children = SubRunbooks(self._runtime, self._inputs, self._read, (*self._lineage, runbook))
        document = Document(
            runbook,
            self._runtime,
            context.run_id,
            self._inputs,
            context.channel,
            children,
            storage=MemoryStorage(),
            outside=context.resolver,
            limit=context.limit,
        )
        self._open.append(document)
        try:
            yield document
        finally:
            self._open.remove(document)

    def find(self, context: ExecutionContext, reference: ChildReference) -> Runbook:
        """The runbook that a reference means, read at once; for those who only look.

        :raises RunbookError: if there is none, it can't be read, or it is running already.
        """
        path = self._file(context, reference)
        runbook = self._read(path, _shown(path, self._runtime.settings))
        return self._fit(reference, runbook)

    async def _found(self, context: ExecutionContext, reference: ChildReference) -> Runbook:
        """The runbook that a reference means, read.

        :raises BlockFailed: if there is none, it can't be read, or it is running already.
        """
        if reference.path:
            runbook = await self._read_file(self._file(context, reference))
        else:
            runbook = await self._loaded(reference)
        return self._fit(reference, runbook)

    def _fit(self, reference: ChildReference, runbook: Runbook) -> Runbook:
        """The runbook, if it may run here: not within itself, not too deep, and not more than once."""
        self._refuse_recursion(reference, runbook.path, runbook.id)
        if len(self._lineage) > MOST_NESTED:
            raise BlockFailed(f"{MOST_NESTED} runbooks run one within the other already", hint=_way(self._lineage))
        _refuse_many(runbook)
        return runbook

    def _file(self, context: ExecutionContext, reference: ChildReference) -> Path:
        """The file of a path: relative to the containing runbook's, to the outermost one's, or as it is given."""
        folders = dict.fromkeys((context.folder, self._lineage[0].path.parent, Path.cwd()))
        places = list(dict.fromkeys((folder / Path(reference.path).expanduser()).resolve() for folder in folders))
        path = next(filter(_is_file, places), None)
        if path is None:
            looked = ", ".join(str(place) for place in places)
            error = BlockFailed(f'there is no runbook "{reference.path}"', hint=f"looked for {looked}")
            raise error from ChildNotFound()
        self._refuse_outside(path)
        self._refuse_recursion(reference, path, None)
        return path

    def _refuse_outside(self, path: Path) -> None:
        settings = self._runtime.settings
        roots = (settings.runbook_root,) if settings.runbook_root else (settings.root, self._lineage[0].path.parent)
        if not any(path.is_relative_to(root.resolve()) for root in roots):
            hint = f"runbooks that others run lie below {roots[0]}; the ini setting runbook_root says where"
            raise BlockFailed(f"the path leads out of the project: {path}", hint=hint)

    def _refuse_recursion(self, reference: ChildReference, path: Path, runbook_id: str | None) -> None:
        for running in self._lineage:
            if running.path.resolve() == path.resolve() or running.id == runbook_id:
                hint = f"{_way(self._lineage)} > {path.name}"
                error = BlockFailed(f'runbook "{reference}" is running already', hint=hint)
                raise error from ChildRecursion()

    async def _loaded(self, reference: ChildReference) -> Runbook:
        """The runbook that somebody's loader knows by a uri or an id."""
        loader = self._runtime.settings.runbook_loader
        if loader is None:
            raise BlockFailed(
                f'runbook "{reference}" is on a hub, and nothing here loads runbooks from one',
                hint="keep it in a file and give its path, or implement the hook pytest_runbook_load",
            ) from ChildNotFound()
        found = await loader(reference)
        return found if isinstance(found, Runbook) else await self._read_file(found)

    async def _read_file(self, path: Path) -> Runbook:
        shown = _shown(path, self._runtime.settings)
        try:
            return await to_thread.run_sync(self._read, path, shown)
        except UnreadableFile as error:
            first, *more = error.errors
            rest = f" (and {len(more)} more)" if more else ""
            message = f"{first.place or shown}: {first.message}{rest}"
            raise BlockFailed(message, place=first.place, hint=first.hint) from error


def _way(lineage: Iterable[Runbook]) -> str:
    return " > ".join(runbook.place.path for runbook in lineage)


def _is_file(path: Path) -> bool:
    """True for a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _refuse_many(runbook: Runbook) -> None:
    """:raises BlockFailed: if it is more than one run: of its own cells, or of what it needs before it."""
    for key, value in (("matrix", runbook.matrix), ("hosts", runbook.hosts), ("needs", runbook.needs)):
        if value:
            message = f"{runbook.place.path} has `{key}`, which counts only where pytest runs it for itself"
            raise BlockFailed(message, hint="say the same with blocks of this runbook")


async def _to_its_end(run: RunbookRun, context: ExecutionContext, note: Callable[[BlockSpec | None], object]) -> None:
    """Run it all. A block that is cancelled or out of time ends the runbook, clean-ups included, before it ends."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pass_on, run, context)
        with anyio.CancelScope(shield=True):
            await run.run_all(limit=_limit(context), tell=note)
            note(None)
        tasks.cancel_scope.cancel()
    await checkpoint_if_cancelled()


async def _pass_on(run: RunbookRun, context: ExecutionContext) -> None:
    """Wait for the block's own end, and make it the runbook's."""
    try:
        await anyio.sleep_forever()
    finally:
        cancellation = context.handle.cancellation
        run.cancel(cancellation.message if cancellation else f"the time of {context.spec.label} is up")


def _limit(context: ExecutionContext) -> Limit:
    """What is left of the block's time, a little less, so that the block that takes too long is the one to say so."""
    left = context.handle.scope.deadline - anyio.current_time()
    return Limit(left - min(LONGEST_MARGIN, left / 10), f"{context.handle.limit.name} of {context.spec.label}")


def _shown(path: Path, settings: Settings) -> str:
    for folder in (settings.invocation, settings.root):
        if path.is_relative_to(folder.resolve()):
            return str(path.relative_to(folder.resolve()))
    return str(path)
