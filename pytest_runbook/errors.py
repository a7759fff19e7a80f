"""The errors of runbooks. All have one shape: what happened, where (file:line, block), and a hint how to fix it.

Errors of libraries are translated into these once, where they appear, with ``from``. The ``kind`` of an error is what
reports show and count.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from .text import nearest


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file in display form: ``runbooks/deploy.atrb:42``.

    path: relative to pytest's rootdir where possible.
    line: 1-based; None if only the file is known.
    """

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def at(self, line: int | None) -> Location:
        """Return another line of the same file."""
        return Location(self.path, line)

    def shifted(self, lines: int) -> Location:
        """Return the location that many lines further down; the same location if no line is known, and in JSON."""
        if self.line is None or self.path.endswith(".json"):  # JSON writes a text of several lines on one
            return self
        return Location(self.path, self.line + lines)


class RunbookError(Exception):
    """Base of all errors: what went wrong, where, and how to fix it.

    message: one line, with the actual value and the allowed ones.
    location: the line to look at; None until `with_location` adds it.
    block: the block's name in reports: ``block "Count users" (postgres)``.
    hint: what to do about it, in one line.
    detail: the message of the program or server, as far as `message` leaves it out.
    """

    kind: ClassVar[str] = "block"

    def __init__(
        self,
        message: str,
        *,
        location: Location | None = None,
        block: str | None = None,
        hint: str | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.block = block
        self.hint = hint
        self.detail = detail

    def with_location(self, location: Location | None = None, block: str | None = None) -> Self:
        """Return a copy of the error with the location and the block, unless it has them already."""
        copied = copy.copy(self)
        copied.location = self.location or location
        copied.block = self.block or block
        copied.__cause__ = self.__cause__  # copy.copy leaves it out
        return copied

    def __str__(self) -> str:
        parts = [str(part) for part in (self.location, self.block, self.message) if part is not None]
        hint = "" if self.hint is None else f"\n  hint: {self.hint}"
        return ": ".join(parts) + hint


class FileError(RunbookError):
    """The file can't be read or is invalid. Retrying can't help."""

    kind = "file"


class UnreadableFile(FileError):
    """A file with one or more errors. None of its blocks run.

    errors: all errors that were found, in the order of the file.
    """

    def __init__(self, errors: Sequence[FileError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class TemplateError(FileError):
    """A template or an expression can't be parsed or evaluated.

    line: 1-based line within the text; None if it is not known.
    name: the dotted name that is undefined (``var.base``), if that is the error.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        name: str | None = None,
        location: Location | None = None,
        block: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, location=location, block=block, hint=hint)
        self.line = line
        self.name = name


class ContextError(FileError):
    """A context block (var, env, directory, host ...) can't be evaluated."""


class BlockExecutionError(RunbookError):
    """The block was tried and did not succeed: it failed, timed out, could not reach its server, or was cancelled."""


class BlockFailed(BlockExecutionError):
    """The block's work failed: an exit code, an error of the server, a missing interpreter."""


class InvalidValue(BlockFailed):
    """A value of the block is invalid: a URI, a method, an empty query. Retrying can't help."""


class NotSerializable(BlockFailed):
    """The server answered, but the answer can't be converted to plain data."""


class AssertionsFailed(RunbookError):
    """The block did its work, but an assertion of its author does not hold."""

    kind = "assertion"


class TimedOut(BlockExecutionError):
    """A deadline passed: the block's, the runbook's, or pytest's."""

    kind = "timeout"


class Unreachable(BlockExecutionError):
    """The server could not be reached: connection refused, no route, unknown name, failed authentication."""

    kind = "unreachable"


class BlockSkipped(RunbookError):
    """The block was not tried. It counts as skipped."""


class KnownUnreachable(BlockSkipped):
    """An earlier block could not reach what this one needs. The error is reported there."""

    kind = "unreachable"


class MissingRequirement(BlockSkipped):
    """Something that the runbook requires is not available here."""

    kind = "lacking"


class Refused(BlockSkipped):
    """The block is not permitted to run here."""

    kind = "refused"


class RedirectRefused(BlockExecutionError):
    """The block was started, and a redirect led to a URL that is not allowed."""

    kind = "refused"


class Cancelled(BlockExecutionError):
    """The block was ended: by Ctrl-C, SIGTERM, -x, or an embedding program."""

    kind = "cancelled"


class InternalError(RunbookError):
    """A bug in this program or in a block type, not an error of the runbook."""

    kind = "internal"


def unknown_name_message(what: str, value: str, known: Sequence[str]) -> tuple[str, str]:
    """Return the message and the hint for an unknown name. The hint has the nearest known name, or all of them."""
    near = nearest(value, known)
    listed = ", ".join(known)
    return f'unknown {what} "{value}"', f"did you mean {near}?" if near else f"known: {listed}"
