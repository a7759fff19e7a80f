"""Types code into a shell as a person would: the next line when the shell asks for it, or a program waits for one.

The shell marks its prompts in its output (see `terminal_shells`), with the exit status of the last command. So nothing
is typed ahead into a command that reads what was not meant for it, or throws away what came before its question; and
when the last line is done, the shell is told that there is no more.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

SILENT_PAUSE = 1.0
ASKING_PAUSE = 0.1
_ENTER = b"\r"
_END_OF_INPUT = b"\x04"
_LONGEST_MARK = 64
_LONGEST_LAST_LINE = 1 << 12
_LAST_LINE = re.compile(rb"\$ (?:exit\r?\n|\r?\n)?")


class _Shell(Enum):
    """What the shell is at: not there yet, busy with a command, asking for one, for more of one, or refusing one."""

    STARTING = auto()
    BUSY = auto()
    ASKS = auto()
    ASKS_MORE = auto()
    REFUSES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there is to be seen of a terminal, beside its output.

    silence: for how long nobody said or typed anything, in seconds.
    asks: a program reads single keys, or hides what is typed: it is there to be talked to.
    has_unread: nobody has read yet what was typed.
    is_shell_in_front: no other program has the terminal, as far as can be told.
    """

    silence: float
    asks: bool = False
    has_unread: bool = False
    is_shell_in_front: bool = True


class Typist:
    """Hears what a terminal says, and says what to type. It knows no clock and no terminal: its owner tells.

    lines: the code. mark: what the shell's marks begin with; None for a program that makes none.
    status: the exit status of the last command, once all was typed and is done; None before.
    """

    def __init__(self, lines: Iterable[str], mark: str | None) -> None:
        self._lines = deque(lines)
        self._last_typed = ""
        self._mark = re.compile(rb"\x1b\]%b([PC2E])(?:;(\d+);(\d+))?\x07" % re.escape(f"{mark};".encode()))
        self._mark_begins = f"\x1b]{mark};".encode()
        self._shell = _Shell.BUSY if mark is None else _Shell.STARTING
        self._prompt_number = b""
        self._typed_ahead = False
        self._endings = 0
        self._held = b""
        self._last_line: bytes | None = None
        self.status: int | None = None

    def hear(self, data: bytes) -> bytes:
        """Take what the terminal said; gives what is meant for people."""
        data, shown = self._held + data, bytearray()
        at = 0
        for mark in self._mark.finditer(data):
            shown += self._show(data[at : mark.start()])
            self._note(*mark.groups())
            at = mark.end()
        cut = self._undecided(data, at)
        self._held = data[cut:]
        return bytes(shown + self._show(data[at:cut]))

    def hear_end(self) -> bytes:
        """What is still to be shown when the terminal has said its last: all but the prompt that got no command."""
        last, self._last_line = self._last_line or b"", None
        return _LAST_LINE.sub(b"", last, count=1) + self._held

    def keys(self, look: Look) -> bytes | None:
        """What to type now; None: nothing."""
        if self._shell in (_Shell.STARTING, _Shell.REFUSES) or look.has_unread:
            return None
        if not self._is_asked and not self._may_go_ahead(look):
            return None
        return self._next_line() if self._lines else self._end()

    @property
    def may_type_in_silence(self) -> bool:
        """True if something may be to be typed though the shell does not ask for it."""
        return bool(self._lines) or self._typed_ahead

    @property
    def problem(self) -> str | None:
        """Why this can't come to a good end; None if it can."""
        if self._shell is _Shell.REFUSES:
            return f"the shell can't read line {self._last_typed!r}"
        if self._shell is _Shell.ASKS_MORE and not self._lines and not self._typed_ahead:
            return "the code is not complete: the shell waits for more of it"
        return None

    @property
    def state(self) -> str:
        """What it waits for, for people who wonder."""
        if self._shell is _Shell.STARTING:
            return "the shell never came to its prompt"
        left = f"; lines that were not typed: {len(self._lines)}" if self._lines else ""
        return f"`{self._last_typed}` was not done: answer it, end it, or raise the timeout{left}"

    @property
    def _is_asked(self) -> bool:
        return self._shell in (_Shell.ASKS, _Shell.ASKS_MORE) and not self._typed_ahead

    def _may_go_ahead(self, look: Look) -> bool:
        """True if a program waits for a line, or one did take what was typed ahead, as it seems."""
        if self._shell is _Shell.BUSY:
            return look.silence >= (ASKING_PAUSE if look.asks else SILENT_PAUSE)
        return look.silence >= ASKING_PAUSE and look.is_shell_in_front

    def _next_line(self) -> bytes:
        self._typed_ahead = self._shell is _Shell.BUSY
        self._shell = _Shell.BUSY
        self._last_typed = self._lines.popleft()
        return self._last_typed.encode(errors="surrogateescape") + _ENTER

    def _end(self) -> bytes | None:
        """Tell the shell that there is no more: a second time if it warns of jobs, then in so many words."""
        if self._shell is not _Shell.ASKS:
            return None
        self._typed_ahead = False
        self._shell = _Shell.BUSY
        self._endings += 1
        return _END_OF_INPUT if self._endings <= 2 else b"exit" + _ENTER

    def _note(self, kind: bytes, number: bytes | None, status: bytes | None) -> None:
        match kind:
            case b"P" if number != self._prompt_number:
                self._note_prompt(number or b"", int(status or 0))
            case b"2":
                self._shell, self._typed_ahead = _Shell.ASKS_MORE, False
            case b"C":
                self._shell, self._typed_ahead = _Shell.BUSY, False
            case b"E":
                self._shell = _Shell.REFUSES

    def _note_prompt(self, number: bytes, status: int) -> None:
        """A prompt; a second one with nothing typed in between says that the shell took what was typed ahead."""
        if self._shell is _Shell.ASKS:
            self._typed_ahead = False
        self._prompt_number = number
        self._shell = _Shell.ASKS
        if not self._lines and not self._endings:
            self.status = status
            if not self._typed_ahead:
                self._last_line = b""

    def _show(self, data: bytes) -> bytes:
        """All of it, until the last prompt has come: what follows is held back for a while."""
        if self._last_line is None:
            return data
        self._last_line += data
        return b"" if len(self._last_line) < _LONGEST_LAST_LINE else self.hear_end()

    def _undecided(self, data: bytes, at: int) -> int:
        """Where at the end a mark may have begun."""
        begun = data.rfind(b"\x1b", at)
        rest = data[begun:]
        length = min(len(rest), len(self._mark_begins))
        is_mark = begun >= 0 and rest[:length] == self._mark_begins[:length] and len(rest) < _LONGEST_MARK
        return begun if is_mark else len(data)
