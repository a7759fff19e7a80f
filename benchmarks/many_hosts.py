"""Runbooks on many hosts at the same time, each on a connection of its own, against one runbook on one host."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers.sshd import sshd

from .measure import Finding, program, ratio, run_rounds

ROUNDS = 3
HOSTS = 50
PAUSE = 1.0
"""How long a runbook sleeps on its host, in seconds."""
SIDE_BY_SIDE = """
import sys
import anyio
from pytest_runbook import RunbookRun, open_runtime

async def main(paths):
    async with open_runtime() as runtime:
        runs = [RunbookRun(runtime.open_document(path), runtime) for path in paths]
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(run.run_all)
        results = [result for run in runs for result in run.results.values()]
        assert {str(result.outcome) for result in results} == {"passed"}, results

anyio.run(main, sys.argv[1:])
"""
ASYNCSSH = """
import sys
import anyio
import asyncssh

async def run(port, identity, command):
    options = {"username": "root", "client_keys": [identity], "known_hosts": None, "config": None}
    async with asyncssh.connect("127.0.0.1", port, **options) as connection:
        await connection.run(command, check=True)

async def main(count, port, identity, command):
    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(run, port, identity, command)

anyio.run(main, int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
"""


def findings(folder: Path) -> Iterator[Finding]:
    (folder / "side_by_side.py").write_text(SIDE_BY_SIDE)
    (folder / "bare.py").write_text(ASYNCSSH)
    with sshd(folder / "server") as server:
        (folder / "known_hosts").write_text(server.known_hosts_line)
        entry = f"HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {server.identity}\n"
        names = [f"web-{number}" for number in range(HOSTS)]
        (folder / "config").write_text("".join(f"Host {name}\n {entry}" for name in names))
        pausing = _runbooks(folder, "pausing", names, f"sleep {PAUSE}")
        empty = _runbooks(folder, "empty", names, "true")
        bare = ("bare.py", str(HOSTS), str(server.port), str(server.identity), "true")
        series_by_name = run_rounds(
            ROUNDS,
            {
                f"one runbook, {PAUSE:.0f} s": program(folder, sys.executable, "side_by_side.py", pausing[0]),
                f"{HOSTS} runbooks, {PAUSE:.0f} s": program(folder, sys.executable, "side_by_side.py", *pausing),
                "one empty runbook": program(folder, sys.executable, "side_by_side.py", empty[0]),
                f"{HOSTS} empty runbooks": program(folder, sys.executable, "side_by_side.py", *empty),
                f"{HOSTS} times asyncssh": program(folder, sys.executable, *bare),
            },
        )
    one, many, one_empty, many_empty, library = (series.median for series in series_by_name.values())
    claim = f"{HOSTS} runbooks on {HOSTS} hosts, which wait for {PAUSE:.0f} s there, / one: at most 3"
    yield ratio(claim, many, one, at_most=3.0)
    yield ratio(f"{HOSTS} runbooks that run true / as many connections of bare asyncssh that do", many_empty, library)
    each = (many_empty - one_empty) / (HOSTS - 1)
    yield Finding("cost of each further host, with client and server on this machine", f"{each * 1000:.0f} ms")


def _runbooks(folder: Path, kind: str, hosts: list[str], code: str) -> list[str]:
    paths = []
    for host in hosts:
        path = folder / f"{kind}-{host}.runbook.yaml"
        ssh = f"ssh: {{config: {folder}/config, known_hosts: {folder}/known_hosts}}\n"
        path.write_text(f'{ssh}blocks:\n  - host: {host}\n  - script: {{code: "{code}", interpreter: sh}}\n')
        paths.append(str(path))
    return paths
