"""A program on another host and all that came of it: how to find it there, and how to end it.

What came of it has its mark in the environment, belongs to its session, or descends from one that does.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import anyio

from ...errors import RunbookError
from ...text import shorten
from ..process.process_group import EXECUTION_VARIABLE, RUN_VARIABLE, Grace, Mark
from ..process.supervisor import Leftover
from .helper_shell import HelperShell
from .remote_user import Account
from .shell_quoting import quote

_STEPS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
_POLL = 0.05
_ANSWER_TIMEOUT = 5.0
_TICKS = 100  # a second, in /proc, on all that runs Linux
_COMMAND_LIMIT = 80
# The marked ones, a blank line, then a line for each process: the kernel's, or that of ps where there is no /proc.
# Without a leader, nobody is of the family where nobody is marked.
_LOOK = """\
if [ -r /proc/self/stat ]; then
_runbook_e=$(grep -alsF {mark} /proc/[0-9]*/environ); [ -z "$_runbook_e" ] || echo "$_runbook_e"
echo; [ -z "${{_runbook_e}}{leader}" ] || cat /proc/[0-9]*/stat 2>/dev/null
else echo; ps -A -o pid= -o stat= -o ppid= -o pgid=; fi"""


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    groups: frozenset[int]
    born: float


@dataclass(frozen=True, slots=True)
class RemoteFamily:
    """What came of one program, or of one run. mark: as it stands in the environment. leader: of its own session."""

    helper: HelperShell
    mark: str
    leader: int | None = None

    @classmethod
    def of_execution(cls, helper: HelperShell, mark: Mark, leader: int) -> RemoteFamily:
        return cls(helper, f"{EXECUTION_VARIABLE}={mark.execution_id}", leader)

    @classmethod
    def of_run(cls, helper: HelperShell, run_id: str) -> RemoteFamily:
        return cls(helper, f"{RUN_VARIABLE}={run_id}")

    async def living(self) -> list[int]:
        """Their process ids.

        :raises RunbookError: if the host does not answer.
        """
        _, answer = await self.helper.run(_LOOK.format(mark=quote(self.mark), leader=self.leader or ""))
        head, _, table = answer.decode(errors="replace").partition("\n\n" if not answer.startswith(b"\n") else "\n")
        marked = {int(line.split("/")[2]) for line in head.splitlines() if line.startswith("/proc/")}
        return _members([process for line in table.splitlines() if (process := _parsed(line))], marked, self.leader)

    async def end(self, grace: Callable[[], Grace]) -> list[int]:
        """Interrupt, terminate and kill them, step by step; gives those that not even that could end.

        grace: asked for again and again: it may get shorter.
        :raises RunbookError: if the host does not answer.
        """
        living = await self.living()
        for number in _STEPS:
            if living and grace().after(number) > 0:
                living = await self._signalled(number, living, grace)
        return living

    async def _signalled(self, number: signal.Signals, living: list[int], grace: Callable[[], Grace]) -> list[int]:
        """Send it to all, those included that are born meanwhile; gives who is left when its time is over."""
        since, told = anyio.current_time(), set[int]()
        while living and anyio.current_time() - since < grace().after(number):
            if new := [pid for pid in living if pid not in told]:
                self.helper.send(f"kill -{number.name[3:]} {' '.join(map(str, new))} 2>/dev/null")
                told.update(new)
            await anyio.sleep(_POLL)
            living = await self.living()
        return living


def longest_ending(grace: Grace) -> float:
    """The longest that ending a program may take on a host that answers, in seconds."""
    return grace.hangup + grace.interrupt + grace.terminate + _ANSWER_TIMEOUT


async def end_leftovers(account: Account, run_id: str, grace: Callable[[], Grace]) -> Sequence[Leftover]:
    """End what the blocks of a run have left behind as a user of a host; gives what that was."""
    helper = account.helper
    if helper is None or not helper.is_alive:
        return ()
    family = RemoteFamily.of_run(helper, run_id)
    try:
        living = await family.living()
        described = await _described(helper, living) if living else {}
        surviving = await family.end(grace) if living else []
    except RunbookError:  # the connection is lost: the helper shell there ends them itself
        return ()
    host = account.session.name
    return [
        Leftover(pid=pid, command=f"{command} (on {host})", seconds=seconds, was_ended=pid not in surviving)
        for pid, (command, seconds) in described.items()
    ]


async def _described(helper: HelperShell, pids: Sequence[int]) -> dict[int, tuple[str, float]]:
    """The command of each process, and for how many seconds it has lived."""
    listed = " ".join(map(str, pids))
    command = (
        f"cat /proc/uptime; for _runbook_p in {listed}; do cat /proc/$_runbook_p/stat; "
        "tr '\\000\\n' '  ' </proc/$_runbook_p/cmdline; echo; done"
    )
    _, answer = await helper.run(f"{{ {command}; }} 2>/dev/null")
    first, *lines = answer.decode(errors="replace").splitlines() or ["0 0"]
    uptime = float(first.split()[0])
    described = {}
    for stat, text in zip(lines[::2], lines[1::2], strict=False):
        process = _parsed(stat)
        if process is not None:
            described[process.pid] = (shorten(text, _COMMAND_LIMIT) or "?", max(uptime - process.born, 0.0))
    return described


def _parsed(line: str) -> _Process | None:
    """A process of a line of /proc/PID/stat or ps; None for one that has ended, and a line that makes no sense."""
    before, bracket, after = line.rpartition(")")
    fields = after.split() if bracket else line.split()[1:]
    head = before.split(" (")[0] if bracket else line.split(maxsplit=1)[0] if line.strip() else ""
    if not head.strip().isdigit() or len(fields) < 3 or fields[0].startswith(("Z", "X")):
        return None
    groups = frozenset(int(field) for field in fields[2:4] if field.isdigit())
    born = int(fields[19]) / _TICKS if len(fields) > 19 else 0.0
    return _Process(int(head), int(fields[1]), groups, born)


def _members(processes: Sequence[_Process], marked: Iterable[int], leader: int | None) -> list[int]:
    found = {process.pid for process in processes if process.pid in set(marked) or leader in process.groups}
    while new := {process.pid for process in processes if process.parent in found} - found:
        found |= new
    return sorted(found)
