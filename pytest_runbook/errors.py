"""Every way a runbook can go wrong, each knowing its place and how to mend it.

One shape for all of them: what happened, where (file:line, block), and a hint. Errors of libraries are translated into
these once, at the edge where they appear, with ``from``. The ``kind`` of an error is what reports show and count.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from .text import nearest


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file, as it is shown to people: ``runbooks/deploy.atrb:42``.

    path: as shown, relative to pytest's rootdir where that is possible.
    line: 1-based; None where only the file is known.
    """

    path: str
    line: int | None = None

    def __str__(self) -> str:
        return self.path if self.line is None else f"{self.path}:{self.line}"

    def at(self, line: int | None) -> Location:
        """The same file at another line."""
        return Location(self.path, line)

    def shifted(self, lines: int) -> Location:
        """The place that many lines further down in a text; the same place where no line is known, and in JSON."""
        if self.line is None or self.path.endswith(".json"):  # a text of JSON stands on one line
            return self
        return Location(self.path, self.line + lines)


class RunbookError(Exception):
    """What went wrong, where, and how to mend it.

    message: one line, with the value seen and the values allowed.
    location: the line to look at; None until somebody who knows it says so with `with_location`.
    block: how the block is called in reports: ``block "Count users" (postgres)``.
    hint: what to do about it, one line.
    detail: what the program or the server said itself, as far as the message leaves it out.
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
        """The same error with what it did not know yet of its place."""
        copied = copy.copy(self)
        copied.location = self.location or location
        copied.block = self.block or block
        copied.__cause__ = self.__cause__
        return copied

    def __str__(self) -> str:
        parts = [str(part) for part in (self.location, self.block, self.message) if part is not None]
        hint = "" if self.hint is None else f"\n  hint: {self.hint}"
        return ": ".join(parts) + hint


class FileError(RunbookError):
    """The file says something that can't be read or does not make sense. Retrying can't help."""

    kind = "file"


class UnreadableFile(FileError):
    """A file with one or more faults: nothing of it runs.

    errors: every fault that was found, in the order of the file.
    """

    def __init__(self, errors: Sequence[FileError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class TemplateError(FileError):
    """A template or an expression that can't be parsed or evaluated.

    line: 1-based line within the text, None where the engine does not say.
    name: the dotted name that was undefined (``var.base``), where that is the fault.
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
    """A context block (var, env, directory, host ...) that can't be evaluated."""


class BlockExecutionError(RunbookError):
    """The block was tried and did not come to a good end: failed, timed out, unreachable, cancelled."""


class BlockFailed(BlockExecutionError):
    """Its work failed: an exit code, a server's refusal, a missing interpreter."""


class InvalidValue(BlockFailed):
    """What it was given makes no sense: a URI, a method, an empty query. Retrying can't help."""


class NotSerializable(BlockFailed):
    """The server answered, and its answer can't be made into plain data."""


class AssertionsFailed(RunbookError):
    """The block did its work and something its author asserts does not hold."""

    kind = "assertion"


class TimedOut(BlockExecutionError):
    """A deadline passed: the block's, the runbook's, or pytest's."""

    kind = "timeout"


class Unreachable(BlockExecutionError):
    """The other side could not be reached: refused, no route, name not found, authentication."""

    kind = "unreachable"


class BlockSkipped(RunbookError):
    """Nothing was touched: the block counts as skipped."""


class KnownUnreachable(BlockSkipped):
    """An earlier block could not reach what this one needs, and owns the error."""

    kind = "unreachable"


class MissingRequirement(BlockSkipped):
    """Its runbook requires something that is not to be had here."""

    kind = "lacking"


class Refused(BlockSkipped):
    """Not permitted to run here."""

    kind = "refused"


class RedirectRefused(BlockExecutionError):
    """It was begun, and led to where nothing may be asked."""

    kind = "refused"


class Cancelled(BlockExecutionError):
    """Somebody ended it: Ctrl-C, SIGTERM, -x, an embedding program."""

    kind = "cancelled"


class InternalError(RunbookError):
    """A fault of this program, not of the runbook."""

    kind = "internal"


def unknown_name_message(what: str, value: str, known: Sequence[str]) -> tuple[str, str]:
    """The message and the hint for a name that is none of the known ones, with the nearest of them."""
    near = nearest(value, known)
    listed = ", ".join(known)
    return f'unknown {what} "{value}"', f"did you mean {near}?" if near else f"known: {listed}"
