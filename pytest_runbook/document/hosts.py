"""The hosts on which a runbook runs, one run on each. They are known when the file is collected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..context.items import LOCAL_HOSTS
from ..errors import BlockFailed, FileError, RunbookError, UnreadableFile
from ..model.runbook import Runbook
from ..resources.ssh.config.destination import Destination


def check_host(name: str) -> None:
    """Check the name of a host.

    :raises BlockFailed: if it is neither a host nor this machine.
    """
    if name.strip().casefold() not in LOCAL_HOSTS or not name.strip():
        Destination.parse(name)


def check_hosts(runbook: Runbook) -> None:
    """Check the hosts of a runbook.

    :raises UnreadableFile: with an error for each host that is invalid or listed twice.
    """
    faults, seen = [], set()
    for host in runbook.hosts:
        try:
            check_host(host.name)
            if host.name in seen:
                raise BlockFailed(f'"{host.name}" is there twice', hint="once is enough")
        except RunbookError as error:
            faults.append(FileError(f"hosts: {error.message}", location=host.location, hint=error.hint))
        seen.add(host.name)
    if faults:
        raise UnreadableFile(faults)


def hosts_of(entries: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Return the hosts in entries such as ``a,b`` and ``@file``, each once. folder: the files are relative to it.

    :raises ValueError: if a file can't be read, or an entry has no host.
    :raises BlockFailed: if one is no host.
    """
    names = dict.fromkeys(name for entry in entries for name in _names(entry.strip(), folder))
    for name in names:
        check_host(name)
    return tuple(names)


def _names(entry: str, folder: Path) -> list[str]:
    is_file = entry.startswith("@")
    names = _lines(folder / entry[1:]) if is_file else [name.strip() for name in entry.split(",")]
    found = [name for name in names if name]
    if not found:
        raise ValueError(f'"{entry}" names no host')
    return found


def _lines(path: Path) -> list[str]:
    """Return the lines of a file without their comments."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}") from error
    return [line.partition("#")[0].strip() for line in text.splitlines()]
