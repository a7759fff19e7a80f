"""What happened, for those who watch a whole run: monitoring, logs, a live view.

Source: the kinds and their wire form are those of the reference's event bus.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ..context.json_form import wire_data

if TYPE_CHECKING:
    from collections.abc import Iterator


class EventKind(StrEnum):
    """The values are the wire's ``type``."""

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
    """One thing that happened. data: plain JSON values by the reference's names, secrets masked."""

    kind: EventKind
    data: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return {"type": self.kind.value, "data": wire_data(self.data)}


Subscriber = Callable[[Event], object]


class EventBus:
    """Hands each event to everybody who subscribed, in the event loop's thread.

    warn: is told when a subscriber fails; that is not the fault of the block that ran.
    """

    def __init__(self, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._subscribers: list[Subscriber] = []

    @property
    def has_subscribers(self) -> bool:
        """False if nobody hears what is emitted, so that it need not be made."""
        return bool(self._subscribers)

    def emit(self, event: Event) -> None:
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(event)
            except Exception as error:
                self._warn(f"a subscriber to events failed: {type(error).__name__}: {error}")

    def subscribe(self, subscriber: Subscriber) -> AbstractContextManager[None]:
        """Subscribe as long as the context manager is open."""
        return self._subscription(subscriber)

    @contextmanager
    def _subscription(self, subscriber: Subscriber) -> Iterator[None]:
        self._subscribers.append(subscriber)
        try:
            yield
        finally:
            self._subscribers.remove(subscriber)
