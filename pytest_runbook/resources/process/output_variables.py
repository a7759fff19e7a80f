"""Output variables: the file into which a script writes ``NAME=value``, and the file's grammar."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from ...errors import BlockFailed

SIZE_LIMIT = 16 << 20
NOT_A_FILE = "it is no file any more"
VARIABLE_NAMES = ("ATUIN_OUTPUT_VARS", "RUNBOOK_OUTPUT_VARS")


def parse_output_variables(text: str) -> dict[str, str]:
    """Return the variables of an output-variable file; a later line wins.

    A line is ``NAME=value``, both taken as they are, or ``NAME<<END`` followed by the lines of the value and a line
    ``END``. Other lines are ignored.
    :raises BlockFailed: if a variable has no name.
    Source: the runbook format, except for the error.
    """
    lines = enumerate((line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")), start=1)
    variables: dict[str, str] = {}
    for number, line in lines:
        name, equals, value = line.partition("=")
        if header := _heredoc_header(line):
            name, delimiter = header
            variables[name] = "\n".join(_heredoc_body(lines, delimiter))
        elif equals and not name.strip():
            raise BlockFailed(
                f"output variables, line {number}: no name before the equals sign",
                hint="write NAME=value, or NAME<<END, the lines of the value, END",
            )
        elif equals:
            variables[name] = value
    return variables


def decode_output_variables(data: bytes | None, size_limit: int = SIZE_LIMIT) -> dict[str, str]:
    """Return the variables of an output-variable file's bytes.

    data: None if the path holds something other than a regular file.
    :raises BlockFailed: if data is None, is too large or not UTF-8, or a variable has no name.
    """
    if data is None:
        raise _unreadable("$RUNBOOK_OUTPUT_VARS", NOT_A_FILE)
    if len(data) > size_limit:
        raise BlockFailed(
            f"the output variables take more than {size_limit} bytes",
            hint="write large data to a file of your own, and its path to a variable",
        )
    try:
        return parse_output_variables(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BlockFailed(
            f"output variables, line {line}: byte 0x{data[error.start]:02x} is no UTF-8",
            hint="encode the value, with base64 for example",
        ) from error


def _heredoc_header(line: str) -> tuple[str, str] | None:
    """Return name and delimiter of ``NAME<<END``; None if an equals sign comes first or one of the two is missing."""
    name, marker, delimiter = line.partition("<<")
    name, delimiter = name.strip(), delimiter.strip()
    return (name, delimiter) if marker and name and delimiter and "=" not in name else None


def _heredoc_body(lines: Iterator[tuple[int, str]], delimiter: str) -> Iterator[str]:
    for _, line in lines:
        if line.strip() == delimiter:
            return
        yield line


class OutputVariablesFile:
    """An empty file for the variables of one script, removed when the context is left.

    folder: a private one: the runtime's.
    """

    def __init__(self, folder: Path, *, size_limit: int = SIZE_LIMIT) -> None:
        self.path = folder / f"vars-{uuid4().hex}.txt"
        self._size_limit = size_limit
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise BlockFailed(
                f"no file for output variables can be made in {folder}: {error.strerror}",
                hint="make room there, or set TMPDIR to another folder",
            ) from error

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which the script finds the file."""
        return dict.fromkeys(VARIABLE_NAMES, str(self.path))

    def read(self) -> dict[str, str]:
        """Return the variables that are in the file now; none if the script removed it.

        :raises BlockFailed: if it can't be read, is too large or not UTF-8, or a variable has no name.
        """
        return decode_output_variables(self.content(), self._size_limit)

    def content(self) -> bytes:
        """Return the file's content, at most one byte more than the limit; empty if the script removed it.

        :raises BlockFailed: if it can't be read.
        """
        try:
            # A script can put anything in its place, and opening a FIFO must not block.
            file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _unreadable(self.path, error.strerror) from error
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise _unreadable(self.path, NOT_A_FILE)
            return _read_up_to(file, self._size_limit + 1)
        finally:
            os.close(file)

    def close(self) -> None:
        """Remove the file, or whatever the script put in its place."""
        try:
            self.path.unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):  # macOS raises the latter for folders
            shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _read_up_to(file: int, limit: int) -> bytes:
    parts = bytearray()
    while len(parts) < limit and (part := os.read(file, limit - len(parts))):
        parts += part
    return bytes(parts)


def _unreadable(path: Path | str, reason: str | None) -> BlockFailed:
    return BlockFailed(
        f"the output variables can't be read from {path}: {reason}",
        hint="append to the file, as in: echo NAME=value >> $RUNBOOK_OUTPUT_VARS",
    )
