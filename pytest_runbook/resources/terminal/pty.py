"""Terminals: what they have in common wherever their programs run, who may type into them, and code that is typed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from .shell_driver import PROMPT_PAUSE, ShellDriver, TerminalSnapshot


@dataclass(frozen=True, slots=True)
class PtySize:
    """A terminal's height and width in characters."""

    rows: int = 20
    cols: int = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class PtyOutcome:
    """How a program in a terminal ended.

    exit_code: None where a signal ended it.
    signal: its name, such as ``SIGKILL``.
    seconds: from its start to its own end.
    """

    exit_code: int | None
    signal: str | None
    seconds: float


class Pty(Protocol):
    """A terminal with a program in it, here or elsewhere."""

    @property
    def has_ended(self) -> bool:
        """True once its program has ended and all that it said is heard."""

    def snapshot(self) -> TerminalSnapshot:
        """How it looks right now."""

    async def wait(self, at_most: float) -> None:
        """Wait until something is said, or it ends; at_most: seconds."""

    def write(self, data: bytes) -> None:
        """Type something."""

    def resize(self, size: PtySize) -> None:
        """Change its size; the program is told."""

    def kill(self) -> None:
        """Hang up, and end what does not heed that."""


async def drive_shell(pty: Pty, driver: ShellDriver) -> None:
    """Let someone type until the program has ended, or the typist has a problem."""
    while not pty.has_ended and driver.problem is None:
        keystrokes = driver.next_input(pty.snapshot())
        if keystrokes is not None:
            pty.write(keystrokes)
        await pty.wait(PROMPT_PAUSE if driver.needs_polling else math.inf)


class PtyStore:
    """The terminals that are open, for a program that shows them and lets people type."""

    def __init__(self) -> None:
        self._open: dict[str, Pty] = {}

    @property
    def ids(self) -> Sequence[str]:
        """Those of the terminals that are open, the oldest first: each that of the execution it belongs to."""
        return tuple(self._open)

    @contextmanager
    def registered(self, pty_id: str, pty: Pty) -> Iterator[None]:
        """Let others at a terminal for a while."""
        self._open[pty_id] = pty
        try:
            yield
        finally:
            del self._open[pty_id]

    def write_pty(self, pty_id: str, data: bytes) -> None:
        """Type something into a terminal.

        :raises KeyError: if none of this id is open.
        """
        self._open[pty_id].write(data)

    def resize_pty(self, pty_id: str, *, rows: int, cols: int) -> None:
        """Change a terminal's size.

        :raises KeyError: if none of this id is open.
        :raises ValueError: if that is no size.
        """
        if not (0 < rows <= 65_535 and 0 < cols <= 65_535):
            raise ValueError(f"{rows} rows and {cols} columns are no size of a terminal")
        self._open[pty_id].resize(PtySize(rows, cols))

    def kill_pty(self, pty_id: str) -> None:
        """Hang up on a terminal's programs, and end those that do not heed it.

        :raises KeyError: if none of this id is open.
        """
        self._open[pty_id].kill()
