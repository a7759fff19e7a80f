"""Http blocks over TLS: whom they trust, who they are, HTTP/2, and the days that a certificate has left."""

from __future__ import annotations

import select
import socket
from pathlib import Path

import pytest
import trustme

from pytest_runbook.execution.result import Outcome
from tests.run_book import run_book
from tests.servers.http_servers import (
    Certificates,
    HttpServer,
    RawServer,
    asks_for_certificates,
    read_head,
    tls_server,
)


def test_authority_of_one_s_own_is_trusted(secure_web: HttpServer, certificates: Certificates, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{secure_web.url}/echo", "ca": str(certificates.ca)}})

    assert ran.result.outcome is Outcome.PASSED


def test_file_of_an_authority_is_found_beside_the_runbook(
    secure_web: HttpServer, certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_bytes(certificates.ca.read_bytes())
    ran = run_book(tmp_path, {"http": {"url": f"{secure_web.url}/echo", "ca": "ca.pem"}})

    assert ran.result.outcome is Outcome.PASSED


def test_http_2_is_spoken_where_the_server_offers_it(
    secure_web: HttpServer, certificates: Certificates, tmp_path: Path
) -> None:
    ran = run_book(tmp_path, {"http": {"url": f"{secure_web.url}/status/404", "ca": str(certificates.ca)}})

    assert (ran.output["http_version"], ran.output["reason"]) == ("HTTP/2", "Not Found")


@pytest.mark.parametrize("days", [0, 30, 400])
def test_days_of_the_certificate_are_reported(certificates: Certificates, tmp_path: Path, days: int) -> None:
    with tls_server(certificates.issue(f"days-{days}", "127.0.0.1", days=days)) as server:
        ran = run_book(tmp_path, {"http": {"url": f"{server.url}/echo", "ca": str(certificates.ca)}})

    assert ran.output["tls_expiry_days"] == days


def test_days_are_reported_of_a_certificate_that_nobody_verified(certificates: Certificates, tmp_path: Path) -> None:
    with tls_server(certificates.issue("expired", "127.0.0.1", days=-3)) as server:
        ran = run_book(tmp_path, {"http": {"url": f"{server.url}/echo", "verify": False}})

    assert (ran.result.outcome, ran.output["tls_expiry_days"]) == ("passed", -3)


# Distrust


def test_unknown_authority(secure_web: HttpServer, tmp_path: Path) -> None:
    result = run_book(tmp_path, {"http": f"{secure_web.url}/echo"}).result

    why = "its certificate is signed by an unknown authority"
    assert (result.kind, result.message) == ("unreachable", f"no TLS with 127.0.0.1:{secure_web.port}: {why}")
    assert result.hint == "name the certificates to trust with `ca`, or accept any with `verify: false`"


def test_certificate_that_signed_itself(certificates: Certificates, tmp_path: Path) -> None:
    authority = trustme.CA()
    path = tmp_path / "own.pem"
    authority.private_key_pem.write_to_path(path)
    authority.cert_pem.write_to_path(path, append=True)
    with tls_server(path) as server:
        result = run_book(tmp_path, {"http": f"{server.url}/echo"}).result

    assert str(result.message).endswith("its certificate is signed by itself")


def test_expired_certificate(certificates: Certificates, tmp_path: Path) -> None:
    with tls_server(certificates.issue("old", "127.0.0.1", days=-1)) as server:
        result = run_book(tmp_path, {"http": {"url": f"{server.url}/echo", "ca": str(certificates.ca)}}).result

    assert str(result.message).endswith("its certificate has expired")
    assert result.hint == "renew it; `verify: false` accepts it all the same"


@pytest.mark.parametrize(
    ("host", "why"),
    [("localhost", "its certificate is for another host"), ("127.0.0.1", "its certificate is for another address")],
)
def test_certificate_of_another_host(certificates: Certificates, tmp_path: Path, host: str, why: str) -> None:
    with tls_server(certificates.issue("other", "shop.example")) as server:
        url = server.url.replace("127.0.0.1", host)
        result = run_book(tmp_path, {"http": {"url": f"{url}/echo", "ca": str(certificates.ca)}}).result

    assert why in str(result.message)


def test_server_without_tls(web: HttpServer, tmp_path: Path) -> None:
    result = run_book(tmp_path, {"http": f"https://127.0.0.1:{web.port}/echo"}).result

    assert result.message == f"no TLS with 127.0.0.1:{web.port}: it speaks no TLS"
    assert result.hint == "is it http://, or another port?"


def test_server_with_tls_that_is_asked_without(secure_web: HttpServer, tmp_path: Path) -> None:
    result = run_book(tmp_path, {"http": f"http://127.0.0.1:{secure_web.port}/echo"}).result

    assert result.outcome is Outcome.FAILED
    assert "https://" in str(result.hint)


def test_server_that_ends_the_handshake(tmp_path: Path) -> None:
    with RawServer(lambda connection: connection.recv(65_536)) as server:
        result = run_book(tmp_path, {"http": server.url.replace("http:", "https:")}).result

    assert (result.kind, result.message) == (
        "unreachable",
        f"no TLS with 127.0.0.1:{server.port}: it closed the connection",
    )


def test_one_block_s_distrust_does_not_stop_another_that_trusts(
    secure_web: HttpServer, certificates: Certificates, tmp_path: Path
) -> None:
    url = f"{secure_web.url}/echo"
    ran = run_book(tmp_path, {"http": url}, {"http": url}, {"http": {"url": url, "ca": str(certificates.ca)}})

    assert [result.outcome for result in ran.results] == ["failed", "skipped", "passed"]


# Who we are


def test_client_certificate_opens_the_door(certificates: Certificates, tmp_path: Path) -> None:
    ours = certificates.issue("client", "ada@shop.example")
    with tls_server(certificates.issue("closed", "127.0.0.1"), **asks_for_certificates(certificates)) as server:
        props = {"url": f"{server.url}/echo", "ca": str(certificates.ca)}
        ran = run_book(tmp_path, {"http": {**props, "cert": str(ours)}})

    assert ran.result.outcome is Outcome.PASSED


def test_client_certificate_is_missed(certificates: Certificates, tmp_path: Path) -> None:
    with tls_server(certificates.issue("closed", "127.0.0.1"), **asks_for_certificates(certificates)) as server:
        result = run_book(tmp_path, {"http": {"url": f"{server.url}/echo", "ca": str(certificates.ca)}}).result

    assert result.outcome is Outcome.FAILED
    assert "`cert` and `key`" in str(result.hint)


def test_key_of_its_own_file_and_with_a_password(certificates: Certificates, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    issued = certificates.authority.issue_cert("bob@shop.example")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"open sesame"),
    )
    (tmp_path / "key.pem").write_bytes(encrypted)
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with tls_server(certificates.issue("closed", "127.0.0.1"), **asks_for_certificates(certificates)) as server:
        props = {"url": f"{server.url}/echo", "ca": str(certificates.ca), "cert": "cert.pem", "key": "key.pem"}
        without, with_it = run_book(
            tmp_path, {"http": props}, {"http": {**props, "key_password": "open sesame"}}
        ).results

    assert str(without.message).startswith(f"no client certificate in {tmp_path}/cert.pem with the key")
    assert with_it.outcome is Outcome.PASSED


# Connections


def test_requests_of_a_runbook_share_a_connection_over_http_2(
    secure_web: HttpServer, certificates: Certificates, tmp_path: Path
) -> None:
    block = {"http": {"url": f"{secure_web.url}/echo", "ca": str(certificates.ca)}}
    ran = run_book(tmp_path, *[block] * 20)

    assert len({output["body_json"]["connection"] for output in ran.outputs if output}) == 1  # type: ignore[index]
    assert {output["http_version"] for output in ran.outputs if output} == {"HTTP/2"}


def test_cancelled_request_over_http_2_is_ended_and_the_server_sees_it(
    certificates: Certificates, tmp_path: Path
) -> None:
    with tls_server(certificates.issue("patient", "127.0.0.1")) as server:
        block = {"http": {"url": f"{server.url}/drip", "ca": str(certificates.ca)}, "timeout": "300ms"}
        result = run_book(tmp_path, block).result

        assert result.kind == "timeout"
        assert server.app.gone.acquire(timeout=10)


def test_proxy_lets_tls_through(
    secure_web: HttpServer, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    with RawServer(lambda connection: asked.append(let_through(connection, secure_web.port))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        url = f"https://localhost:{secure_web.port}/echo"
        ran = run_book(tmp_path, {"http": {"url": url, "ca": str(certificates.ca)}})

    assert (ran.result.outcome, ran.output["tls_expiry_days"]) == ("passed", 30)
    assert asked == [f"CONNECT localhost:{secure_web.port} HTTP/1.1"]


def test_proxy_that_lets_nobody_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")

    with RawServer(refuse) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        result = run_book(tmp_path, {"http": "https://shop.invalid/"}).result

    message = "the proxy refuses a connection to shop.invalid:443: 407 Proxy Authentication Required"
    assert (result.kind, result.message) == ("unreachable", message)


def let_through(connection: socket.socket, port: int) -> str:
    """Be a proxy to that port until either side has enough; give the first line of what was asked."""
    head = read_head(connection)
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port)) as server:
        ends = {connection: server, server: connection}
        while True:
            for ready in select.select(list(ends), [], [], 10)[0]:
                if not (data := ready.recv(65_536)):
                    return head.decode().splitlines()[0]
                ends[ready].sendall(data)
