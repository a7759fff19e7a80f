"""Looks at processes on the host, which is this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import psutil


def is_running(pid: int) -> bool:
    """False for a zombie, too, that only waits for its parent."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def running(word: str) -> list[str]:
    """The commands of processes that have this word among their arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            if word in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return found


async def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    with anyio.fail_after(seconds):
        while not holds():  # noqa: ASYNC110 - nobody tells us
            await anyio.sleep(0.01)


def folders(home: Path) -> list[Path]:
    """What helper shells have on the host, whose temporary folder is its home."""
    return [path for path in home.glob("runbook-*") if len(path.name) == len("runbook-") + 32]
