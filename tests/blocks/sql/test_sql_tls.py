"""TLS with servers whose certificate a test authority signed, for the name localhost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run_book import run_book
from tests.servers.database_servers import DatabaseServer, mariadb_server, postgres_server
from tests.servers.http_servers import Certificates

POSTGRES_TLS = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
MARIADB_TLS = (
    "select variable_value <> '' as tls from information_schema.session_status where variable_name = 'Ssl_version'"
)


@pytest.fixture(scope="module")
def secure_postgres(certificates: Certificates) -> Iterator[DatabaseServer]:
    with postgres_server(certificates.issue("postgres", "localhost")) as server:
        yield server


@pytest.fixture(scope="module")
def secure_mariadb(certificates: Certificates) -> Iterator[DatabaseServer]:
    with mariadb_server(certificates.issue("mariadb", "localhost")) as server:
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
def test_postgres_speaks_tls_as_its_uri_says(
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
def test_postgres_that_is_not_who_it_says_is_unreachable(
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
def test_mariadb_speaks_tls_as_its_uri_says(
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


def test_mariadb_that_is_not_who_it_says_is_unreachable(
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
