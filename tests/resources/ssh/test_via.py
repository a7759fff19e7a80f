"""Servers that only a bastion reaches: databases and HTTP through a tunnel on its connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pytest_runbook.messages.events import EventKind
from tests.harness import Opened, inside, until
from tests.resources.ssh.conftest import Home
from tests.run_book import Block, run_book, text_of
from tests.servers.database_servers import postgres_server
from tests.servers.http_servers import http_server
from tests.servers.network import network
from tests.servers.prometheus_server import prometheus_server
from tests.servers.sshd import Sshd, sshd


@dataclass(frozen=True)
class Hidden:
    """A bastion, and the URIs of servers that can be reached from there alone."""

    bastion: Sshd
    postgres: str
    web: str
    prometheus: str


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hidden]:
    folder = tmp_path_factory.mktemp("hidden")
    with ExitStack() as stack:
        net = stack.enter_context(network())
        bastion = stack.enter_context(sshd(folder / "bastion", prefix=net.prefix, address=net.address))
        with net.inside():
            postgres, web = stack.enter_context(postgres_server()), stack.enter_context(http_server())
            prometheus = stack.enter_context(prometheus_server(folder))
        yield Hidden(bastion, postgres.uri, web.url, prometheus.url)


@pytest.fixture
def bastion(home: Home, hidden: Hidden) -> Home:
    home.has_alias(hidden.bastion, "bastion")
    home.knows(hidden.bastion)
    return home


QUERY = "select inet_server_addr() is not null as is_there"


@pytest.mark.usefixtures("bastion")
def test_a_database_is_reached_through_the_bastion(tmp_path: Path, hidden: Hidden) -> None:
    ran = run_book(
        tmp_path, {"postgres": {"uri": hidden.postgres, "query": QUERY, "via": "bastion"}, "capture": "there"}
    )

    assert ran.result.outcome == "passed", ran.result.message
    assert ran.output["rows"][0]["is_there"] is True  # type: ignore[index]


@pytest.mark.usefixtures("bastion")
def test_blocks_share_the_bastion_and_its_tunnel(tmp_path: Path, hidden: Hidden) -> None:
    own = "select pg_backend_pid() as id"
    block = {"postgres": {"uri": hidden.postgres, "query": own, "via": "{{ var.way }}"}}
    ran = run_book(tmp_path, {"vars": {"way": "bastion"}}, block, block, block)

    assert [result.outcome for result in ran.results] == ["passed"] * 3
    assert len({output["value"] for output in ran.outputs if output is not None}) == 1


@pytest.mark.usefixtures("bastion")
def test_a_connection_may_show_what_leads_there(tmp_path: Path, hidden: Hidden) -> None:
    connections = {"orders": {"postgres": hidden.postgres, "via": "bastion"}}
    ran = run_book(tmp_path, {"postgres": {"connection": "orders", "query": QUERY}}, connections=connections)

    assert ran.result.outcome == "passed", ran.result.message


@pytest.mark.usefixtures("bastion")
def test_an_http_server_is_reached_through_the_bastion(tmp_path: Path, hidden: Hidden) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{hidden.web}/echo", "via": "bastion"}, "assert": "output.status > 0"})

    assert ran.result.outcome == "passed", ran.result.message


@pytest.mark.usefixtures("bastion")
def test_prometheus_is_reached_through_the_bastion(tmp_path: Path, hidden: Hidden) -> None:
    block = {"endpoint": hidden.prometheus, "query": "vector(7)", "period": "instant", "via": "bastion"}
    ran = run_book(tmp_path, {"prometheus": block, "assert": "output.value == 7"})

    assert ran.result.outcome == "passed", ran.result.message


def ways(hidden: Hidden) -> list[Block]:
    """A block of each kind that goes through the bastion."""
    return [
        {"postgres": {"uri": hidden.postgres, "query": QUERY, "via": "bastion"}},
        {"http": {"url": f"{hidden.web}/echo", "via": "bastion"}},
        {"prometheus": {"endpoint": hidden.prometheus, "query": "up", "via": "bastion"}},
    ]


@pytest.mark.usefixtures("bastion")
def test_one_connection_serves_all_and_nothing_listens_when_the_run_is_over(tmp_path: Path, hidden: Hidden) -> None:
    async def work(book: Opened) -> None:
        await book.run.run_all()
        assert [result.message for result in book.run.results.values() if result.outcome != "passed"] == []
        assert sum(kind == "sshConnected" for kind in book.kinds) == 1
        assert listening() > before

    before = listening()
    inside(tmp_path, text_of(*ways(hidden)), work)

    assert listening() == before


@pytest.mark.usefixtures("bastion")
def test_a_bastion_whose_connection_died_between_blocks_is_connected_again(tmp_path: Path, hidden: Hidden) -> None:
    async def work(book: Opened) -> None:
        for spec in book.document.items:
            result = await book.run.step(spec.id)
            assert result.outcome == "passed", result.message
            ends = book.kinds.count(EventKind.SSH_DISCONNECTED)
            for process in psutil.Process(hidden.bastion.process.pid).children():
                process.kill()
            await until(lambda: book.kinds.count(EventKind.SSH_DISCONNECTED) > ends)  # noqa: B023 - awaited here

    inside(tmp_path, text_of(*ways(hidden), *ways(hidden)), work)


def listening() -> int:
    """How many ports this process listens on."""
    connections = psutil.Process().net_connections(kind="inet")
    return sum(connection.status == psutil.CONN_LISTEN for connection in connections)


@pytest.mark.usefixtures("bastion")
@pytest.mark.parametrize("kind", ["postgres", "http", "prometheus"])
def test_without_the_bastion_nothing_is_reached(tmp_path: Path, hidden: Hidden, kind: str) -> None:
    blocks = {
        "postgres": {"uri": hidden.postgres, "query": QUERY},
        "http": {"url": hidden.web},
        "prometheus": {"endpoint": hidden.prometheus, "query": "up"},
    }

    assert run_book(tmp_path, {kind: blocks[kind]}).result.kind == "unreachable"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("kind", ["postgres", "http", "prometheus"])
def test_a_bastion_that_can_not_be_reached_is_reported(tmp_path: Path, kind: str) -> None:
    blocks = {
        "postgres": {"uri": "postgresql://u:p@db/x", "query": QUERY},
        "http": {"url": "http://db"},
        "prometheus": {"endpoint": "http://db", "query": "up"},
    }
    block = {kind: {**blocks[kind], "via": "127.0.0.1:1"}}
    ran = run_book(tmp_path, block, block)

    assert ran.results[0].message == "127.0.0.1:1 refuses connections"
    assert ran.results[1].outcome == "skipped"
