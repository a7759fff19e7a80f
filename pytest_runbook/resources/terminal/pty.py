"""Pseudo-terminals: what local and remote ones have in common, the store of open ones, and the loop that types code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ..process.process_group import Grace
from .shell_driver import PROMPT_PAUSE, ShellDriver, TerminalSnapshot

HANGUP_GRACE = Grace(hangup=2.0, interrupt=0.0)
"""How long the programs of a terminal may take to end: interactive shells end on a hangup, not on an interrupt."""


@dataclass(frozen=True, slots=True)
class PtySize:
    """A terminal's height and width in characters."""

    rows: int = 20
    cols: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class PtyOutcome:
    """How a program in a terminal ended.

    exit_code: None if a signal ended it. signal: the signal's name, such as ``SIGKILL``.
    seconds: from its start to its own end.
    """

    exit_code: int | None
    signal: str | None
    seconds: float


class Pty(Protocol):
    """A terminal with a program in it, on this machine or a host."""

    @property
    def has_ended(self) -> bool:
        """True once the program has ended and all its output has been read."""

    def snapshot(self) -> TerminalSnapshot:
        """Return the terminal's state."""

    async def wait(self, at_most: float) -> None:
        """Wait until there is output or the program ends; at_most: seconds."""

    def write(self, data: bytes) -> None:
        """Type data."""

    def resize(self, size: PtySize) -> None:
        """Change the size; the program is notified."""

    def kill(self) -> None:
        """Hang up, and end what ignores the hangup."""


async def drive_shell(pty: Pty, driver: ShellDriver) -> None:
    """Type what the driver returns until the program has ended or the driver has a problem."""
    while not pty.has_ended and driver.problem is None:
        keystrokes = driver.next_input(pty.snapshot())
        if keystrokes is not None:
            pty.write(keystrokes)
        await pty.wait(PROMPT_PAUSE if driver.needs_polling else math.inf)


class PtyStore:
    """The open terminals, for a program that shows them and lets a user type."""

    def __init__(self) -> None:
        self._open: dict[str, Pty] = {}

    @property
    def ids(self) -> Sequence[str]:
        """The ids of the open terminals, oldest first. Each is the id of the execution that it belongs to."""
        return tuple(self._open)

    @contextmanager
    def registered(self, pty_id: str, pty: Pty) -> Iterator[None]:
        """Keep a terminal in the store until the block is left."""
        self._open[pty_id] = pty
        try:
            yield
        finally:
            del self._open[pty_id]

    def write_pty(self, pty_id: str, data: bytes) -> None:
        """Type data into a terminal.

        :raises KeyError: if no terminal of this id is open.
        """
        self._open[pty_id].write(data)

    def resize_pty(self, pty_id: str, *, rows: int, cols: int) -> None:
        """Change a terminal's size.

        :raises KeyError: if no terminal of this id is open.
        :raises ValueError: if the size is out of range.
        """
        if not (0 < rows <= 65_535 and 0 < cols <= 65_535):
            raise ValueError(f"{rows} rows and {cols} columns are no size of a terminal")
        self._open[pty_id].resize(PtySize(rows, cols))

    def kill_pty(self, pty_id: str) -> None:
        """Hang up on a terminal's programs, and end those that ignore the hangup.

        :raises KeyError: if no terminal of this id is open.
        """
        self._open[pty_id].kill()
