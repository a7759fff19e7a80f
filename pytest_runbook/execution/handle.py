"""The handle of an execution: to wait for it, cancel it, answer its prompts."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import anyio

from ..errors import Cancelled
from ..messages.client_messages import ClientPrompt, PromptAnswer
from ..messages.status import ExecutionStatus

if TYPE_CHECKING:
    from .result import BlockResult
    from .time_limit import TimeLimit


class ExecutionHandle:
    """One execution of one block, running or settled. It is made and used in the event loop's thread.

    id: unique to this execution. limit: the deadline that ends it.
    """

    def __init__(self, block_id: str, limit: TimeLimit) -> None:
        self.block_id = block_id
        self.limit = limit
        self.scope = anyio.CancelScope()
        self._status = ExecutionStatus()
        self._result: BlockResult | None = None
        self._settled: anyio.Event | None = None
        self._cancellation: Cancelled | None = None
        self._prompts: dict[str, tuple[anyio.Event, list[PromptAnswer]]] = {}

    @cached_property
    def id(self) -> str:
        return str(uuid.uuid4())

    @property
    def status(self) -> ExecutionStatus:
        return self._status

    @property
    def result(self) -> BlockResult | None:
        """The result; None while the block runs."""
        return self._result

    @property
    def cancellation(self) -> Cancelled | None:
        """Why the block was cancelled; None if it was not."""
        return self._cancellation

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel the block. Only the first call counts, and none after its deadline has passed."""
        if self._status.is_settled or self.scope.cancel_called:
            return
        self._cancellation = Cancelled(reason)
        self.scope.cancel()

    def tighten_deadline(self, limit: TimeLimit) -> None:
        """Set an earlier deadline. A later one than the current one has no effect."""
        deadline = anyio.current_time() + limit.seconds
        if deadline < self.scope.deadline:
            self.limit, self.scope.deadline = limit, deadline

    async def wait(self) -> BlockResult:
        """Wait until the execution is settled, and return its result. Cancelling the wait does not cancel the block."""
        if self._result is None:
            self._settled = self._settled or anyio.Event()
            await self._settled.wait()
        assert self._result is not None
        return self._result

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a prompt of the block.

        :raises KeyError: if the block has no open prompt of this id.
        """
        answered, answers = self._prompts[prompt_id]
        answers.append(answer)
        answered.set()

    async def ask(self, question: ClientPrompt, send: Callable[[ClientPrompt], None]) -> PromptAnswer:
        """Send a prompt and wait for its answer; called by `ExecutionContext.prompt_client`."""
        answered, answers = self._prompts[question.prompt_id] = (anyio.Event(), [])
        try:
            send(question)
            await answered.wait()
            return answers[0]
        finally:
            del self._prompts[question.prompt_id]

    def settle(self, status: ExecutionStatus, result: BlockResult) -> None:
        """Set the final status and result; called once, by the block runner.

        :raises RuntimeError: if it is settled already.
        """
        if self._status.is_settled:
            raise RuntimeError(f"execution {self.id} is settled already: {self._status}")
        self._status, self._result = status, result
        if self._settled is not None:
            self._settled.set()

    def __repr__(self) -> str:
        return f"<ExecutionHandle {self.block_id} {self._status}>"
