"""Databases as fixtures, for the conftest files that import them: each starts when the first test needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.database_servers import DatabaseServer, clickhouse_server, mariadb_server, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[DatabaseServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    with mariadb_server() as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[DatabaseServer]:
    with clickhouse_server() as server:
        yield server
