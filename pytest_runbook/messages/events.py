"""Events of a whole run, for monitoring, logs and live views.

Source: the kinds and their wire form are those of the reference's event bus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ..context.json_form import JsonObject, wire_data

if TYPE_CHECKING:
    from collections.abc import Iterator


class EventKind(StrEnum):
    """The kinds of events. Their values are the ``type`` on the wire."""

    SERIAL_EXECUTION_STARTED = "serialExecutionStarted"
    SERIAL_EXECUTION_COMPLETED = "serialExecutionCompleted"
    SERIAL_EXECUTION_CANCELLED = "serialExecutionCancelled"
    SERIAL_EXECUTION_FAILED = "serialExecutionFailed"
    SERIAL_EXECUTION_PAUSED = "serialExecutionPaused"
    PTY_OPENED = "ptyOpened"
    PTY_CLOSED = "ptyClosed"
    BLOCK_STARTED = "blockStarted"
    BLOCK_FINISHED = "blockFinished"
    BLOCK_FAILED = "blockFailed"
    BLOCK_CANCELLED = "blockCancelled"
    SSH_CONNECTED = "sshConnected"
    SSH_CONNECTION_FAILED = "sshConnectionFailed"
    SSH_DISCONNECTED = "sshDisconnected"
    SSH_CERTIFICATE_LOAD_FAILED = "sshCertificateLoadFailed"
    SSH_CERTIFICATE_EXPIRED = "sshCertificateExpired"
    SSH_CERTIFICATE_NOT_YET_VALID = "sshCertificateNotYetValid"
    RUNBOOK_STARTED = "runbookStarted"
    RUNBOOK_COMPLETED = "runbookCompleted"
    RUNBOOK_FAILED = "runbookFailed"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. data: plain JSON values by the reference's names, with secrets masked."""

    kind: EventKind
    data: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        return {"type": self.kind.value, "data": wire_data(self.data)}


Subscriber = Callable[[Event], object]


class EventBus:
    """Calls every subscriber with each event, in the event loop's thread.

    warn: called with a message if a subscriber raises an exception. The block that runs does not fail by it.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._subscribers: list[Subscriber] = []

    @property
    def has_subscribers(self) -> bool:
        """False if no event needs to be made, because no subscriber would get it."""
        return bool(self._subscribers)

    def emit(self, event: Event) -> None:
        # A copy: a subscriber may subscribe others, or end its own subscription.
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event)
            except Exception as error:
                self._warn(f"a subscriber to events failed: {type(error).__name__}: {error}")

    def subscribe(self, subscriber: Subscriber) -> AbstractContextManager[None]:
        """Subscribe while the context manager is open."""
        return self._subscription(subscriber)

    @contextmanager
    def _subscription(self, subscriber: Subscriber) -> Iterator[None]:
        self._subscribers.append(subscriber)
        try:
            yield
        finally:
            self._subscribers.remove(subscriber)
