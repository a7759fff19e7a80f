"""Servers that tests start as child processes: unprivileged, on free ports, in folders of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

READY_SECONDS = 30.0
STOP_SECONDS = 10.0
NOBODY: Mapping[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []}


def unprivileged() -> Mapping[str, Any]:
    """What `Popen` needs so that the child does not run as root."""
    return NOBODY if os.geteuid() == 0 else {}


def needed(program: str, package: str, *places: str) -> str:
    """The path of a server's program; a test that needs it is skipped where there is none."""
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))
    if found is None:
        pytest.skip(f"no {program} on this machine: sudo apt-get install {package}")
    return found


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that an unprivileged server may write to; short, because sockets live in it."""
    path = Path(tempfile.mkdtemp(prefix="srv-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(path, "nobody", "nogroup")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str | Path], home: Path, is_ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from when it answers until the end of the block. Ctrl-C reaches pytest alone, which ends it."""
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **unprivileged(),
        )
    try:
        _wait(process, is_ready, log)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"the server does not come up:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.02)


def answers(port: int) -> bool:
    """True if something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
