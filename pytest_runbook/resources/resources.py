"""Everything that stays open between blocks, opened and closed by the runtime."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from ..policy.allow_list import ALLOW_EVERYTHING, AllowList
from .database.pool import DatabasePool
from .database.threads import Threads
from .process.interpreters import Interpreter
from .process.login_environment import LoginShell, login_environment
from .process.output_variables import OutputVariablesFile
from .process.process_group import Grace
from .process.secret_commands import SecretCommandRunner
from .process.sudo import LocalSudo
from .process.supervisor import Leftover, ProcessSupervisor
from .reachability import Reachability
from .terminal.pty import PtyStore

if TYPE_CHECKING:
    from .http.pool import HttpPool
    from .ssh.pool import Emit, SshPool


class Resources:
    """What the blocks of a run share.

    processes: the programs that blocks started. reachability: what could not be reached.
    databases: the pool of database sessions. ptys: the open terminals. sudo: the commands to run programs as other
    users.
    secret_commands: commands that print secrets. threads: for blocking calls.
    interpreters: replacements for interpreters, by name or path. allow_list: what may be started and connected to.
    """

    def __init__(
        self, *, interpreters: Mapping[str, str], login_shell: LoginShell, allow_list: AllowList = ALLOW_EVERYTHING
    ) -> None:
        self.allow_list = allow_list
        self.processes = ProcessSupervisor()
        self.reachability = Reachability()
        self.databases = DatabasePool()
        self.ptys = PtyStore()
        self.sudo = LocalSudo()
        self.threads = Threads()
        self.secret_commands = SecretCommandRunner(self.processes)
        self._interpreters = interpreters
        self._login_shell = login_shell
        self._parsed: dict[str, Interpreter] = {}
        self._folder: Path | None = None
        self._login_environment: Mapping[str, str] | None = None
        self._http: HttpPool | None = None
        self._ssh: SshPool | None = None
        self._emit: Emit = lambda kind, data: None
        self._warn: Callable[[str], object] = lambda text: None
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> Self:
        await self.processes.__aenter__()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        try:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)
            await self.processes.__aexit__(kind, error, at)
            await self.databases.aclose()
            if self._http is not None:
                await self._http.aclose()
            if self._ssh is not None:
                await self._ssh.aclose()
        finally:
            self.threads.close()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def interpreter(self, text: str) -> Interpreter:
        """Return the interpreter that a block names, with this run's replacements.

        :raises BlockFailed: if the text names no program.
        :raises Refused: if the allow list does not have it.
        """
        if text not in self._parsed:
            login = self._login_shell is LoginShell.EACH
            interpreter = Interpreter.parse(text, interpreters=self._interpreters, login=login)
            self.allow_list.check_interpreter(interpreter.words)
            self._parsed[text] = interpreter
        return self._parsed[text]

    async def base_environment(self) -> Mapping[str, str]:
        """Return variables that programs get on top of this process's environment, below those of the runbook."""
        if self._login_shell is not LoginShell.ONCE:
            return {}
        if self._login_environment is None:
            self._login_environment = await login_environment(self.processes)
        return self._login_environment

    def output_variables(self) -> OutputVariablesFile:
        """Return a new file for one program's output variables."""
        return OutputVariablesFile(self.folder)

    @property
    def folder(self) -> Path:
        """A private folder of this run, removed at its end."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="runbook-"))
            self.processes.watchdog.record_folder(self._folder)
        return self._folder

    @property
    def http(self) -> HttpPool:
        """The pool of HTTP connections. The library is imported when the first block needs it."""
        if self._http is None:
            from .http.pool import HttpPool

            self._http = HttpPool()
        return self._http

    @property
    def ssh(self) -> SshPool:
        """The pool of SSH connections. The library is imported when the first block needs it."""
        if self._ssh is None:
            from .ssh.pool import SshPool

            self._ssh = SshPool(self._emit, self._warn, self._tasks.start_soon, self.allow_list)
        return self._ssh

    def report_to(self, emit: Emit, warn: Callable[[str], object]) -> None:
        """Set the callbacks for events of connections, and for warnings in the report at the end of the run."""
        self._emit, self._warn = emit, warn

    async def end_leftovers(self, run_id: str) -> Sequence[Leftover]:
        """End what a run left in the background, and close what it left open."""
        if self._http is not None:
            await self._http.end_run(run_id)
        remote = () if self._ssh is None else await self._ssh.end_run(run_id)
        return [*await self.processes.end_leftovers(run_id), *remote]

    def tighten_deadline(self, grace: Grace) -> None:
        """Limit the endings of programs to this grace from now on."""
        self.processes.tighten_deadline(grace)
        if self._ssh is not None:
            self._ssh.tighten_deadline(grace)
