"""Ends what runs when this process is gone without having been able to: killed, crashed, out of memory.

A process of its own waits for our end. What it has to know then is in a file without a name that it inherits, so while
all is well nobody wakes it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import watchdog_process

if TYPE_CHECKING:
    from .process_group import ProcessGroup

_LABEL, _SESSION, _FOLDER = "mark", "session", "folder"
_LADDER = ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
_PAUSE = 0.02


class Watchdog:
    """The process that watches us, started with the first of ours, and the record that it reads when we are gone.

    A fault of it never stops a run: without room or processes for it, a run goes on unwatched.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._record: int | None = None
        self._folders: list[str] = []

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def record_process_group(self, process_group: ProcessGroup) -> None:
        """Have all that comes of a child ended that is about to be started."""
        self._append([_line(_LABEL, process_group.label.execution_id)])

    def record_sessions(self, pids: Iterable[int]) -> None:
        """Have what is in these sessions ended, too."""
        self._append(_line(_SESSION, pid) for pid in pids)

    def record_folder(self, folder: Path) -> None:
        """Have a folder of this process removed."""
        self._folders.append(_line(_FOLDER, folder))
        self._append(self._folders[-1:])

    def retain_process_groups(self, process_groups: Iterable[ProcessGroup]) -> None:
        """Forget all other families."""
        if self._record is None:
            return
        lines = [*self._folders]
        for process_group in process_groups:
            lines += [
                _line(_LABEL, process_group.label.execution_id),
                *(_line(_SESSION, pid) for pid in process_group.sessions),
            ]
        data = "".join(lines).encode(errors="surrogateescape")
        with suppress(OSError):
            os.pwrite(self._record, data, 0)
            os.ftruncate(self._record, len(data))

    def close(self) -> None:
        """End it: there is nothing left to watch."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._record is not None:
            os.close(self._record)
            self._record = None

    def _append(self, lines: Iterable[str]) -> None:
        with suppress(OSError):
            if self._record is None:
                self._record = _anonymous_file()
            os.write(self._record, "".join(lines).encode(errors="surrogateescape"))
            if self._process is None:
                self._process = _spawn_watchdog(self._record)


def _line(kind: str, value: object) -> str:
    return f"{kind} {value}\n"


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("runbook-watchdog", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _spawn_watchdog(record: int) -> subprocess.Popen[bytes] | None:
    """A watchdog; None in a program that is its own interpreter, which can't start another one."""
    if not sys.executable or hasattr(sys, "frozen"):
        return None
    arguments = (str(record), str(os.getpid()), *map(os.path.abspath, sys.path))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", watchdog_process.__file__, *arguments],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(record,),
        start_new_session=True,
    )


def end_orphaned_groups(record: int) -> None:
    """What the watchdog does when the process that it watched is gone."""
    from .process_group import ProcessGroupRegistry, ProcessLabel, send_signal

    recorded: dict[str, list[str]] = {_LABEL: [], _SESSION: [], _FOLDER: []}
    for line in os.pread(record, os.fstat(record).st_size, 0).decode(errors="surrogateescape").splitlines():
        kind, _, value = line.partition(" ")
        recorded.get(kind, []).append(value)
    register = ProcessGroupRegistry()
    for execution_id in recorded[_LABEL]:
        register.add(ProcessLabel(run_id="", execution_id=execution_id))
    process_groups = list(register)
    for pid in recorded[_SESSION]:
        register.record_start(process_groups[0], int(pid))
    for number, seconds in _LADDER:
        deadline, pgids = time.monotonic() + seconds, set[int]()
        while (living := register.living(process_groups)) and time.monotonic() < deadline:
            pgids |= send_signal(number, living, pgids)
            time.sleep(_PAUSE)
    for folder in recorded[_FOLDER]:
        shutil.rmtree(folder, ignore_errors=True)
