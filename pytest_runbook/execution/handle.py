"""One execution of one block, as those see it who started it."""

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
    """A running or settled execution. Made inside the event loop, and used there.

    id: unique to this execution. limit: how long it may take.
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
        """What came of it, None while it runs."""
        return self._result

    @property
    def cancellation(self) -> Cancelled | None:
        """Why it is to end, None if nobody asked for that."""
        return self._cancellation

    def cancel(self, reason: str = "cancelled") -> None:
        """Ask the block to end; the first reason counts, a deadline that passed included."""
        if self._status.is_settled or self.scope.cancel_called:
            return
        self._cancellation = Cancelled(reason)
        self.scope.cancel()

    def tighten_deadline(self, limit: TimeLimit) -> None:
        """Have it end sooner, if it would not anyway."""
        deadline = anyio.current_time() + limit.seconds
        if deadline < self.scope.deadline:
            self.limit, self.scope.deadline = limit, deadline

    async def wait(self) -> BlockResult:
        """Wait until it is settled. Cancelling the wait leaves the execution alone."""
        if self._result is None:
            self._settled = self._settled or anyio.Event()
            await self._settled.wait()
        assert self._result is not None
        return self._result

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a question that the block asked.

        :raises KeyError: if it asked none of this id.
        """
        answered, answers = self._prompts[prompt_id]
        answers.append(answer)
        answered.set()

    async def ask(self, question: ClientPrompt, send: Callable[[ClientPrompt], None]) -> PromptAnswer:
        """Send a question and wait for its answer; for `ExecutionContext.prompt_client`."""
        answered, answers = self._prompts[question.prompt_id] = (anyio.Event(), [])
        try:
            send(question)
            await answered.wait()
            return answers[0]
        finally:
            del self._prompts[question.prompt_id]

    def settle(self, status: ExecutionStatus, result: BlockResult) -> None:
        """Make it final, once; for the lifecycle.

        :raises RuntimeError: if it is final already.
        """
        if self._status.is_settled:
            raise RuntimeError(f"execution {self.id} is settled already: {self._status}")
        self._status, self._result = status, result
        if self._settled is not None:
            self._settled.set()

    def __repr__(self) -> str:
        return f"<ExecutionHandle {self.block_id} {self._status}>"
