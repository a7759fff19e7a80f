"""A file as text, its parsed value with lines, and its faults."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from ...errors import FileError, Location, UnreadableFile
from ...text import escape_controls
from .json_tree import parse_json
from .located import SyntaxFault, split_lines
from .yaml_traps import explain_fault, line_as_quoted
from .yaml_tree import parse_yaml

FILE_SIZE_LIMIT = 50_000_000
_COMMENT = re.compile(r"[ \t]#")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(slots=True)
class SourceFile:
    """One file: its location in reports, its text, its faults so far.

    Faults are collected, so that all of them are reported at once; `raise_faults` ends the reading.
    """

    location: Location
    is_json: bool = False  # also for Markdown: not YAML, so that no hint is about YAML
    text: str = ""
    faults: list[FileError] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _has_comments: bool | None = None

    def add_fault(
        self, message: str, *, line: int | None = None, block: str | None = None, hint: str | None = None
    ) -> None:
        """Add a fault; reading goes on."""
        safe_hint = None if hint is None else _one_line(hint)
        self.faults.append(FileError(_one_line(message), location=self.location.at(line), block=block, hint=safe_hint))

    def fail(self, message: str, *, line: int | None = None, hint: str | None = None) -> NoReturn:
        """End the reading with a fault that makes the rest meaningless.

        :raises UnreadableFile: always.
        """
        self.add_fault(message, line=line, hint=hint)
        raise UnreadableFile(self.faults)

    def raise_faults(self) -> None:
        """End the reading.

        :raises UnreadableFile: if any fault was found.
        """
        if self.faults:
            raise UnreadableFile(sorted(self.faults, key=lambda fault: (fault.location and fault.location.line) or 0))

    @property
    def has_comments(self) -> bool:
        """True if YAML may have taken the end of a value for a comment."""
        if self._has_comments is None:
            self._has_comments = not self.is_json and _COMMENT.search(self.text) is not None
        return self._has_comments

    def line(self, number: int) -> str:
        """Return the text of a 1-based line; "" if the file has no such line."""
        if not self._lines:
            self._lines = split_lines(self.text)
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def quoted_line(self, line: int) -> str | None:
        """Return a line with its value in quotes; None if that makes no sense."""
        return None if self.is_json else line_as_quoted(self.line(line))


def _one_line(text: str) -> str:
    """Return a message with parts of the file in it on one line, safe to print."""
    return escape_controls(text).replace("\n", "\\n")


def read_source(path: Path, location: Location) -> tuple[SourceFile, object]:
    """Return the source of a file and its value.

    :raises UnreadableFile: if it can't be opened, decoded or parsed.
    """
    source = SourceFile(location, is_json=path.suffix.lower() == ".json")
    try:
        source.text = _decoded(_content(path))
        return source, _parsed(source)
    except SyntaxFault as fault:
        source.fail(fault.message, line=fault.line, hint=fault.hint)


def read_text(path: Path, location: Location) -> SourceFile:
    """Return the source of a file whose text is neither YAML nor JSON.

    :raises UnreadableFile: if it can't be opened or decoded.
    """
    source = SourceFile(location, is_json=True)
    try:
        source.text = _decoded(_content(path))
    except SyntaxFault as fault:
        source.fail(fault.message, line=fault.line, hint=fault.hint)
    return source


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise SyntaxFault("is a folder, not a file")
        size = path.stat().st_size
        if size > FILE_SIZE_LIMIT:
            raise SyntaxFault(f"too large for a runbook: {size:,} bytes; at most {FILE_SIZE_LIMIT:,} are read")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SyntaxFault(f"can't be read: {reason or error}") from error


def _decoded(content: bytes) -> str:
    if content.startswith(_UTF_16):
        raise SyntaxFault("encoded as UTF-16", 1, "save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SyntaxFault(f"byte 0x{content[error.start]:02x} is not UTF-8", line, "save the file as UTF-8") from error
    if not text.strip():
        raise SyntaxFault("the file is empty")
    return text


def _parsed(source: SourceFile) -> object:
    tree = parse_json(source.text) if source.is_json else _parsed_by_content(source)
    if tree is None:
        raise SyntaxFault("the file is empty")
    return tree


def _parsed_by_content(source: SourceFile) -> object:
    """Parse a text that is YAML by its name.

    One that begins like JSON is parsed as JSON first: YAML refuses surrogate pairs and very long keys.
    """
    if source.text.lstrip().startswith(("{", "[")):
        with suppress(SyntaxFault):
            tree = parse_json(source.text)
            source.is_json = True
            return tree
    return _parsed_yaml(source.text)


def _parsed_yaml(text: str) -> object:
    try:
        return parse_yaml(text)
    except SyntaxFault as fault:
        raise explain_fault(fault, text) from fault
