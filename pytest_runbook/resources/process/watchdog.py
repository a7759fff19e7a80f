"""Ends what is still running when this process dies without a chance to do so: killed, crashed, out of memory.

A child process waits for our end. What it must know then is in an unnamed file that it inherits. So it sleeps for as
long as all is well, and nothing has to be sent to it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LABEL, _SESSION, _FOLDER = "label", "session", "folder"
_SCRIPT = Path(__file__).with_name("watchdog_process.py")  # run by path, not imported: it imports process_group itself


class WatchdogRecord(NamedTuple):
    """What the watchdog ends and removes when this process is gone.

    labels: the execution ids of process groups. sessions: the ids of POSIX sessions, which are pids.
    folders: paths of temporary folders.
    """

    labels: list[str]
    sessions: list[int]
    folders: list[str]


class Watchdog:
    """The process that watches this one, and the record that it reads when this one is gone.

    It is started with the first record. Its failures never stop a run: where no memory or process is left for it, the
    run goes on unwatched.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._record: int | None = None
        self._folders: list[str] = []

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def record_label(self, execution_id: str) -> None:
        """Add the label of a process that is about to be started."""
        self._append([_line(_LABEL, execution_id)])

    def record_sessions(self, pids: Iterable[int]) -> None:
        """Add the sessions of processes that have been started."""
        self._append(_line(_SESSION, pid) for pid in pids)

    def record_folder(self, folder: Path) -> None:
        """Add a temporary folder, which is removed."""
        self._folders.append(_line(_FOLDER, folder))
        self._append(self._folders[-1:])

    def retain(self, labels: Iterable[str], sessions: Iterable[int]) -> None:
        """Drop every other label and session from the record; folders stay."""
        if self._record is None:
            return
        lines = [
            *self._folders,
            *(_line(_LABEL, execution_id) for execution_id in labels),
            *(_line(_SESSION, session) for session in sessions),
        ]
        data = "".join(lines).encode(errors="surrogateescape")
        with suppress(OSError):
            os.pwrite(self._record, data, 0)
            os.ftruncate(self._record, len(data))

    def close(self) -> None:
        """End the watchdog: there is nothing left to watch."""
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
    """Start a watchdog; return None in a frozen program, where `sys.executable` is no Python interpreter."""
    if not sys.executable or hasattr(sys, "frozen"):
        return None
    arguments = (str(record), str(os.getpid()), *map(os.path.abspath, sys.path))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SCRIPT), *arguments],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(record,),
        start_new_session=True,
    )


def read_record(descriptor: int) -> WatchdogRecord:
    """Read what this process recorded, in the watchdog."""
    values: dict[str, list[str]] = {_LABEL: [], _SESSION: [], _FOLDER: []}
    text = os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="surrogateescape")
    for line in text.splitlines():
        kind, _, value = line.partition(" ")
        values.get(kind, []).append(value)
    return WatchdogRecord(values[_LABEL], [int(pid) for pid in values[_SESSION]], values[_FOLDER])
