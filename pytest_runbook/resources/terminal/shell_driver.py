"""Types code into a shell line by line: the next line when the shell shows a prompt, or when a program waits for input.

The shell marks its prompts in its output (see `terminal.shells`), with the exit status of the last command. So no line
is typed ahead into a command that would read it by mistake, or that discards its input before it asks a question. When
the last line is done, the shell gets an end of input.
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
_END_OF_INPUT = b"\x04"  # Ctrl-D
_LONGEST_MARK = 64
_LONGEST_LAST_LINE = 1 << 12
_LAST_LINE = re.compile(rb"\$ (?:exit\r?\n|\r?\n)?")


class _ShellState(Enum):
    """The shell's state, as its marks show it.

    STARTING: no prompt yet. BUSY: it runs a command. AT_CONTINUATION: it waits for the rest of a command.
    REJECTED: it can't parse a command.
    """

    STARTING = auto()
    BUSY = auto()
    AT_PROMPT = auto()
    AT_CONTINUATION = auto()
    REJECTED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSnapshot:
    """The state of a terminal at one moment, apart from its output.

    silence: seconds since the last output or input.
    awaits_input: a program reads single keys or hides what is typed, so it waits for input.
    has_unread_input: typed input has not been read yet.
    is_shell_in_foreground: no other program is in the foreground, as far as can be found out.
    """

    silence: float
    awaits_input: bool = False
    has_unread_input: bool = False
    is_shell_in_foreground: bool = True


class ShellDriver:
    """A state machine that reads a terminal's output and returns what to type. It does no I/O and reads no clock.

    lines: the code. prompt_mark: the beginning of the shell's marks; None for a program that makes none.
    status: the exit status of the last command, once all lines are typed and done; None before.
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
        """Process output of the terminal; return it without the marks."""
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
        """Process the end of the output; return what was held back, but not a last prompt without a command."""
        last, self._last_line = self._last_line or b"", None
        return _LAST_LINE.sub(b"", last, count=1) + self._incomplete

    def next_input(self, snapshot: TerminalSnapshot) -> bytes | None:
        """Return what to type now; None: nothing."""
        if self._shell_state in (_ShellState.STARTING, _ShellState.REJECTED) or snapshot.has_unread_input:
            return None
        if not self._is_prompted and not self._may_type_ahead(snapshot):
            return None
        return self._next_line() if self._lines else self._end()

    @property
    def needs_polling(self) -> bool:
        """True if `next_input` may return something without new output."""
        return bool(self._lines) or self._typed_ahead

    @property
    def problem(self) -> str | None:
        """Why the code can't be run to its end; None if it can."""
        if self._shell_state is _ShellState.REJECTED:
            return f"the shell can't read line {self._last_typed!r}"
        if self._shell_state is _ShellState.AT_CONTINUATION and not self._lines and not self._typed_ahead:
            return "the code is not complete: the shell waits for more of it"
        return None

    @property
    def state(self) -> str:
        """What it waits for, in display form."""
        if self._shell_state is _ShellState.STARTING:
            return "the shell never came to its prompt"
        remaining = f"; lines that were not typed: {len(self._lines)}" if self._lines else ""
        return f"`{self._last_typed}` was not done: answer it, end it, or raise the timeout{remaining}"

    @property
    def _is_prompted(self) -> bool:
        return self._shell_state in (_ShellState.AT_PROMPT, _ShellState.AT_CONTINUATION) and not self._typed_ahead

    def _may_type_ahead(self, snapshot: TerminalSnapshot) -> bool:
        """Return True if a program waits for a line, or seems to have read the line that was typed ahead."""
        if self._shell_state is _ShellState.BUSY:
            return snapshot.silence >= (PROMPT_PAUSE if snapshot.awaits_input else SILENT_PAUSE)
        return snapshot.silence >= PROMPT_PAUSE and snapshot.is_shell_in_foreground

    def _next_line(self) -> bytes:
        self._typed_ahead = self._shell_state is _ShellState.BUSY
        self._shell_state = _ShellState.BUSY
        self._last_typed = self._lines.popleft()
        return self._last_typed.encode(errors="surrogateescape") + _ENTER

    def _end(self) -> bytes | None:
        """Return the end of input.

        A shell that has jobs warns and ignores the first one; so it gets a second one, and then ``exit``.
        """
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
        """Process the mark of a prompt.

        A second prompt with nothing typed in between shows that the shell read the line that was typed ahead.
        """
        if self._shell_state is _ShellState.AT_PROMPT:
            self._typed_ahead = False
        self._prompt_number = number
        self._shell_state = _ShellState.AT_PROMPT
        if not self._lines and not self._eof_count:
            self.status = status
            if not self._typed_ahead:
                self._last_line = b""

    def _show(self, data: bytes) -> bytes:
        """Return data to show; once the last prompt has come, hold back up to `_LONGEST_LAST_LINE` bytes."""
        if self._last_line is None:
            return data
        self._last_line += data
        return b"" if len(self._last_line) < _LONGEST_LAST_LINE else self.feed_eof()

    def _incomplete_mark_start(self, data: bytes, at: int) -> int:
        """Return where a mark may begin that is cut off at the end of the data; the data's length if there is none."""
        escape_start = data.rfind(b"\x1b", at)
        rest = data[escape_start:]
        length = min(len(rest), len(self._prompt_mark_prefix))
        is_mark = escape_start >= 0 and rest[:length] == self._prompt_mark_prefix[:length] and len(rest) < _LONGEST_MARK
        return escape_start if is_mark else len(data)
