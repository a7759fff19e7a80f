"""A terminal emulator: turns a terminal's output into the plain text that a user would have seen, with its scrollback.

Programs do not only write lines: they move the cursor, erase, overwrite, fill the whole screen and restore it. This
plays their output on a screen of cells. Colours and titles are dropped, and a line that was wrapped only because the
screen is too narrow is one line.
Source: ECMA-48, and the parts of xterm that its terminfo entry promises.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

SCROLLBACK_LIMIT = 16 << 20
_TAB = 8
_BLANK = " "
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|\x1b\[(?P<params>[0-?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b\[[0-?]*[ -/]*"  # cut off
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles and other strings
    r"|\x1b\((?P<charset>.)"
    r"|\x1b[ -/]+[0-~]?"
    r"|\x1b(?P<escape>[0-Z\\`-~])"
    r"|(?P<control>[\x08-\x0d])"
    r"|.",
    re.DOTALL,
)
_LINE_DRAWING = str.maketrans("`ajklmnoqstuvwx~", "◆▒┘┐┌└┼⎺─⎽├┤┴┬│·")
_ALTERNATE_SCREEN_MODES = ("47", "1047", "1049")


def screen_text(output: str, *, rows: int, cols: int, limit: int = SCROLLBACK_LIMIT) -> str:
    """Return the text that this output leaves on a terminal of that size and in its scrollback.

    limit: characters; beyond it the oldest lines are dropped, and a first line gives their number.
    """
    screen = Screen(rows, cols, limit)
    screen.feed(output)
    return screen.text


@dataclass(slots=True)
class _Row:
    """A row of cells: one character each, with its combining characters. A wide character is followed by an empty cell.

    is_wrapped: True if the next row is a continuation of this one.
    """

    cells: list[str] = field(default_factory=list)
    is_wrapped: bool = False

    def write(self, x: int, cells: list[str]) -> None:
        self.cells += [_BLANK] * (x - len(self.cells))
        self.cells[x : x + len(cells)] = cells

    @property
    def text(self) -> str:
        text = "".join(self.cells)
        return text if self.is_wrapped else text.rstrip()


class Screen:
    """The cells, the cursor and the scrollback."""

    def __init__(self, rows: int, cols: int, limit: int = SCROLLBACK_LIMIT) -> None:
        self._rows, self._cols, self._limit = rows, cols, limit
        self._scrollback: deque[str] = deque()
        self._scrollback_size = self._dropped_lines = 0
        self._scrollback_is_wrapped = False
        self._reset()

    def feed(self, output: str) -> None:
        """Play output. It must not end within an escape sequence."""
        for token in _TOKEN.finditer(output):
            match token.lastgroup:
                case "text":
                    self._draw(token["text"])
                case "control":
                    self._control(token["control"])
                case "final":
                    self._sequence(token["final"], token["params"])
                case "escape":
                    self._escape(token["escape"])
                case "charset":
                    self._draws_lines = token["charset"] == "0"

    @property
    def text(self) -> str:
        """The lines, without blank ones at the end; empty, or with a newline at its end."""
        lines = [f"[{self._dropped_lines} lines before]"] if self._dropped_lines else []
        lines += self._scrollback
        is_wrapped = self._scrollback_is_wrapped
        for row in self._main or self._screen:
            if is_wrapped:
                lines[-1] += row.text
            else:
                lines.append(row.text)
            is_wrapped = row.is_wrapped
        if self._main:
            lines = ["\n".join(lines).rstrip(), *(row.text for row in self._screen)]
        text = "\n".join(lines).rstrip()
        return f"{text}\n" if text else ""

    def _reset(self) -> None:
        self._screen = [_Row() for _ in range(self._rows)]
        self._main: list[_Row] | None = None
        self._y = self._x = 0
        self._saved = (0, 0)
        self._top, self._bottom = 0, self._rows - 1
        self._wraps = True
        self._inserts = self._draws_lines = False

    # Characters

    def _draw(self, text: str) -> None:
        if self._draws_lines:
            text = text.translate(_LINE_DRAWING)
        if text.isascii() and self._wraps:
            self._draw_cells(list(text))
        else:
            for character in text:
                self._draw_one(character)

    def _draw_cells(self, cells: list[str]) -> None:
        """Draw characters of one cell each, wrapping lines."""
        while cells:
            self._wrap_if_full(1)
            room = self._cols - self._x
            self._put(cells[:room])
            cells = cells[room:]

    def _draw_one(self, character: str) -> None:
        width = _width(character)
        if width == 0:
            self._combine(character)
            return
        self._wrap_if_full(width)
        self._x = min(self._x, self._cols - width)
        self._put([character] if width == 1 else [character, ""])

    def _put(self, cells: list[str]) -> None:
        row = self._screen[self._y]
        if self._inserts:
            self._insert(len(cells))
        row.write(self._x, cells)
        self._x += len(cells)

    def _combine(self, character: str) -> None:
        row = self._screen[self._y]
        at = next((x for x in range(min(self._x, len(row.cells)) - 1, -1, -1) if row.cells[x]), None)
        if at is not None:
            row.cells[at] += character

    def _wrap_if_full(self, width: int) -> None:
        if self._x + width > self._cols and self._wraps:
            self._screen[self._y].is_wrapped = True
            self._x = 0
            self._line_feed()

    def _control(self, character: str) -> None:
        match character:
            case "\r":
                self._x = 0
            case "\n" | "\v" | "\f":
                self._line_feed()
            case "\b":
                self._x = max(min(self._x, self._cols - 1) - 1, 0)
            case "\t":
                self._x = min((self._x // _TAB + 1) * _TAB, self._cols - 1)

    # Sequences

    def _escape(self, name: str) -> None:
        match name:
            case "7":
                self._saved = (self._y, self._x)
            case "8":
                self._y, self._x = self._saved
            case "D" | "E":
                self._x = 0 if name == "E" else self._x
                self._line_feed()
            case "M":
                self._line_back()
            case "c":
                self._reset()

    def _sequence(self, name: str, params: str) -> None:
        if params[:1] in ("<", "=", ">", "?"):
            if name in "hl" and params[0] == "?":
                self._private_modes(params[1:].split(";"), is_on=name == "h")
            return
        numbers = [int(number[:4] or 0) for number in params.split(";") if number.isdigit() or not number] or [0]
        count = max(numbers[0], 1)
        if name in _MOVES:
            self._y, self._x = _MOVES[name](self, count, numbers)
            self._y = max(0, min(self._y, self._rows - 1))
            self._x = max(0, min(self._x, self._cols - 1))
        elif name in _CHANGES:
            _CHANGES[name](self, count, numbers)

    def _private_modes(self, modes: list[str], *, is_on: bool) -> None:
        for mode in modes:
            if mode == "7":
                self._wraps = is_on
            elif mode in _ALTERNATE_SCREEN_MODES:
                self._switch_screen(is_on)

    def _switch_screen(self, to_alternate: bool) -> None:
        """Switch to the alternate screen, which full-screen programs use, or back."""
        if to_alternate and self._main is None:
            self._main, self._main_cursor = self._screen, (self._y, self._x)
            self._screen = [_Row() for _ in range(self._rows)]
        elif not to_alternate and self._main is not None:
            self._screen, self._main = self._main, None
            self._y, self._x = self._main_cursor
        self._top, self._bottom = 0, self._rows - 1

    # Moving lines

    def _line_feed(self) -> None:
        if self._y == self._bottom:
            self._scroll()
        elif self._y < self._rows - 1:
            self._y += 1

    def _line_back(self) -> None:
        if self._y == self._top:
            self._scroll_back()
        elif self._y > 0:
            self._y -= 1

    def _scroll(self) -> None:
        if self._top == 0 and self._main is None:
            self._store_scrollback(self._screen[0])
        self._delete_line(self._top)

    def _scroll_back(self) -> None:
        self._insert_line(self._top)

    def _scroll_by(self, scroll: Callable[[], None], count: int) -> None:
        for _ in range(min(count, self._rows)):
            scroll()

    def _delete_line(self, y: int) -> None:
        del self._screen[y]
        self._screen.insert(self._bottom, _Row())

    def _insert_line(self, y: int) -> None:
        del self._screen[self._bottom]
        self._screen.insert(y, _Row())

    def _store_scrollback(self, row: _Row) -> None:
        if self._scrollback_is_wrapped and self._scrollback:
            self._scrollback[-1] += row.text
        else:
            self._scrollback.append(row.text)
        self._scrollback_is_wrapped = row.is_wrapped
        self._scrollback_size += len(row.cells) + 1
        while self._scrollback_size > self._limit and len(self._scrollback) > 1:
            self._scrollback_size -= len(self._scrollback.popleft()) + 1
            self._dropped_lines += 1

    # Changing lines

    def _clear(self, rows: range) -> None:
        for y in rows:
            self._screen[y] = _Row()

    def _erase_display(self, how: int) -> None:
        if how == 0:
            self._erase_line(0)
            self._clear(range(self._y + 1, self._rows))
        elif how == 1:
            self._clear(range(self._y))
            self._erase_line(1)
        elif how == 2:
            self._clear(range(self._rows))

    def _erase_line(self, how: int) -> None:
        row = self._screen[self._y]
        if how == 0:
            del row.cells[self._x :]
            row.is_wrapped = False
        elif how == 1:
            row.write(0, [_BLANK] * min(self._x + 1, self._cols))
        elif how == 2:
            self._screen[self._y] = _Row()

    def _insert(self, count: int) -> None:
        cells = self._screen[self._y].cells
        if self._x < len(cells):  # else there is nothing to move
            cells[self._x : self._x] = [_BLANK] * min(count, self._cols - self._x)
            del cells[self._cols :]

    def _delete(self, count: int) -> None:
        del self._screen[self._y].cells[self._x : self._x + count]

    def _erase(self, count: int) -> None:
        row = self._screen[self._y]
        row.write(self._x, [_BLANK] * min(count, self._cols - self._x))

    def _change_lines(self, change: Callable[[int], None], count: int) -> None:
        """Insert or delete lines at the cursor, and move the cursor to the beginning of its line."""
        y = self._y
        if self._top <= y <= self._bottom:
            for _ in range(min(count, self._rows)):
                change(y)
            self._x = 0

    def _set_margins(self, numbers: list[int]) -> None:
        top, bottom = (*numbers, 0, 0)[:2]
        top, bottom = max(top, 1) - 1, min(bottom or self._rows, self._rows) - 1
        if top < bottom:
            self._top, self._bottom = top, bottom
            self._y = self._x = 0

    def _set_modes(self, numbers: list[int], *, is_on: bool) -> None:
        if 4 in numbers:
            self._inserts = is_on

    def _save(self) -> None:
        self._saved = (self._y, self._x)


_Position = tuple[int, int]
_MOVES: dict[str, Callable[[Screen, int, list[int]], _Position]] = {
    "A": lambda at, count, _: (at._y - count, at._x),
    "B": lambda at, count, _: (at._y + count, at._x),
    "e": lambda at, count, _: (at._y + count, at._x),
    "C": lambda at, count, _: (at._y, at._x + count),
    "a": lambda at, count, _: (at._y, at._x + count),
    "D": lambda at, count, _: (at._y, min(at._x, at._cols - 1) - count),
    "E": lambda at, count, _: (at._y + count, 0),
    "F": lambda at, count, _: (at._y - count, 0),
    "G": lambda at, count, _: (at._y, count - 1),
    "`": lambda at, count, _: (at._y, count - 1),
    "d": lambda at, count, _: (count - 1, at._x),
    "H": lambda at, count, numbers: (count - 1, max((*numbers, 1)[1], 1) - 1),
    "f": lambda at, count, numbers: (count - 1, max((*numbers, 1)[1], 1) - 1),
    "u": lambda at, _, __: at._saved,
}
_CHANGES: dict[str, Callable[[Screen, int, list[int]], None]] = {
    "J": lambda at, _, numbers: at._erase_display(numbers[0]),
    "K": lambda at, _, numbers: at._erase_line(numbers[0]),
    "L": lambda at, count, _: at._change_lines(at._insert_line, count),
    "M": lambda at, count, _: at._change_lines(at._delete_line, count),
    "S": lambda at, count, _: at._scroll_by(at._scroll, count),
    "T": lambda at, count, _: at._scroll_by(at._scroll_back, count),
    "P": lambda at, count, _: at._delete(count),
    "X": lambda at, count, _: at._erase(count),
    "@": lambda at, count, _: at._insert(count),
    "r": lambda at, _, numbers: at._set_margins(numbers),
    "h": lambda at, _, numbers: at._set_modes(numbers, is_on=True),
    "l": lambda at, _, numbers: at._set_modes(numbers, is_on=False),
    "s": lambda at, _, __: at._save(),
}


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
