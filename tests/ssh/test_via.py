"""Servers that only a bastion reaches: databases and HTTP through a tunnel on its connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.run_book import run_book
from tests.servers.database_servers import postgres_server
from tests.servers.http_servers import http_server
from tests.servers.network import network
from tests.servers.sshd import Sshd, sshd
from tests.ssh.conftest import Home


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, str, str]]:
    """A bastion, and the URIs of PostgreSQL and an HTTP server that can be reached from there alone."""
    folder = tmp_path_factory.mktemp("hidden") / "bastion"
    with ExitStack() as stack:
        net = stack.enter_context(network())
        bastion = stack.enter_context(sshd(folder, prefix=net.prefix, address=net.address))
        with net.inside():
            postgres, web = stack.enter_context(postgres_server()), stack.enter_context(http_server())
        yield bastion, postgres.uri, web.url


@pytest.fixture
def bastion(home: Home, hidden: tuple[Sshd, str, str]) -> Home:
    home.has_alias(hidden[0], "bastion")
    home.knows(hidden[0])
    return home


QUERY = "select inet_server_addr() is not null as is_there"


@pytest.mark.usefixtures("bastion")
def test_a_database_is_reached_through_the_bastion(tmp_path: Path, hidden: tuple[Sshd, str, str]) -> None:
    ran = run_book(tmp_path, {"postgres": {"uri": hidden[1], "query": QUERY, "via": "bastion"}, "capture": "there"})

    assert ran.result.outcome == "passed", ran.result.message
    assert ran.output["rows"][0]["is_there"] is True  # type: ignore[index]


@pytest.mark.usefixtures("bastion")
def test_blocks_share_the_bastion_and_its_tunnel(tmp_path: Path, hidden: tuple[Sshd, str, str]) -> None:
    own = "select pg_backend_pid() as id"
    block = {"postgres": {"uri": hidden[1], "query": own, "via": "{{ var.way }}"}}
    ran = run_book(tmp_path, {"vars": {"way": "bastion"}}, block, block, block)

    assert [result.outcome for result in ran.results] == ["passed"] * 3
    assert len({output["value"] for output in ran.outputs if output is not None}) == 1


@pytest.mark.usefixtures("bastion")
def test_a_connection_may_say_what_leads_there(tmp_path: Path, hidden: tuple[Sshd, str, str]) -> None:
    connections = {"orders": {"postgres": hidden[1], "via": "bastion"}}
    ran = run_book(tmp_path, {"postgres": {"connection": "orders", "query": QUERY}}, connections=connections)

    assert ran.result.outcome == "passed", ran.result.message


@pytest.mark.usefixtures("bastion")
def test_an_http_server_is_reached_through_the_bastion(tmp_path: Path, hidden: tuple[Sshd, str, str]) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{hidden[2]}/echo", "via": "bastion"}, "assert": "output.status > 0"})

    assert ran.result.outcome == "passed", ran.result.message


@pytest.mark.usefixtures("bastion")
@pytest.mark.parametrize("kind", ["postgres", "http", "prometheus"])
def test_without_the_bastion_nothing_is_reached(tmp_path: Path, hidden: tuple[Sshd, str, str], kind: str) -> None:
    blocks = {
        "postgres": {"uri": hidden[1], "query": QUERY},
        "http": {"url": hidden[2]},
        "prometheus": {"endpoint": hidden[2], "query": "up"},
    }

    assert run_book(tmp_path, {kind: blocks[kind]}).result.kind == "unreachable"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("kind", ["postgres", "http", "prometheus"])
def test_a_bastion_that_can_not_be_reached_is_told(tmp_path: Path, kind: str) -> None:
    blocks = {
        "postgres": {"uri": "postgresql://u:p@db/x", "query": QUERY},
        "http": {"url": "http://db"},
        "prometheus": {"endpoint": "http://db", "query": "up"},
    }
    block = {kind: {**blocks[kind], "via": "127.0.0.1:1"}}
    ran = run_book(tmp_path, block, block)

    assert ran.results[0].message == "127.0.0.1:1 refuses connections"
    assert ran.results[1].outcome == "skipped"
