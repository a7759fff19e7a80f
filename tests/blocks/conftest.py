"""Servers that blocks talk to, each started when the first test needs it and stopped at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.http_servers import Certificates, HttpServer, http_server, tls_server
from tests.servers.prometheus_server import HOW_TO, PrometheusServer, are_installed, prometheus_server

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="session", autouse=True)
def _no_proxies() -> Iterator[None]:
    """Tests talk to their own servers, whatever the environment says about proxies."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXY_VARIABLES:
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="session")
def web() -> Iterator[HttpServer]:
    """An HTTP server without TLS."""
    with http_server() as server:
        yield server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def secure_web(certificates: Certificates) -> Iterator[HttpServer]:
    """An HTTP server with TLS, which offers HTTP/2; its certificate lasts 30 days."""
    with tls_server(certificates.issue("server", "127.0.0.1", "localhost")) as server:
        yield server


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that lets everybody in."""
    if not are_installed():
        pytest.skip(HOW_TO)
    with prometheus_server(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture(scope="session")
def closed_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """A Prometheus that wants a password, and warns of what it can't reach itself."""
    if not are_installed():
        pytest.skip(HOW_TO)
    with prometheus_server(tmp_path_factory.mktemp("closed-prometheus"), closed=True) as server:
        yield server
