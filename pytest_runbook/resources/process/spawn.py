"""Starts a process and watches for its exit; a refusal of the system becomes an error in words."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ...errors import BlockFailed
from .exhaustion import FILES_HINT, NO_FILES, NO_PROCESSES, PROCESSES_HINT
from .interpreters import find_program


class ExitWatch(Protocol):
    """A file descriptor that becomes readable when a child process has ended.

    `exit_code` may be called only once it is readable.
    """

    def fileno(self) -> int: ...

    def exit_code(self) -> int:
        """Return the exit code; a negative one is the number of the signal that ended it."""

    def close(self) -> None: ...


def spawn_process(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], has_stdin: bool
) -> tuple[subprocess.Popen[bytes], ExitWatch]:
    """Start a program in a session of its own, with pipes for its output; if that fails, nothing of it is left."""
    if sys.version_info < (3, 11, 4):
        _check_free_descriptors()
    popen = subprocess.Popen(
        argv,
        bufsize=0,
        stdin=subprocess.PIPE if has_stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=env,
        start_new_session=True,
    )
    try:
        return popen, watch_exit(popen.pid)
    except BaseException:
        os.killpg(popen.pid, signal.SIGKILL)
        popen.communicate()
        raise


def _check_free_descriptors() -> None:
    """Check that the pipes of a process can be opened.

    Before 3.11.4, a Popen that runs out of descriptors leaves the pipes open that it has opened.
    :raises OSError: if there are too few file descriptors.
    """
    opened: list[int] = []
    try:
        for _ in range(3):
            opened += os.pipe()
    finally:
        for file in opened:
            os.close(file)


def watch_exit(pid: int) -> ExitWatch:
    """Watch for the end of a child: with a pidfd, or with a thread where the kernel has none."""
    if sys.platform == "linux":
        try:
            return _DescriptorWatch(pid)
        except OSError as error:
            if error.errno in NO_FILES:
                raise
    return _ThreadWatch(pid)


class _DescriptorWatch:
    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._file = os.pidfd_open(pid)

    def fileno(self) -> int:
        return self._file

    def exit_code(self) -> int:
        return _wait_for_exit(self._pid)

    def close(self) -> None:
        os.close(self._file)


class _ThreadWatch:
    def __init__(self, pid: int) -> None:
        self._result: int | BlockFailed | None = None
        self._file, write_end = os.pipe()
        threading.Thread(target=self._wait_for_exit, args=(pid, write_end), name=f"wait for {pid}", daemon=True).start()

    def fileno(self) -> int:
        return self._file

    def exit_code(self) -> int:
        if isinstance(self._result, BlockFailed):
            raise self._result
        assert self._result is not None, "not readable yet"
        return self._result

    def close(self) -> None:
        os.close(self._file)

    def _wait_for_exit(self, pid: int, write_end: int) -> None:
        try:
            self._result = _wait_for_exit(pid)
        except BlockFailed as error:
            self._result = error
        finally:
            os.close(write_end)


def _wait_for_exit(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError as error:
        raise BlockFailed(
            f"the exit status of process {pid} is lost: other code in this program took it",
            hint="look for code that ignores SIGCHLD or waits for any child: os.wait(), os.waitpid(-1, ...)",
        ) from error


@contextmanager
def spawn_errors(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> Iterator[None]:
    """Translate errors of starting a program into `BlockFailed`, with the reason and a hint."""
    try:
        yield
    except OSError as error:
        message, hint = _describe_spawn_error(error, argv[0], cwd, env.get("PATH"))
        raise BlockFailed(message, hint=hint) from error
    except ValueError as error:
        raise BlockFailed(
            f'"{argv[0]}" can\'t be started: {error}',
            hint="no NUL can be in a command, a folder or a variable, no equals sign in a variable's name",
        ) from error


def _describe_spawn_error(error: OSError, program: str, cwd: Path, path: str | None) -> tuple[str, str]:
    if error.errno in NO_FILES:
        return f'"{program}" can\'t be started: no file descriptors are left', FILES_HINT
    if error.errno in NO_PROCESSES:
        return f'"{program}" can\'t be started: {error.strerror}', PROCESSES_HINT
    if error.errno == errno.E2BIG:
        return (
            f'"{program}" can\'t be started: its arguments and its environment are too long',
            "put long values into files",
        )
    if not cwd.is_dir():
        what = "is no directory" if cwd.exists() else "does not exist"
        return f"the directory {cwd} {what}", "it comes from a directory block or the runbook's default directory"
    found = find_program(program, cwd=cwd, path=path)
    if found is None:
        return _program_not_found(program, cwd, path)
    if error.errno == errno.ENOENT:
        return f"{found} can't be started: the program of its first line (#!) does not exist", "correct its first line"
    return f"{found} can't be started in {cwd}: {error.strerror}", "may it be run, and is it made for this machine?"


def _program_not_found(program: str, cwd: Path, path: str | None) -> tuple[str, str]:
    if "/" not in program:
        folders = os.defpath if path is None else path
        return (
            f'no program "{program}" on PATH ({folders})',
            f"install it, or name another for it: runbook_interpreters = {program} = bash",
        )
    if (cwd / program).exists():
        return f"{cwd / program} is not executable", f"chmod +x {cwd / program}"
    return f"no program {cwd / program}", "install it, or name it without its folder to look for it on PATH"
