"""The system's process table: which processes live, their parents, and their environments.

On Linux it is read from ``/proc``, which costs microseconds; on other systems through psutil.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...text import shorten

COMMAND_LIMIT = 120
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """One process at one moment.

    pgid, session: the pids of the leaders of its POSIX group and session.
    create_time: seconds on the clock of `now`, rounded to a hundredth.
    is_zombie: it has ended, and its exit status has not been taken yet.
    """

    pid: int
    parent: int
    pgid: int
    session: int
    create_time: float
    is_zombie: bool


def is_linux() -> bool:
    return sys.platform == "linux" and (_PROC / "self/stat").exists()


def now() -> float:
    """Return the time on the clock of `ProcessInfo.create_time`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.time()


def all_processes() -> list[ProcessInfo]:
    """Return every process that we may see."""
    if not is_linux():
        return _psutil_processes()
    return read_processes(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def children(pid: int) -> list[ProcessInfo]:
    """Return the children of a process that its first thread started, and the orphans that it adopted."""
    return read_processes(child_pids(pid))


def child_pids(pid: int) -> list[int]:
    """Return the pids of the children that a process's first thread started, and of the orphans that it adopted."""
    return _children_of_thread(pid, pid)


def descendants(pid: int) -> list[ProcessInfo]:
    """Return the children of a process and theirs, parents first."""
    if (_PROC / f"{pid}/task/{pid}/children").exists():
        return _collect_descendants(pid, lambda parent: read_processes(_children_file(parent)))
    children: defaultdict[int, list[ProcessInfo]] = defaultdict(list)
    for process in all_processes():
        children[process.parent].append(process)
    return _collect_descendants(pid, lambda parent: children[parent])


def environment_of(pid: int) -> Mapping[str, str]:
    """Return the environment that a process was started with; empty if we may not see it or the process is gone."""
    if not is_linux():
        return _psutil_environment(pid)
    try:
        data = (_PROC / f"{pid}/environ").read_bytes()
    except OSError:
        return {}
    entries = (entry.partition("=") for entry in os.fsdecode(data).split("\0"))
    return {name: value for name, equals, value in entries if equals}


def ignores_signal(pid: int, number: int) -> bool:
    """Return True if the process is known to ignore that signal, as background jobs of a script ignore an interrupt."""
    try:
        lines = (_PROC / f"{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return False
    masks = (int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))
    return bool(next(masks, 0) >> (number - 1) & 1)


def command_of(pid: int) -> str:
    """Return the shortened command line for display; the name if the command line can't be read, else ``?``."""
    with suppress(Exception):  # a process must be ended even if its command can't be read
        import psutil  # slow to import, and needed only if a run left something running

        process = psutil.Process(pid)
        return shorten(" ".join(process.cmdline()) or process.name(), COMMAND_LIMIT)
    return "?"


def _collect_descendants(pid: int, children_of: Callable[[int], Iterable[ProcessInfo]]) -> list[ProcessInfo]:
    found: dict[int, ProcessInfo] = {}
    parents = [pid]
    while parents:
        new = [child for parent in parents for child in children_of(parent) if child.pid not in found]
        found.update((child.pid, child) for child in new)
        parents = [child.pid for child in new]
    return list(found.values())


def read_processes(pids: Iterable[int]) -> list[ProcessInfo]:
    """Return those of these processes that exist."""
    return [process for pid in pids if (process := _read_stat(pid)) is not None]


def _children_file(pid: int) -> Iterator[int]:
    """Yield the pids that the kernel lists as children of each thread of a process."""
    try:
        threads = [int(path.name) for path in (_PROC / f"{pid}/task").iterdir()]
    except OSError:
        return
    for thread in threads:
        yield from _children_of_thread(pid, thread)


def _children_of_thread(pid: int, thread: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"{_PROC}/{pid}/task/{thread}/children").read_bytes().split()]
    except OSError:
        return []


def _read_stat(pid: int) -> ProcessInfo | None:
    try:
        text = (_PROC / f"{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name stands in parentheses and may hold any character, parentheses and spaces included.
    fields = text[text.rindex(b")") + 2 :].split()
    return ProcessInfo(
        pid=pid,
        parent=int(fields[1]),
        pgid=int(fields[2]),
        session=int(fields[3]),
        create_time=int(fields[19]) / os.sysconf("SC_CLK_TCK"),
        is_zombie=fields[0] in (b"Z", b"X"),
    )


def _psutil_processes() -> list[ProcessInfo]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                found.append(
                    ProcessInfo(
                        pid=process.pid,
                        parent=process.ppid(),
                        pgid=os.getpgid(process.pid),
                        session=os.getsid(process.pid),
                        create_time=process.create_time(),
                        is_zombie=process.status() == psutil.STATUS_ZOMBIE,
                    )
                )
        except (psutil.Error, OSError):
            continue
    return found


def _psutil_environment(pid: int) -> Mapping[str, str]:
    import psutil

    try:
        return psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return {}
