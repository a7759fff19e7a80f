"""Where an execution's messages go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol

from anyio import create_memory_object_stream

from .client import ClientMessage


class ClientMessageChannel(Protocol):
    """Takes messages as they come. Called in the event loop's thread: it must not block, and must not raise."""

    def send(self, message: ClientMessage) -> None: ...


class Silence:
    """A channel that nobody listens to."""

    def send(self, message: ClientMessage) -> None:
        pass


class Callback:
    """Hands each message to a function."""

    def __init__(self, function: Callable[[ClientMessage], object]) -> None:
        self._function = function

    def send(self, message: ClientMessage) -> None:
        self._function(message)


class MessageStream:
    """Messages as an asynchronous iterator; what nobody has read yet waits in memory.

    >>> async for message in stream: ...
    """

    def __init__(self) -> None:
        self._sender, self._receiver = create_memory_object_stream[ClientMessage](float("inf"))

    def send(self, message: ClientMessage) -> None:
        self._sender.send_nowait(message)

    def close(self) -> None:
        """No more messages: the iteration ends after the last one."""
        self._sender.close()

    async def __aiter__(self) -> AsyncIterator[ClientMessage]:
        async with self._receiver:
            async for message in self._receiver:
                yield message
