"""What a block would do, told without doing anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWork:
    """What a block would do if it ran now.

    action: its work, in the author's words, as far as they are known. where: host, directory, program, or the server.
    program: what has to be there to run it on this machine, and is not looked for elsewhere.
    urls: what it would ask, as `AllowList` looks at it. path: the runbook that it would run.
    problem: why it could not even begin; hint: what to do about that.
    """

    action: str = ""
    where: str | None = None
    program: str | None = None
    urls: tuple[str, ...] = ()
    path: str | None = None
    problem: str | None = None
    hint: str | None = None
