"""The work that a block would do, as a plan shows it without running anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWork:
    """The work that a block would do if it ran now.

    action: the code, query or request, rendered as far as possible. where: host, directory and program, or the server.
    program: a program that must be installed on this machine; None if it runs on another host.
    urls: the URLs that it would connect to, as `AllowList` checks them. path: the runbook that it would run.
    problem: why it could not start; hint: how to solve that.
    """

    action: str = ""
    where: str | None = None
    program: str | None = None
    urls: tuple[str, ...] = ()
    path: str | None = None
    problem: str | None = None
    hint: str | None = None
