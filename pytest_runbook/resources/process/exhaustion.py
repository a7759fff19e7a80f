"""Exhausted resources of the machine (file descriptors, processes, memory, disk space) as errors with a hint."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ...errors import BlockFailed

NO_FILES = (errno.EMFILE, errno.ENFILE)
NO_PROCESSES = (errno.EAGAIN, errno.ENOMEM)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
FILES_HINT = "raise the limit: ulimit -n 4096"
PROCESSES_HINT = "too many processes, or too little memory: ulimit -u"


def exhaustion_error(error: BaseException) -> BlockFailed | None:
    """Return the error in words if the machine has run out of something; else None."""
    if not isinstance(error, OSError):
        return None
    if error.errno in NO_FILES:
        return BlockFailed("no file descriptors are left", hint=FILES_HINT)
    if error.errno in NO_PROCESSES:
        return BlockFailed(f"the machine has no room for more: {error.strerror}", hint=PROCESSES_HINT)
    if error.errno in NO_SPACE:
        where = f"{error.filename}: " if error.filename else ""
        return BlockFailed(f"{where}{error.strerror}", hint="make room there, or set TMPDIR to another folder")
    return None


class SpareFile:
    """A file descriptor held in reserve for when no other is left. Thread-safe."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._lock = threading.RLock()

    def open(self) -> None:
        with suppress(OSError):  # none is left
            self._file = os.open(os.devnull, os.O_RDONLY) if self._file is None else self._file

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def released(self) -> Iterator[None]:
        """Free the descriptor for the caller's use until the block is left."""
        with self._lock:
            self.close()
            try:
                yield
            finally:
                self.open()
