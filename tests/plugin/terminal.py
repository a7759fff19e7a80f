"""pytest at a real terminal: what it shows, and what a person types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from tests.plugin.project import QUIET, WAIT


class Terminal:
    """A terminal with pytest running on it."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.shown = ""
        self._master = master

    def shows(self, text: str) -> str:
        """Wait until it shows this after what was waited for before; gives all up to there."""
        deadline = monotonic() + WAIT
        while text not in self.shown:
            assert monotonic() < deadline, f"no {text!r} in: {self.shown}"
            assert self._read(), f"ended without {text!r}: {self.shown}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def types(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def end(self) -> tuple[int, str]:
        """Wait for pytest's end: its exit status, and what was shown since."""
        while self._read():
            pass
        return self.process.wait(WAIT), self.shown

    @property
    def echoes(self) -> bool:
        """True if it shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def _read(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], WAIT)
        try:
            data = os.read(self._master, 65536) if readable else b""
        except OSError:  # the other side is closed
            data = b""
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def at_terminal(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """pytest on a terminal of its own, which is its controlling one."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *QUIET, *arguments],
        cwd=folder,
        env={**{name: value for name, value in os.environ.items() if name != "CI"}, "TERM": "dumb", **(env or {})},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)


def _take_terminal() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C is a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
