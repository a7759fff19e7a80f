"""A host and how to log in there: plain data, for modules that must not import asyncssh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .config.destination import Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials that a runbook gives. Text may hold secrets.

    identity, certificate: a path, or the key itself. is_only: no other key is tried.
    known_hosts: files or the lines themselves, in place of the user's.
    config: files, in place of the user's and the system's.
    """

    identity: str | None = None
    certificate: str | None = None
    passphrase: str | None = None
    password: str | None = None
    known_hosts: str | None = None
    config: tuple[Path, ...] | None = None
    is_only: bool = True


NO_CREDENTIALS = Credentials()


@dataclass(frozen=True, slots=True)
class Target:
    """A host and how to log in there.

    jump: jump hosts, in place of those of ssh_config. None: those of ssh_config.
    """

    destination: Destination
    credentials: Credentials = NO_CREDENTIALS
    jump: tuple[Destination, ...] | None = None

    def __str__(self) -> str:
        return str(self.destination)
