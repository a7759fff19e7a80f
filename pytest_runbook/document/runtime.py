"""The runtime: opens documents, and closes everything at the end of a run."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from ..blocks.registry import BlockRegistry
from ..context.storage import ContextStorage, MemoryStorage
from ..errors import UnreadableFile
from ..messages.channel import ClientMessageChannel, GuardedChannel, NullChannel
from ..model.loaders.atuin import UnknownBlocks
from ..model.loading import load_runbook
from ..model.runbook import Runbook
from ..resources.resources import Resources
from ..secrets.masker import Masker
from .document import Document
from .inputs import Inputs
from .services import Services
from .settings import Settings
from .sub_runbooks import SubRunbooks
from .template_check import runbook_problems


class Runtime(Services):
    """Opens documents and owns everything that they share."""

    def open_document(
        self, runbook: Runbook | Path | str, inputs: Inputs | None = None, channel: ClientMessageChannel | None = None
    ) -> Document:
        """Open a runbook: an object, or the path of its file.

        :raises UnreadableFile: if the file can't be read, or its templates or expressions are invalid.
        """
        if not isinstance(runbook, Runbook):
            runbook = read_runbook(Path(runbook), self.registry)
        guarded_channel = (
            NullChannel() if channel is None or isinstance(channel, NullChannel) else GuardedChannel(channel, self.warn)
        )
        inputs = inputs or Inputs()
        children = SubRunbooks(self, inputs, self._read_child, (runbook,))
        return Document(runbook, self, str(uuid.uuid4()), inputs, guarded_channel, children)

    def _read_child(self, path: Path, display_path: str) -> Runbook:
        return read_runbook(path, self.registry, display_path=display_path, unknown_blocks=self.settings.unknown_blocks)


def read_runbook(
    path: Path, registry: BlockRegistry, *, display_path: str | None = None, unknown_blocks: UnknownBlocks = "error"
) -> Runbook:
    """Read a runbook and check its templates and expressions.

    :raises UnreadableFile: with every error that was found.
    """
    runbook = load_runbook(path, display_path=display_path, catalog=registry.catalog, unknown_blocks=unknown_blocks)
    problems = runbook_problems(runbook, registry.catalog)
    if problems:
        raise UnreadableFile(problems)
    return runbook


@asynccontextmanager
async def open_runtime(
    settings: Settings | None = None,
    *,
    registry: BlockRegistry | None = None,
    storage: ContextStorage | None = None,
    masker: Masker | None = None,
) -> AsyncIterator[Runtime]:
    """Open a runtime. On leaving, running blocks are cancelled and everything is closed.

    It must be left in the task that entered it.
    """
    settings = settings or Settings()
    raised: Exception | None = None
    resources = Resources(
        interpreters=settings.interpreters, login_shell=settings.login_shell, allow_list=settings.allow_list
    )
    async with resources, anyio.create_task_group() as tasks:
        runtime = Runtime(
            settings, registry or BlockRegistry(), storage or MemoryStorage(), masker or Masker(), resources, tasks
        )
        try:
            yield runtime
        except Exception as error:  # raised below as it is, not within the task group's ExceptionGroup
            raised = error
        finally:
            # Sets the deadline for ending programs, before they are cancelled.
            runtime.shut_down()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await runtime.end_executions()
    if raised is not None:
        raise raised
