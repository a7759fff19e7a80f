"""Many remote script blocks that do nothing, against the same commands by bare asyncssh and by ssh ControlMaster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.servers.sshd import Sshd, sshd

from .measure import Finding, Sample, Series, in_process, program, pytest_process, ratio, run_rounds

ROUNDS = 9
BLOCKS = 200
FEW = 2
COMMAND = "sh -c true"
ASYNCSSH = """
import asyncio
import sys
import asyncssh

async def main(port, identity, command, times):
    options = {"username": "root", "client_keys": [identity], "known_hosts": None, "config": None}
    async with asyncssh.connect("127.0.0.1", port, **options) as connection:
        for _ in range(times):
            await connection.run(command, check=True)

asyncio.run(main(int(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])))
"""


def findings(folder: Path) -> Iterator[Finding]:
    with sshd(folder / "server") as server:
        home = _home(folder / "home", server)
        (folder / "bare.py").write_text(ASYNCSSH)
        for name, count in {"many": BLOCKS, "few": FEW}.items():
            block = '  - script: {code: "true", interpreter: sh}\n'
            (folder / f"{name}.runbook.yaml").write_text(
                f"ssh: {{config: {home}/config}}\nblocks:\n  - host: web\n" + block * count
            )
            (folder / f"test_{name}.py").write_text("".join(f"def test_{each}(): pass\n" for each in range(count)))
        series_by_name = run_rounds(
            ROUNDS,
            {
                "remote script blocks": pytest_process(folder, "many.runbook.yaml"),
                "few of them": pytest_process(folder, "few.runbook.yaml"),
                "empty tests": pytest_process(folder, "test_many.py", plugins=""),
                "few empty tests": pytest_process(folder, "test_few.py", plugins=""),
                "asyncssh": _bare(folder, server, BLOCKS),
                "few times asyncssh": _bare(folder, server, FEW),
                "ssh, ControlMaster": in_process(lambda: _run_with_ssh(home)),
            },
        )
    yield from _findings(series_by_name)


def _findings(series_by_name: dict[str, Series]) -> Iterator[Finding]:
    """Compare the cost of one more script, and of all of them including the start of the session."""
    items, library = series_by_name["empty tests"], series_by_name["asyncssh"]
    for label, statistic in {"wall clock": "median", "processor time without the host's": "processor_median"}.items():
        many, few, item, few_items, bare, few_bare = (
            getattr(series_by_name[name], statistic)
            for name in (
                "remote script blocks",
                "few of them",
                "empty tests",
                "few empty tests",
                "asyncssh",
                "few times asyncssh",
            )
        )
        claim = f"one more remote script / one more empty test and one more command by asyncssh, {label}"
        at_most = 1.2 if statistic == "median" else None
        yield ratio(
            claim + ("" if at_most is None else f": at most {at_most}"),
            many - few,
            item - few_items + bare - few_bare,
            at_most=at_most,
        )
    ours = series_by_name["remote script blocks"].median
    claim = f"{BLOCKS} of them with the start of their session / as many empty tests and "
    yield ratio(claim + "a program that runs them by asyncssh", ours, items.median + library.median)
    yield ratio(claim + "ssh with ControlMaster", ours, items.median + series_by_name["ssh, ControlMaster"].median)


def _bare(folder: Path, server: Sshd, times: int) -> Callable[[], Sample]:
    arguments = (str(server.port), str(server.identity), COMMAND, str(times))
    return program(folder, sys.executable, "bare.py", *arguments)


def _home(folder: Path, server: Sshd) -> Path:
    folder.mkdir()
    (folder / "known_hosts").write_text(server.known_hosts_line)
    (folder / "config").write_text(
        f"Host web\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {server.identity}\n"
        f" UserKnownHostsFile {folder}/known_hosts\n ControlPath {folder}/control\n"
    )
    return folder


def _run_with_ssh(home: Path) -> None:
    words = ["ssh", "-F", str(home / "config"), "-o", "ControlMaster=auto", "-o", "ControlPersist=60", "web"]
    for _ in range(BLOCKS):
        subprocess.run([*words, COMMAND], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([*words[:-1], "-O", "exit", "web"], check=True, capture_output=True, env=dict(os.environ))
