"""The program of a ProxyCommand, through which a connection is made."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio

from ..config.options import HostOptions

EXIT_TIMEOUT = 1.0
_POLL_INTERVAL = 0.005


@contextmanager
def proxy_command(options: HostOptions) -> Iterator[tuple[list[str] | None, Callable[[], str]]]:
    """Yield the ProxyCommand, run by a shell as `ssh` does, and a function that returns its stderr."""
    if options.proxy_command is None:
        yield None, str
        return
    with tempfile.TemporaryDirectory(prefix="runbook-proxy-") as folder:
        stderr_file = Path(folder) / "stderr"
        stderr_file.touch()
        # asyncssh takes the end of the stderr pipe for the end of the connection, so descriptor 3 keeps it open.
        shell = f'exec 3>&2 2>>"$0"; exec {options.proxy_command}'
        yield ["/bin/sh", "-c", shell, str(stderr_file)], lambda: stderr_file.read_text(errors="replace")


async def end_proxy(process: subprocess.Popen[bytes] | None) -> None:
    """Wait until the event loop has seen a ProxyCommand end, and kill it with its process group if it does not.

    asyncssh closes the program's pipes and does not wait for its end. A loop that is closed before leaves a zombie.
    """
    if process is None:
        return
    with anyio.CancelScope(shield=True):
        if await _ends(process):
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # asyncssh has made it the leader of a session
        await _ends(process)


async def _ends(process: subprocess.Popen[bytes]) -> bool:
    # The loop's child watcher reaps it, so nothing else may wait for it; the loop then sets the return code.
    with anyio.move_on_after(EXIT_TIMEOUT):
        while process.returncode is None:  # noqa: ASYNC110  # only asyncssh hears of its end
            await anyio.sleep(_POLL_INTERVAL)
    return process.returncode is not None
