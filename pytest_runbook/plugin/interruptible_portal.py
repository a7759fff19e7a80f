"""The portal to the runtime for pytest's main thread, safe against Ctrl-C, SIGTERM and the limits of other plugins."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import pytest

from ..blocks.registry import BlockRegistry
from ..context.storage import ContextStorage
from ..document.runtime import open_runtime
from ..document.settings import Settings
from ..portal import RuntimePortal
from ..secrets.masker import Masker
from .interruption import SIGNAL_POLL_INTERVAL, Interruption
from .prompts import TerminalPrompter
from .reports.masking import MaskedLogs

ResultT = TypeVar("ResultT")
CancelCallback = Callable[[str], Any]


class InterruptiblePortal(RuntimePortal):
    """The runtime of a session.

    interruption: the signals that came; also usable while nothing is open.
    prompter: asks the user at the terminal what blocks prompt for; None if the session is not interactive.
    """

    def __init__(self, settings: Settings, registry: BlockRegistry, storage: ContextStorage, masker: Masker) -> None:
        self.interruption = Interruption()
        self.prompter = TerminalPrompter(self.call) if settings.is_interactive else None
        super().__init__(
            partial(open_runtime, settings, registry=registry, storage=storage, masker=masker),
            around=(self.interruption, MaskedLogs(masker)),
        )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self.interruption.handled_by(self.runtime.resources.processes.kill_everything):
            super().__exit__(kind, error, at)

    def call(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call a plain function in the event loop's thread. A signal does not interrupt it, only the next `run`."""
        with self.interruption.handled_by(_record_only):
            return super().call(function, *arguments)

    def run(
        self, function: Callable[..., Coroutine[Any, Any, ResultT]], *arguments: object, cancel: CancelCallback
    ) -> ResultT:
        """Run a coroutine function in the event loop and wait for its result, also after an interruption.

        cancel: called in the event loop's thread with a reason when the run is interrupted; the coroutine then ends by
        itself with a result. The second interruption kills every program at once.
        """
        with self.interruption.handled_by(partial(self._interrupt, cancel)):
            if self.interruption.name is not None:
                self._interrupt(cancel)
            future = self.submit(function, *arguments)
            return self._wait_for(future, cancel)

    def _wait_for(self, future: Future[ResultT], cancel: CancelCallback) -> ResultT:
        """Wait for the result, also if this thread is interrupted by an exception, as pytest-timeout does it.

        A `pytest.fail` is replaced by the result of the cancelled block; anything else is raised after it.
        """
        try:
            return self.prompter.wait_for(future) if self.prompter else _result_of(future)
        except pytest.fail.Exception as failure:
            if future.done():
                raise
            self.submit_call(cancel, f"ended from outside: {failure}")
            return _result_of(future)
        except BaseException:
            if not future.done():
                self.submit_call(cancel, "ended from outside")
                _result_of(future)
            raise

    def _interrupt(self, cancel: CancelCallback) -> None:
        if self.interruption.count > 1:
            self.submit_call(self.runtime.shut_down_at_once)
            self.runtime.resources.processes.kill_everything()
        else:
            self.submit_call(self.runtime.shut_down)
        self.submit_call(cancel, f"cancelled by {self.interruption.name}")


def _result_of(future: Future[ResultT]) -> ResultT:
    """Wait for the result with a timeout at a time: Python handles a signal in the main thread only, once it runs."""
    while True:
        try:
            return future.result(SIGNAL_POLL_INTERVAL)
        except TimeoutError:
            if future.done():  # the error may be the function's own
                return future.result()


def _record_only() -> None:
    """Handle a signal by doing nothing: it is recorded, and the next `run` sees it."""
