"""Many remote script blocks that do nothing, against the same commands over bare asyncssh and over ssh that shares."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers.sshd import Sshd, sshd

from .measure import Verdict, in_process, program, pytest_process, ratio, take_turns

ROUNDS = 5
BLOCKS = 200
COMMAND = "sh -c true"
ASYNCSSH = f"""
import asyncio
import sys
import asyncssh

async def main(port, identity, command):
    options = {{"username": "root", "client_keys": [identity], "known_hosts": None, "config": None}}
    async with asyncssh.connect("127.0.0.1", port, **options) as connection:
        for _ in range({BLOCKS}):
            await connection.run(command, check=True)

asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
"""


def verdicts(folder: Path) -> Iterator[Verdict]:
    with sshd(folder / "server") as server:
        home = _home(folder / "home", server)
        block = '  - script: {code: "true", interpreter: sh}\n'
        (folder / "many.runbook.yaml").write_text(
            f"ssh: {{config: {home}/config}}\nblocks:\n  - host: web\n" + block * BLOCKS
        )
        (folder / "bare.py").write_text(ASYNCSSH)
        (folder / "test_many.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(BLOCKS)))
        taken = take_turns(
            ROUNDS,
            {
                "remote script blocks": pytest_process(folder, "many.runbook.yaml"),
                "empty tests": pytest_process(folder, "test_many.py", plugins=""),
                "asyncssh": program(folder, sys.executable, "bare.py", str(server.port), str(server.identity), COMMAND),
                "python": program(folder, sys.executable, "-c", ""),
                "ssh, ControlMaster": in_process(lambda: _run_with_ssh(home)),
            },
        )
    ours, items = taken["remote script blocks"], taken["empty tests"]
    # Both sides start one Python and import one asyncssh.
    library, python = taken["asyncssh"], taken["python"]
    claim = f"{BLOCKS} remote scripts / as many empty tests and "
    bare = items.median + library.median - python.median
    yield ratio(claim + "a program that runs them by asyncssh: at most 1.2", ours.median, bare, at_most=1.2)
    yield ratio(claim + "ssh with ControlMaster", ours.median, items.median + taken["ssh, ControlMaster"].median)
    bare = items.processor_median + library.processor_median - python.processor_median
    yield ratio("the same against asyncssh in processor time, that of the host left out", ours.processor_median, bare)


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
