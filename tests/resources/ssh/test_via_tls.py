"""Databases behind a bastion prove who they are: by their own names, not by that of the tunnel's near end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.run_book import run_book
from tests.servers.database_servers import clickhouse_server, mariadb_server, postgres_server
from tests.servers.http_servers import Certificates

PARAMETERS = {
    "postgres": "sslmode=verify-full&sslrootcert={}",
    "mysql": "ssl-mode=VERIFY_IDENTITY&ssl-ca={}",
    "clickhouse": "ca_cert={}",
}


@pytest.fixture(scope="module")
def uris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Servers with certificates for the name localhost, which their clients trust in."""
    certificates = Certificates.made_in(tmp_path_factory.mktemp("certificates"))
    with ExitStack() as stack:
        servers = {
            kind: stack.enter_context(start(certificates.issue(kind, "localhost")))
            for kind, start in (
                ("postgres", postgres_server),
                ("mysql", mariadb_server),
                ("clickhouse", clickhouse_server),
            )
        }
        yield {kind: f"{server.uri}?{PARAMETERS[kind].format(certificates.ca)}" for kind, server in servers.items()}


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("kind", PARAMETERS)
def test_server_behind_a_bastion_is_verified_by_its_own_name(uris: dict[str, str], kind: str, tmp_path: Path) -> None:
    uri = uris[kind].replace("127.0.0.1", "localhost")
    block = {kind: {"uri": uri, "query": "select 1 as one", "via": "web"}}

    ran = run_book(tmp_path, block, block)

    assert ran.result.message is None
    assert ran.output["value"] == 1


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("kind", PARAMETERS)
def test_server_behind_a_bastion_that_has_another_name_is_unreachable(
    uris: dict[str, str], kind: str, tmp_path: Path
) -> None:
    ran = run_book(tmp_path, {kind: {"uri": uris[kind], "query": "select 1 as one", "via": "web"}})

    assert ran.result.kind == "unreachable"
    assert "TLS" in (ran.result.message or "")
