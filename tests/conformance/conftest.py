"""Servers and programs that facts and faults are tried with; each starts when the first test needs it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.fixtures import clickhouse as clickhouse
from tests.servers.fixtures import mariadb as mariadb
from tests.servers.fixtures import postgres as postgres
from tests.servers.http_servers import HttpServer, http_server
from tests.servers.sshd import Sshd, sshd

KUBECTL = """#!/bin/sh
printf '%s\\n' "$@" > argv
printf '%s %s' "$PWD" "$REGION" > where
test -z "$HANGS" || { echo $$ > pid; exec sleep 1000; }
cat "$ANSWER"
"""


@pytest.fixture(scope="session")
def http() -> Iterator[HttpServer]:
    with http_server() as server:
        yield server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd") / "server") as running:
        yield running


@pytest.fixture
def other_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Sshd) -> Sshd:
    """A host that ssh knows as web."""
    ssh = tmp_path / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(ssh.parent))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    known = {"HostName": server.address, "Port": server.port, "User": "root", "IdentityFile": server.identity}
    (ssh / "config").write_text("Host web\n" + "".join(f"  {name} {value}\n" for name, value in known.items()))
    (ssh / "known_hosts").write_text(server.known_hosts_line)
    return server


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for programs that go before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin")
    return folder


@pytest.fixture
def kubectl(programs: Path) -> Path:
    """A kubectl that keeps how it was called, and gives what a file holds."""
    program = programs / "kubectl"
    program.write_text(KUBECTL)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program
