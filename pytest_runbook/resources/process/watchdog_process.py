"""What runs in a watchdog: it sleeps until its parent is gone, then ends what that left behind.

It is run by its path, with nothing of this package and of other libraries imported before there is something to do.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

_POLL = 0.25


def main(record: int, parent: int, paths: Sequence[str]) -> None:
    """Watch a process. record: the descriptor of what to end. paths: where modules are found."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are for those that we watch, who may need us then
    _wait_for_end(parent)
    sys.path[:] = paths
    from pytest_runbook.resources.process.watchdog import end_orphaned_groups

    end_orphaned_groups(record)


def _wait_for_end(parent: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # gone already, or a kernel without them
            file = os.pidfd_open(parent)
            if os.getppid() == parent:
                select.select([file], [], [])
    while os.getppid() == parent:
        time.sleep(_POLL)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
