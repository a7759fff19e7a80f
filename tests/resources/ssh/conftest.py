"""A real sshd for all tests of hosts, and a home of its own for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.sshd import Sshd, sshd, sshd_with_accounts


@dataclass(frozen=True)
class Home:
    """The home of whoever runs the tests: what ssh_config and known_hosts say there."""

    path: Path

    @property
    def known_hosts(self) -> Path:
        return self.path / ".ssh/known_hosts"

    @property
    def config(self) -> Path:
        return self.path / ".ssh/config"

    def write_config(self, text: str) -> None:
        self.config.write_text(text)

    def knows(self, server: Sshd) -> None:
        with self.known_hosts.open("a") as file:
            file.write(server.known_hosts_line)

    def has_alias(self, server: Sshd, name: str = "web", extra: str = "") -> None:
        """A Host entry by which the server can be reached, above those that are there."""
        entry = (
            f"Host {name}\n  HostName {server.address}\n  Port {server.port}\n  User root\n"
            f"  IdentityFile {server.identity}\n  {extra}\n"
        )
        self.config.write_text(entry + (self.config.read_text() if self.config.exists() else ""))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd") / "server") as running:
        yield running


@pytest.fixture(scope="session")
def accounts() -> Iterator[Sshd]:
    """A server with users who have passwords, and may or may not use sudo. They can't look into pytest's folders."""
    with tempfile.TemporaryDirectory() as folder, sshd_with_accounts(Path(folder) / "machine") as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home, and no agent."""
    path = tmp_path / "home"
    (path / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return Home(path)


@pytest.fixture
def web(home: Home, server: Sshd) -> Home:
    """A home in which the server is known, and called web."""
    home.has_alias(server)
    home.knows(server)
    return home
