"""What stays open between blocks, in one place; opened and closed by the runtime."""

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
    """Everything that blocks share in a run.

    processes: knows every program that a block started. reachability: what could not be reached.
    databases: sessions with servers, kept over blocks. ptys: terminals that are open.
    sudo: makes other users of us. secret_commands: asks programs for secrets. threads: for calls that can't be awaited.
    interpreters: interpreters to use in place of others. allow_list: what may be started and connected to.
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
        """The interpreter that a block names, as this run has it.

        :raises BlockFailed: if the text names none.
        :raises Refused: if it may run nothing here.
        """
        if text not in self._parsed:
            login = self._login_shell is LoginShell.EACH
            interpreter = Interpreter.parse(text, interpreters=self._interpreters, login=login)
            self.allow_list.check_interpreter(interpreter.words)
            self._parsed[text] = interpreter
        return self._parsed[text]

    async def base_environment(self) -> Mapping[str, str]:
        """What programs get besides what the runbook says, on top of the process's own environment."""
        if self._login_shell is not LoginShell.ONCE:
            return {}
        if self._login_environment is None:
            self._login_environment = await login_environment(self.processes)
        return self._login_environment

    def output_variables(self) -> OutputVariablesFile:
        """A fresh file for one program's output variables."""
        return OutputVariablesFile(self.folder)

    @property
    def folder(self) -> Path:
        """A folder of this run, for nobody else's eyes; gone at its end."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="runbook-"))
            self.processes.watchdog.record_folder(self._folder)
        return self._folder

    @property
    def http(self) -> HttpPool:
        """Connections to HTTP servers; the library is imported when the first block needs one."""
        if self._http is None:
            from .http.pool import HttpPool

            self._http = HttpPool()
        return self._http

    @property
    def ssh(self) -> SshPool:
        """Connections to other hosts; the library is imported when the first block needs one."""
        if self._ssh is None:
            from .ssh.pool import SshPool

            self._ssh = SshPool(self._emit, self._warn, self._tasks.start_soon, self.allow_list)
        return self._ssh

    def report_to(self, emit: Emit, warn: Callable[[str], object]) -> None:
        """Say whom to tell of what opens and closes, and of what people should know at the end of the run."""
        self._emit, self._warn = emit, warn

    async def end_leftovers(self, run_id: str) -> Sequence[Leftover]:
        """End what a run left in the background, and close what it left open."""
        if self._http is not None:
            await self._http.end_run(run_id)
        remote = () if self._ssh is None else await self._ssh.end_run(run_id)
        return [*await self.processes.end_leftovers(run_id), *remote]

    def tighten_deadline(self, grace: Grace) -> None:
        """Give programs this long to end, from now on."""
        self.processes.tighten_deadline(grace)
        if self._ssh is not None:
            self._ssh.tighten_deadline(grace)
