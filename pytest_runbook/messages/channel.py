"""Channels, to which an execution sends its messages."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import anyio

from .client_messages import ClientMessage


class ClientMessageChannel(Protocol):
    """Receives messages as they are sent. Called in the event loop's thread: it must not block."""

    def send(self, message: ClientMessage) -> None: ...


class NullChannel:
    """Drops every message. An execution does not even make the messages that it would send here."""

    def send(self, message: ClientMessage) -> None:
        pass


class CallbackChannel:
    """Calls a function with each message."""

    def __init__(self, function: Callable[[ClientMessage], object]) -> None:
        self._function = function

    def send(self, message: ClientMessage) -> None:
        self._function(message)


class GuardedChannel:
    """Passes messages on to another channel.
    If that raises an exception, a warning is recorded, and the block goes on.
    """

    def __init__(self, channel: ClientMessageChannel, warn: Callable[[str], object]) -> None:
        self._channel = channel
        self._warn = warn

    def send(self, message: ClientMessage) -> None:
        try:
            self._channel.send(message)
        except Exception as error:
            self._warn(f"a message channel failed: {type(error).__name__}: {error}")


class MessageStream:
    """Messages as an asynchronous iterator for one reader. Unread messages are kept in memory.

    >>> async for message in stream: ...
    """

    def __init__(self) -> None:
        self._queue: deque[ClientMessage] = deque()
        self._is_closed = False
        self._changed = anyio.Event()

    def send(self, message: ClientMessage) -> None:
        self._queue.append(message)
        self._changed.set()

    def close(self) -> None:
        """End the iteration after the last message."""
        self._is_closed = True
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[ClientMessage]:
        return self

    async def __anext__(self) -> ClientMessage:
        while not self._queue:
            if self._is_closed:
                raise StopAsyncIteration
            self._changed = anyio.Event()  # an anyio event can't be cleared
            await self._changed.wait()
        return self._queue.popleft()
