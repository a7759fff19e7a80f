"""Hosts that may be connected to, by whatever way."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook import Settings
from pytest_runbook.policy.allow_list import AllowList
from tests.resources.ssh.conftest import Home
from tests.run_book import run_book
from tests.servers.sshd import Sshd


def allowing(folder: Path, hosts: str) -> Settings:
    return Settings(root=folder, allow_list=AllowList.of([f"host: {hosts}"], {}))


@pytest.mark.parametrize(
    ("hosts", "outcome"), [("web", "passed"), ("127.0.0.*", "passed"), ("db", "skipped"), ("*.corp", "skipped")]
)
def test_a_host_is_allowed_by_its_name_or_its_address(tmp_path: Path, web: Home, hosts: str, outcome: str) -> None:
    ran = run_book(tmp_path, {"script": "true", "host": "web"}, settings=allowing(tmp_path, hosts))

    assert ran.result.outcome == outcome
    if outcome == "skipped":
        assert ran.result.kind == "refused"
        assert ran.result.message == f"runbook_allow has no host web = 127.0.0.1; it has {hosts}"


def test_a_name_that_the_runbook_itself_returns_a_host_shows_nothing(tmp_path: Path, home: Home, server: Sshd) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(f"Host good.corp\n  HostName 127.0.0.1\n  Port {server.port}\n  User root\n")

    ran = run_book(
        tmp_path,
        {"script": "true", "host": "good.corp"},
        settings=allowing(tmp_path, "*.corp"),
        ssh={"config": str(config), "identity": str(server.identity)},
    )

    assert ran.result.kind == "refused"
    assert ran.result.message == "runbook_allow has no host 127.0.0.1; it has *.corp"


@pytest.mark.parametrize(
    "block",
    [
        {"http": {"url": "http://shop.corp/", "via": "web"}},
        {"postgres": {"uri": "postgres://shop.corp/x", "query": "select 1", "via": "web"}},
    ],
)
def test_the_host_on_the_way_is_looked_at(tmp_path: Path, web: Home, block: dict[str, object]) -> None:
    ran = run_book(tmp_path, block, settings=allowing(tmp_path, "*.corp"))

    assert (ran.result.outcome, ran.result.kind) == ("skipped", "refused")
    assert ran.result.message == "runbook_allow has no host web = 127.0.0.1; it has *.corp"


def test_a_jump_is_looked_at(tmp_path: Path, web: Home, server: Sshd) -> None:
    web.write_config(
        f"Host far.corp\n  HostName 127.0.0.1\n  Port {server.port}\n  User root\n  ProxyJump elsewhere\n"
        f"Host elsewhere\n  HostName localhost\n  Port {server.port}\n  User root\n"
    )

    ran = run_book(tmp_path, {"script": "true", "host": "far.corp"}, settings=allowing(tmp_path, "*.corp"))

    assert ran.result.kind == "refused"
    assert ran.result.message == "runbook_allow has no host elsewhere = localhost; it has *.corp"
