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
PROMPT_PAUSE = 0.1
_ENTER = b"\r"
_END_OF_INPUT = b"\x04"
_LONGEST_MARK = 64
_LONGEST_LAST_LINE = 1 << 12
_LAST_LINE = re.compile(rb"\$ (?:exit\r?\n|\r?\n)?")


class _ShellState(Enum):
    """What the shell is at: not there yet, busy with a command, asking for one, for more of one, or refusing one."""

    STARTING = auto()
    BUSY = auto()
    AT_PROMPT = auto()
    AT_CONTINUATION = auto()
    REJECTED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSnapshot:
    """What there is to be seen of a terminal, beside its output.

    silence: for how long nobody said or typed anything, in seconds.
    awaits_input: a program reads single keys, or hides what is typed: it is there to be talked to.
    has_unread_input: nobody has read yet what was typed.
    is_shell_in_foreground: no other program has the terminal, as far as can be told.
    """

    silence: float
    awaits_input: bool = False
    has_unread_input: bool = False
    is_shell_in_foreground: bool = True


class ShellDriver:
    """Hears what a terminal says, and says what to type. It knows no clock and no terminal: its owner tells.

    lines: the code. prompt_mark: what the shell's marks begin with; None for a program that makes none.
    status: the exit status of the last command, once all was typed and is done; None before.
    """

    def __init__(self, lines: Iterable[str], prompt_mark: str | None) -> None:
        self._lines = deque(lines)
        self._last_typed = ""
        self._prompt_mark = re.compile(
            rb"\x1b\]%b([PC2E])(?:;(\d+);(\d+))?\x07" % re.escape(f"{prompt_mark};".encode())
        )
        self._prompt_mark_prefix = f"\x1b]{prompt_mark};".encode()
        self._shell_state = _ShellState.BUSY if prompt_mark is None else _ShellState.STARTING
        self._prompt_number = b""
        self._typed_ahead = False
        self._eof_count = 0
        self._incomplete = b""
        self._last_line: bytes | None = None
        self.status: int | None = None

    def feed_data(self, data: bytes) -> bytes:
        """Take what the terminal said; gives what is meant for people."""
        data, shown = self._incomplete + data, bytearray()
        at = 0
        for mark in self._prompt_mark.finditer(data):
            shown += self._show(data[at : mark.start()])
            self._process_mark(*mark.groups())
            at = mark.end()
        cut = self._incomplete_mark_start(data, at)
        self._incomplete = data[cut:]
        return bytes(shown + self._show(data[at:cut]))

    def feed_eof(self) -> bytes:
        """What is still to be shown when the terminal has said its last: all but the prompt that got no command."""
        last, self._last_line = self._last_line or b"", None
        return _LAST_LINE.sub(b"", last, count=1) + self._incomplete

    def next_input(self, snapshot: TerminalSnapshot) -> bytes | None:
        """What to type now; None: nothing."""
        if self._shell_state in (_ShellState.STARTING, _ShellState.REJECTED) or snapshot.has_unread_input:
            return None
        if not self._is_prompted and not self._may_type_ahead(snapshot):
            return None
        return self._next_line() if self._lines else self._end()

    @property
    def needs_polling(self) -> bool:
        """True if something may be to be typed though the shell does not ask for it."""
        return bool(self._lines) or self._typed_ahead

    @property
    def problem(self) -> str | None:
        """Why this can't come to a good end; None if it can."""
        if self._shell_state is _ShellState.REJECTED:
            return f"the shell can't read line {self._last_typed!r}"
        if self._shell_state is _ShellState.AT_CONTINUATION and not self._lines and not self._typed_ahead:
            return "the code is not complete: the shell waits for more of it"
        return None

    @property
    def state(self) -> str:
        """What it waits for, for people who wonder."""
        if self._shell_state is _ShellState.STARTING:
            return "the shell never came to its prompt"
        remaining = f"; lines that were not typed: {len(self._lines)}" if self._lines else ""
        return f"`{self._last_typed}` was not done: answer it, end it, or raise the timeout{remaining}"

    @property
    def _is_prompted(self) -> bool:
        return self._shell_state in (_ShellState.AT_PROMPT, _ShellState.AT_CONTINUATION) and not self._typed_ahead

    def _may_type_ahead(self, snapshot: TerminalSnapshot) -> bool:
        """True if a program waits for a line, or one did take what was typed ahead, as it seems."""
        if self._shell_state is _ShellState.BUSY:
            return snapshot.silence >= (PROMPT_PAUSE if snapshot.awaits_input else SILENT_PAUSE)
        return snapshot.silence >= PROMPT_PAUSE and snapshot.is_shell_in_foreground

    def _next_line(self) -> bytes:
        self._typed_ahead = self._shell_state is _ShellState.BUSY
        self._shell_state = _ShellState.BUSY
        self._last_typed = self._lines.popleft()
        return self._last_typed.encode(errors="surrogateescape") + _ENTER

    def _end(self) -> bytes | None:
        """Tell the shell that there is no more: a second time if it warns of jobs, then in so many words."""
        if self._shell_state is not _ShellState.AT_PROMPT:
            return None
        self._typed_ahead = False
        self._shell_state = _ShellState.BUSY
        self._eof_count += 1
        return _END_OF_INPUT if self._eof_count <= 2 else b"exit" + _ENTER

    def _process_mark(self, kind: bytes, number: bytes | None, status: bytes | None) -> None:
        match kind:
            case b"P" if number != self._prompt_number:
                self._record_prompt(number or b"", int(status or 0))
            case b"2":
                self._shell_state, self._typed_ahead = _ShellState.AT_CONTINUATION, False
            case b"C":
                self._shell_state, self._typed_ahead = _ShellState.BUSY, False
            case b"E":
                self._shell_state = _ShellState.REJECTED

    def _record_prompt(self, number: bytes, status: int) -> None:
        """A prompt; a second one with nothing typed in between says that the shell took what was typed ahead."""
        if self._shell_state is _ShellState.AT_PROMPT:
            self._typed_ahead = False
        self._prompt_number = number
        self._shell_state = _ShellState.AT_PROMPT
        if not self._lines and not self._eof_count:
            self.status = status
            if not self._typed_ahead:
                self._last_line = b""

    def _show(self, data: bytes) -> bytes:
        """All of it, until the last prompt has come: what follows is held back for a while."""
        if self._last_line is None:
            return data
        self._last_line += data
        return b"" if len(self._last_line) < _LONGEST_LAST_LINE else self.feed_eof()

    def _incomplete_mark_start(self, data: bytes, at: int) -> int:
        """Where at the end a mark may have begun."""
        escape_start = data.rfind(b"\x1b", at)
        rest = data[escape_start:]
        length = min(len(rest), len(self._prompt_mark_prefix))
        is_mark = escape_start >= 0 and rest[:length] == self._prompt_mark_prefix[:length] and len(rest) < _LONGEST_MARK
        return escape_start if is_mark else len(data)
