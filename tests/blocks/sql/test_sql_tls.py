"""TLS with servers whose certificate a test authority signed, for the name localhost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run_book import run_book
from tests.servers.database_servers import PASSWORD, DatabaseServer, clickhouse_server, mariadb_server, postgres_server
from tests.servers.http_servers import Certificates

POSTGRES_TLS = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
MARIADB_TLS = (
    "select variable_value <> '' as tls from information_schema.session_status where variable_name = 'Ssl_version'"
)


@pytest.fixture(scope="module")
def secure_postgres(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    with postgres_server(certificates.issue("postgres", "localhost"), certificates.ca) as server:
        create = f"create role careful login superuser password '{PASSWORD}'"
        run_book(tmp_path_factory.mktemp("careful"), {"postgres": {"uri": server.uri, "query": create}})
        yield server


@pytest.fixture(scope="module")
def secure_mariadb(certificates: Certificates) -> Iterator[DatabaseServer]:
    with mariadb_server(certificates.issue("mariadb", "localhost"), certificates.ca) as server:
        yield server


@pytest.fixture(scope="module")
def secure_clickhouse(certificates: Certificates) -> Iterator[DatabaseServer]:
    with clickhouse_server(certificates.issue("clickhouse", "localhost")) as server:
        yield server


@pytest.fixture(scope="module")
def careful_clickhouse(certificates: Certificates) -> Iterator[DatabaseServer]:
    """One that lets nobody in who has no certificate."""
    with clickhouse_server(certificates.issue("careful-clickhouse", "localhost"), certificates.ca) as server:
        yield server


def of(uri: str, host: str, parameters: str) -> str:
    return f"{uri.replace('127.0.0.1', host)}?{parameters}"


POSTGRES_MODES = [
    ("sslmode=disable", "localhost", False),
    ("", "localhost", True),
    ("sslmode=require", "127.0.0.1", True),
    ("sslmode=verify-ca&sslrootcert={ca}", "127.0.0.1", True),
    ("sslmode=verify-full&sslrootcert={ca}", "localhost", True),
]


@pytest.mark.parametrize(("parameters", "host", "is_secure"), POSTGRES_MODES)
def test_postgres_speaks_tls_as_its_uri_shows(
    secure_postgres: DatabaseServer,
    certificates: Certificates,
    tmp_path: Path,
    parameters: str,
    host: str,
    is_secure: bool,
) -> None:
    uri = of(secure_postgres.uri, host, parameters.format(ca=certificates.ca))

    ran = run_book(tmp_path, {"postgres": {"uri": uri, "query": POSTGRES_TLS}})

    assert ran.result.message is None
    assert ran.output["value"] is is_secure


POSTGRES_REFUSALS = [
    ("sslmode=verify-full&sslrootcert={ca}", "127.0.0.1", "IP address mismatch"),
    ("sslmode=verify-full&sslrootcert={other}", "localhost", "certificate verify failed"),
]


@pytest.mark.parametrize(("parameters", "host", "why"), POSTGRES_REFUSALS)
def test_postgres_that_is_not_who_it_shows_is_unreachable(
    secure_postgres: DatabaseServer, certificates: Certificates, tmp_path: Path, parameters: str, host: str, why: str
) -> None:
    other = Certificates.made_in(tmp_path).ca
    uri = of(secure_postgres.uri, host, parameters.format(ca=certificates.ca, other=other))

    ran = run_book(tmp_path, {"postgres": {"uri": uri, "query": POSTGRES_TLS}})

    assert ran.result.kind == "unreachable"
    assert why in (ran.result.message or "")


def test_postgres_without_tls_does_for_nobody_who_wants_it(postgres: DatabaseServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"postgres": {"uri": f"{postgres.uri}?sslmode=require", "query": POSTGRES_TLS}})

    assert ran.result.kind == "unreachable"
    assert "SSL" in (ran.result.message or "")


MARIADB_MODES = [
    ("ssl-mode=DISABLED", "localhost", 0),
    ("", "localhost", 1),
    ("ssl-mode=REQUIRED", "127.0.0.1", 1),
    ("ssl-mode=VERIFY_CA&ssl-ca={ca}", "127.0.0.1", 1),
    ("ssl-mode=verify_identity&ssl-ca={ca}", "localhost", 1),
]


@pytest.mark.parametrize(("parameters", "host", "is_secure"), MARIADB_MODES)
def test_mariadb_speaks_tls_as_its_uri_shows(
    secure_mariadb: DatabaseServer,
    certificates: Certificates,
    tmp_path: Path,
    parameters: str,
    host: str,
    is_secure: int,
) -> None:
    uri = of(secure_mariadb.uri, host, parameters.format(ca=certificates.ca))

    ran = run_book(tmp_path, {"mysql": {"uri": uri, "query": MARIADB_TLS}})

    assert ran.result.message is None
    assert ran.output["value"] == is_secure


def test_mariadb_that_is_not_who_it_shows_is_unreachable(
    secure_mariadb: DatabaseServer, certificates: Certificates, tmp_path: Path
) -> None:
    uri = of(secure_mariadb.uri, "127.0.0.1", f"ssl-mode=VERIFY_IDENTITY&ssl-ca={certificates.ca}")

    ran = run_book(tmp_path, {"mysql": {"uri": uri, "query": MARIADB_TLS}})

    assert ran.result.kind == "unreachable"
    assert "no TLS with" in (ran.result.message or "")
    assert "IP address mismatch" in (ran.result.message or "")


def test_mariadb_without_tls_never_gets_the_password_of_who_wants_it(mariadb: DatabaseServer, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"mysql": {"uri": f"{mariadb.uri}?ssl-mode=REQUIRED", "query": MARIADB_TLS}})

    assert ran.result.kind == "unreachable"
    assert "the server has no TLS, and ssl-mode demands it" in (ran.result.message or "")


CLICKHOUSE_MODES = [
    ("ca_cert={ca}", "localhost"),
    ("ca_cert={ca}&max_threads=1", "localhost"),
    ("verify=false", "127.0.0.1"),
]


@pytest.mark.parametrize(("parameters", "host"), CLICKHOUSE_MODES)
def test_clickhouse_speaks_tls_as_its_uri_shows(
    secure_clickhouse: DatabaseServer, certificates: Certificates, tmp_path: Path, parameters: str, host: str
) -> None:
    uri = of(secure_clickhouse.uri, host, parameters.format(ca=certificates.ca))

    ran = run_book(tmp_path, {"clickhouse": {"uri": uri, "query": "select 1 as one"}})

    assert ran.result.message is None
    assert ran.output["value"] == 1


CLICKHOUSE_REFUSALS = [
    ("", "localhost", "its certificate is signed by an unknown authority"),
    ("ca_cert={other}", "localhost", "its certificate is signed by an unknown authority"),
    ("ca_cert={ca}", "127.0.0.1", "its certificate is for another address"),
]


@pytest.mark.parametrize(("parameters", "host", "why"), CLICKHOUSE_REFUSALS)
def test_clickhouse_that_is_not_who_it_shows_is_unreachable(
    secure_clickhouse: DatabaseServer, certificates: Certificates, tmp_path: Path, parameters: str, host: str, why: str
) -> None:
    other = Certificates.made_in(tmp_path).ca
    uri = of(secure_clickhouse.uri, host, parameters.format(ca=certificates.ca, other=other))

    ran = run_book(tmp_path, {"clickhouse": {"uri": uri, "query": "select 1"}})

    assert ran.result.kind == "unreachable"
    assert why in (ran.result.message or "")


CLIENTS = {
    "postgres": "sslmode=verify-full&sslrootcert=ca.pem&sslcert=client.pem&sslkey=client.pem",
    "mysql": "ssl-mode=VERIFY_IDENTITY&ssl-ca=ca.pem&ssl-cert=client.pem&ssl-key=client.pem",
    "clickhouse": "ca_cert=ca.pem&client_cert=client.pem",
}
LEFT_OUT = {
    "postgres": ("sslmode=verify-full&sslrootcert=ca.pem", "a valid client certificate"),
    "mysql": ("ssl-mode=VERIFY_IDENTITY&ssl-ca=ca.pem", "Access denied"),
    "clickhouse": ("ca_cert=ca.pem", ""),
}


def of_careful(kind: str, request: pytest.FixtureRequest) -> str:
    """The URI of a server for somebody who needs a certificate."""
    fixture = {"postgres": "secure_postgres", "mysql": "secure_mariadb", "clickhouse": "careful_clickhouse"}[kind]
    uri: str = request.getfixturevalue(fixture).uri
    return uri.replace("//postgres:", "//careful:").replace("//runbook:", "//careful:").replace("/shop", "/")


@pytest.fixture
def pems(certificates: Certificates, tmp_path: Path) -> None:
    """Beside the runbook: the authority's certificate, and a client's with its key."""
    certificate = certificates.issue("client", "careful")
    certificate.chmod(0o600)
    (tmp_path / "client.pem").symlink_to(certificate)
    (tmp_path / "ca.pem").symlink_to(certificates.ca)


@pytest.mark.usefixtures("pems")
@pytest.mark.parametrize("kind", CLIENTS)
def test_client_shows_its_certificate(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    uri = of(of_careful(kind, request), "localhost", CLIENTS[kind])

    ran = run_book(tmp_path, {kind: {"uri": uri, "query": "select 1 as one"}})

    assert ran.result.message is None
    assert ran.output["value"] == 1


@pytest.mark.usefixtures("pems")
@pytest.mark.parametrize("kind", CLIENTS)
def test_client_without_its_certificate_is_not_let_in(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    parameters, why = LEFT_OUT[kind]
    uri = of(of_careful(kind, request), "localhost", parameters)

    ran = run_book(tmp_path, {kind: {"uri": uri, "query": "select 1 as one"}})

    refused = ran.results[0]
    assert refused.kind == "unreachable"
    assert why in (refused.message or "")
    assert "certificate" in f"{refused.message} {refused.hint}"
