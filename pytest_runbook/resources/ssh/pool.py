"""Pool of SSH connections: one for each host and user of a run, shared by its blocks."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import anyio
import asyncssh
from anyio import to_thread

from ...errors import Refused, RunbookError, Unreachable
from ...messages.events import EventKind
from ...policy.allow_list import ALLOW_SETTING, AllowList
from ..process.process_group import DEFAULT_GRACE, Grace
from ..process.sudo import Become
from ..process.supervisor import Leftover
from .config.destination import Destination
from .config.host_config import HostConfig, default_files, read_config
from .config.options import HostOptions, host_options
from .login.connect import open_connection
from .remote_process_group import end_leftovers, max_end_seconds
from .remote_user import RemoteUser, StartSoon
from .session import CLOSE_TIMEOUT, ConnectionDied, SshSession, connection_lost_error
from .target import Credentials, Target

ValueT = TypeVar("ValueT")
Emit = Callable[[EventKind, Mapping[str, object]], object]


@dataclass(slots=True)
class _Entry:
    """The connection of a target.

    lock: held while connecting, so that concurrent callers wait for the same connection or the same failure.
    """

    options: HostOptions
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    session: SshSession | None = None
    failures: list[RunbookError] = field(default_factory=list)


class SshPool:
    """SSH connections, opened when first needed and closed with the run.

    emit: called with events of connections that open, fail and end. warn: called with warnings for the report.
    start_soon: starts a background task. allow_list: which hosts may be connected to.
    """

    def __init__(self, emit: Emit, warn: Callable[[str], object], start_soon: StartSoon, allow_list: AllowList) -> None:
        self._emit = emit
        self._warn = warn
        self._start_soon = start_soon
        self._allow_list = allow_list
        self._entries: dict[object, _Entry] = {}  # by what ssh_config makes of a target: several share one
        self._known: dict[Target, _Entry] = {}  # the same entries by target, so that files are read once for each
        self._remote_users: dict[tuple[SshSession, Become | None], RemoteUser] = {}
        self._forwards: dict[object, asyncssh.SSHListener] = {}
        self._grace = DEFAULT_GRACE
        self._closing = False

    async def session(self, target: Target) -> SshSession:
        """Return the open connection to a host, and open it if there is none.

        :raises RunbookError: if that fails; `Unreachable` if the host is the cause.
        """
        entry = self._known.get(target) or await self._entry(target)
        if entry.session is not None and entry.session.is_alive:
            return entry.session
        failure_count = len(entry.failures)
        async with entry.lock:
            if entry.session is None or not entry.session.is_alive:
                if len(entry.failures) > failure_count:
                    raise entry.failures[-1]
                try:
                    self._check_allowed(target, entry.options)
                    entry.session = await self._connect(target, entry.options)
                except RunbookError as error:
                    entry.failures.append(error)
                    raise
            return entry.session

    async def remote_user(self, target: Target, become: Become | None = None) -> RemoteUser:
        """Return a user on a host: the login user, or another.

        :raises RunbookError: if the host can't be reached.
        """
        key = await self.session(target), become
        remote_user = self._remote_users.get(key)
        if remote_user is None:
            remote_user = self._remote_users[key] = RemoteUser(*key, self._start_soon)
        return remote_user

    async def with_reconnect(self, target: Target, work: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """Do work on a host; reconnect once and do it again if the connection was dead before anything began.

        :raises RunbookError: if the host can't be reached.
        """
        for _ in range(2):
            try:
                return await work()
            except ConnectionDied as error:
                dead_connection = error
        raise connection_lost_error(str(target), dead_connection)

    def tighten_deadline(self, grace: Grace) -> None:
        """Limit every ending to this grace from now on, including those that are under way."""
        self._grace = self._grace.within(grace)

    def grace(self) -> Grace:
        """Return the current grace of programs."""
        return self._grace

    async def end_run(self, run_id: str) -> Sequence[Leftover]:
        """End what the blocks of a run have left running on all hosts; return what that was."""
        leftovers: list[Leftover] = []

        async def end(remote_user: RemoteUser) -> None:
            with anyio.move_on_after(max_end_seconds(self._grace), shield=True) as ending:
                leftovers.extend(await end_leftovers(remote_user, run_id, self.grace))
            if ending.cancelled_caught:
                remote_user.session.abort()
                name = remote_user.session.name
                self._warn(f"ssh: {name} does not answer: what runs there ends as soon as {name} notices")

        async with anyio.create_task_group() as tasks:
            for remote_user in self._remote_users.values():
                if run_id in remote_user.runs:
                    remote_user.runs.remove(run_id)
                    tasks.start_soon(end, remote_user)
        return leftovers

    async def tunnel(self, target: Target, host: str, port: int) -> tuple[str, int]:
        """Return host and port on this machine that lead to a host and port as the target sees them.

        The tunnel is open as long as the connection to the target.
        :raises RunbookError: if the target can't be reached.
        """
        listener = await self._listener(target, (host, port), lambda session: session.forward(host, port))
        return "127.0.0.1", listener.get_port()

    async def proxy(self, target: Target) -> str:
        """Return the URL of a SOCKS proxy that leads to whatever the target can reach; the target resolves the names.

        :raises RunbookError: if the target can't be reached.
        """
        listener = await self._listener(target, None, SshSession.forward_socks)
        return f"socks5h://127.0.0.1:{listener.get_port()}"

    async def aclose(self) -> None:
        """Close all connections side by side, but jump hosts after the hosts behind them."""
        self._closing = True
        with anyio.move_on_after(CLOSE_TIMEOUT, shield=True):
            async with anyio.create_task_group() as tasks:
                for remote_user in self._remote_users.values():
                    tasks.start_soon(remote_user.aclose)
        waiting = [entry.session for entry in self._entries.values() if entry.session and entry.session.is_alive]
        for sessions in ([s for s in waiting if s.options.jump], [s for s in waiting if not s.options.jump]):
            async with anyio.create_task_group() as tasks:
                for session in sessions:
                    tasks.start_soon(session.aclose)

    async def _entry(self, target: Target) -> _Entry:
        options = await self._options_of(target)
        key = (options.user, options.alias.lower(), options.port, options.jump, target.credentials)
        entry = self._known[target] = self._entries.setdefault(key, _Entry(options))
        return entry

    async def _options_of(self, target: Target) -> HostOptions:
        files = default_files() if target.credentials.config is None else target.credentials.config
        config: HostConfig = await to_thread.run_sync(read_config, target.destination, files)
        options = host_options(config)
        for setting in options.ignored:
            self._warn(f"ssh: {setting.location}: {setting.name} has no effect here")
        return replace(options, jump=options.jump if target.jump is None else target.jump)

    def _check_allowed(self, target: Target, options: HostOptions) -> None:
        """Check a host against the allow list.

        With a runbook's own ssh_config, only the host name counts: the runbook could give any host an allowed alias.
        :raises Refused: if the host may not be connected to.
        """
        is_runbook_config = target.credentials.config is not None
        self._allow_list.check_host(*((options.hostname,) if is_runbook_config else (options.alias, options.hostname)))
        if is_runbook_config and options.proxy_command is not None and self._allow_list.hosts:
            raise Refused(
                f"{ALLOW_SETTING}: where the ProxyCommand of the runbook's own ssh_config leads can't be checked"
            )

    async def _connect(self, target: Target, options: HostOptions) -> SshSession:
        data = {"host": str(target), "address": options.address, "username": options.user}
        session = SshSession(str(target), options)

        def on_end(error: Exception | None) -> None:
            was_open = session.is_alive
            session.record_end(error)
            if was_open:
                reason = "closed" if self._closing else str(error or "the host closed it")
                self._emit(EventKind.SSH_DISCONNECTED, {**data, "reason": reason})

        try:
            hop = await self._jump_session(target, options.jump)
            connection = await open_connection(
                options,
                target.credentials,
                hop=None if hop is None else hop.connection,
                warn=self._warn,
                on_certificate_problem=lambda kind, text: self._report_certificate(kind, text, data),
                on_end=on_end,
            )
        except RunbookError as error:
            self._emit(EventKind.SSH_CONNECTION_FAILED, {**data, "error": error.message})
            raise
        session.record_open(connection)
        self._emit(EventKind.SSH_CONNECTED, data)
        return session

    async def _jump_session(self, target: Target, jump: Sequence[Destination]) -> SshSession | None:
        """Return the connection to the last jump host, which is itself made through those before it."""
        if not jump:
            return None
        *before, last = jump
        hop = Target(last, _jump_credentials(target.credentials), tuple(before) if before else None)
        try:
            return await self.session(hop)
        except Unreachable as error:
            explained = copy.copy(error)  # other targets behind the same hop share the error
            explained.message = f"the way to {target} leads over {last}: {error.message}"
            raise explained from error

    async def _listener(
        self, target: Target, what: object, make: Callable[[SshSession], Awaitable[asyncssh.SSHListener]]
    ) -> asyncssh.SSHListener:
        session = await self.session(target)
        key = (session, what)
        if key not in self._forwards:
            try:
                self._forwards[key] = await make(session)
            except (OSError, asyncssh.Error) as error:
                raise Unreachable(f"no tunnel through {target}: {error}", hint="is it still there?") from error
        return self._forwards[key]

    def _report_certificate(self, kind: EventKind, text: str, data: Mapping[str, object]) -> None:
        self._warn(f"ssh: a certificate for {data['host']} is not valid, the plain key is used: {text}")
        self._emit(kind, {**data, "error": text})


def _jump_credentials(credentials: Credentials) -> Credentials:
    """Return the credentials for a jump host: the runbook's key beside those of ssh_config, and its known hosts."""
    return replace(credentials, password=None, certificate=None, is_only=False)
