"""Many remote script blocks that do nothing, against the same commands over bare asyncssh and over ssh that shares."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import asyncssh

from tests.servers.sshd import Sshd, sshd

from .measure import Verdict, in_process, pytest_process, ratio, take_turns

ROUNDS = 5
BLOCKS = 200
COMMAND = "sh -c true"


def verdicts(folder: Path) -> Iterator[Verdict]:
    with sshd(folder / "server") as server:
        home = _home(folder / "home", server)
        block = '  - script: {code: "true", interpreter: sh}\n'
        (folder / "many.runbook.yaml").write_text(
            f"ssh: {{config: {home}/config}}\nblocks:\n  - host: web\n" + block * BLOCKS
        )
        (folder / "test_many.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(BLOCKS)))
        taken = take_turns(
            ROUNDS,
            {
                "remote script blocks": pytest_process(folder, "many.runbook.yaml"),
                "empty tests": pytest_process(folder, "test_many.py", plugins=""),
                "asyncssh": in_process(lambda: anyio.run(_run_with_asyncssh, server)),
                "ssh, ControlMaster": in_process(lambda: _run_with_ssh(home)),
            },
        )
    ours, items = taken["remote script blocks"].median, taken["empty tests"].median
    claim = f"{BLOCKS} remote scripts / as many empty tests and "
    yield ratio(claim + "asyncssh: at most 1.2", ours, items + taken["asyncssh"].median, at_most=1.2)
    yield ratio(claim + "ssh with ControlMaster", ours, items + taken["ssh, ControlMaster"].median)


def _home(folder: Path, server: Sshd) -> Path:
    folder.mkdir()
    (folder / "known_hosts").write_text(server.known_hosts_line)
    (folder / "config").write_text(
        f"Host web\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {server.identity}\n"
        f" UserKnownHostsFile {folder}/known_hosts\n ControlPath {folder}/control\n"
    )
    return folder


async def _run_with_asyncssh(server: Sshd) -> None:
    options = {"username": "root", "client_keys": [str(server.identity)], "known_hosts": None, "config": None}
    async with asyncssh.connect("127.0.0.1", server.port, **options) as connection:
        for _ in range(BLOCKS):
            await connection.run(COMMAND, check=True)


def _run_with_ssh(home: Path) -> None:
    words = ["ssh", "-F", str(home / "config"), "-o", "ControlMaster=auto", "-o", "ControlPersist=60", "web"]
    for _ in range(BLOCKS):
        subprocess.run([*words, COMMAND], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run([*words[:-1], "-O", "exit", "web"], check=True, capture_output=True, env=dict(os.environ))
