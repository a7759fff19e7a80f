"""Process groups on other hosts: the processes that come from one program or one run, and how to find and end them.

They have the group's label in their environment, belong to its session, or descend from a process that does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio

from ...errors import RunbookError
from ...text import shorten
from ..process.process_group import ESCALATION, EXECUTION_VARIABLE, RUN_VARIABLE, Grace, ProcessLabel
from ..process.supervisor import Leftover
from .helper_shell import HelperShell
from .remote_user import RemoteUser
from .shell_quoting import shell_quote

_POLL = 0.05
_REPLY_TIMEOUT = 5.0
_TICKS = 100  # clock ticks a second in /proc, the same on every Linux
_COMMAND_LIMIT = 80
# Prints the labelled processes, a blank line, then a line for each process: /proc/PID/stat, or that of ps where there
# is no /proc. Without a leader and a labelled process the group is empty, so the table is left out.
_SCAN = """\
if [ -r /proc/self/stat ]; then
_runbook_e=$(grep -alsF {label} /proc/[0-9]*/environ); [ -z "$_runbook_e" ] || echo "$_runbook_e"
echo; [ -z "${{_runbook_e}}{leader}" ] || cat /proc/[0-9]*/stat 2>/dev/null
else echo; ps -A -o pid= -o stat= -o ppid= -o pgid=; fi"""


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    pgids: frozenset[int]
    create_time: float


@dataclass(frozen=True, slots=True)
class RemoteProcessGroup:
    """What comes from one program, or from one run.

    label: the assignment in the environment, ``NAME=value``. leader: the pid of the session's leader.
    """

    helper: HelperShell
    label: str
    leader: int | None = None

    @classmethod
    def of_execution(cls, helper: HelperShell, label: ProcessLabel, leader: int) -> RemoteProcessGroup:
        return cls(helper, f"{EXECUTION_VARIABLE}={label.execution_id}", leader)

    @classmethod
    def of_run(cls, helper: HelperShell, run_id: str) -> RemoteProcessGroup:
        return cls(helper, f"{RUN_VARIABLE}={run_id}")

    async def living(self) -> list[int]:
        """Return the pids of the living processes.

        :raises RunbookError: if the host does not answer.
        """
        _, output = await self.helper.run(_SCAN.format(label=shell_quote(self.label), leader=self.leader or ""))
        head, _, table = output.decode(errors="replace").partition("\n\n" if not output.startswith(b"\n") else "\n")
        labelled = {int(line.split("/")[2]) for line in head.splitlines() if line.startswith("/proc/")}
        return _members(
            [process for line in table.splitlines() if (process := _parse_process(line))], labelled, self.leader
        )

    async def end(self, grace: Callable[[], Grace]) -> list[int]:
        """Hang up or interrupt, terminate, then kill; return what could not be ended.

        grace: called again and again, because it may get shorter meanwhile.
        :raises RunbookError: if the host does not answer.
        """
        living = await self.living()
        for number in ESCALATION:
            if living and grace().after(number) > 0:
                living = await self._send_and_wait(number, living, grace)
        return living

    async def _send_and_wait(self, number: signal.Signals, living: list[int], grace: Callable[[], Grace]) -> list[int]:
        """Send a signal to all processes, including new ones; return what is left when its time is over."""
        since, signalled = anyio.current_time(), set[int]()
        while living and anyio.current_time() - since < grace().after(number):
            if new := [pid for pid in living if pid not in signalled]:
                self.helper.send(f"kill -{number.name[3:]} {' '.join(map(str, new))} 2>/dev/null")
                signalled.update(new)
            await anyio.sleep(_POLL)
            living = await self.living()
        return living


def max_end_seconds(grace: Grace) -> float:
    """Return the longest that ending a program may take on a host that answers, in seconds."""
    return grace.hangup + grace.interrupt + grace.terminate + _REPLY_TIMEOUT


async def end_leftovers(remote_user: RemoteUser, run_id: str, grace: Callable[[], Grace]) -> Sequence[Leftover]:
    """End what the blocks of a run have left running as a user of a host; return what that was."""
    helper = remote_user.helper
    if helper is None or not helper.is_alive:
        return ()
    process_group = RemoteProcessGroup.of_run(helper, run_id)
    try:
        living = await process_group.living()
        described = await _describe(helper, living) if living else {}
        surviving = await process_group.end(grace) if living else []
    except RunbookError:  # the connection is lost; the helper shell ends them on its own
        return ()
    host = remote_user.session.name
    return [
        Leftover(pid=pid, command=f"{command} (on {host})", seconds=seconds, was_ended=pid not in surviving)
        for pid, (command, seconds) in described.items()
    ]


async def _describe(helper: HelperShell, pids: Sequence[int]) -> dict[int, tuple[str, float]]:
    """Return the command and the age in seconds of each process."""
    listed = " ".join(map(str, pids))
    command = (
        f"cat /proc/uptime; for _runbook_p in {listed}; do cat /proc/$_runbook_p/stat; "
        "tr '\\000\\n' '  ' </proc/$_runbook_p/cmdline; echo; done"
    )
    _, output = await helper.run(f"{{ {command}; }} 2>/dev/null")
    first, *lines = output.decode(errors="replace").splitlines() or ["0 0"]
    uptime = float(first.split()[0])
    described = {}
    for stat, text in zip(lines[::2], lines[1::2], strict=False):
        process = _parse_process(stat)
        if process is not None:
            described[process.pid] = (shorten(text, _COMMAND_LIMIT) or "?", max(uptime - process.create_time, 0.0))
    return described


def _parse_process(line: str) -> _Process | None:
    """Parse a line of /proc/PID/stat or ps; return None for a process that has ended and for an invalid line."""
    before, bracket, after = line.rpartition(")")
    fields = after.split() if bracket else line.split()[1:]
    head = before.split(" (")[0] if bracket else line.split(maxsplit=1)[0] if line.strip() else ""
    if not head.strip().isdigit() or len(fields) < 3 or fields[0].startswith(("Z", "X")):
        return None
    pgids = frozenset(int(field) for field in fields[2:4] if field.isdigit())
    create_time = int(fields[19]) / _TICKS if len(fields) > 19 else 0.0
    return _Process(int(head), int(fields[1]), pgids, create_time)


def _members(processes: Sequence[_Process], labelled: Iterable[int], leader: int | None) -> list[int]:
    found = {process.pid for process in processes if process.pid in set(labelled) or leader in process.pgids}
    while new := {process.pid for process in processes if process.parent in found} - found:
        found |= new
    return sorted(found)
