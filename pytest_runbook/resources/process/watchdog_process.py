"""The program of the watchdog process: sleeps until its parent is gone, then ends what the parent left behind.

It is run by its path, by ``python -I -S``. The package and other libraries are imported only when there is something to
do, so that it starts fast and stays small.
"""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

_POLL = 0.25
_ESCALATION = ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
_PAUSE = 0.02


def main(record: int, parent: int, paths: Sequence[str]) -> None:
    """Watch a process.

    record: the file descriptor of the watchdog's record. parent: the pid of the process. paths: its `sys.path`.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are meant for the parent, which may need its watchdog just then
    _wait_for_end(parent)
    sys.path[:] = paths  # ``-I -S`` left out what the parent imports from
    end_orphaned_groups(record)


def end_orphaned_groups(descriptor: int) -> None:
    """Terminate, then kill, the process groups in the record, and remove its folders."""
    from pytest_runbook.resources.process.process_group import ProcessGroupRegistry, ProcessLabel, send_signal
    from pytest_runbook.resources.process.watchdog import read_record

    record = read_record(descriptor)
    registry = ProcessGroupRegistry()
    for execution_id in record.labels:
        registry.add(ProcessLabel(run_id="", execution_id=execution_id))
    process_groups = list(registry)
    for pid in record.sessions:
        registry.record_start(process_groups[0], pid)  # all are ended together, so it is no matter which one has it
    for number, seconds in _ESCALATION:
        deadline, pgids = time.monotonic() + seconds, set[int]()
        while (living := registry.living(process_groups)) and time.monotonic() < deadline:
            pgids |= send_signal(number, living, pgids)
            time.sleep(_PAUSE)
    for folder in record.folders:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for_end(parent: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # the parent is gone already, or the kernel has no pidfd
            file = os.pidfd_open(parent)
            if os.getppid() == parent:  # else its pid may be another process's by now
                select.select([file], [], [])
    while os.getppid() == parent:
        time.sleep(_POLL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
