"""Databases, each started when the first test needs it and stopped at the end."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.servers.database_servers import DatabaseServer
from tests.servers.fixtures import clickhouse as clickhouse
from tests.servers.fixtures import mariadb as mariadb
from tests.servers.fixtures import postgres as postgres


@dataclass(frozen=True)
class Database:
    """Something that a block of this type can run SQL on."""

    type: str
    uri: str

    def block(self, query: str, **keys: object) -> dict[str, object]:
        """A block that runs the query. keys: of the block, beside its type."""
        return {self.type: {"uri": self.uri, "query": query}, **keys}


@pytest.fixture(params=["sqlite", "postgres", "mysql", "clickhouse"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the databases in turn."""
    if request.param == "sqlite":
        return Database("sqlite", "shop.db")
    server: DatabaseServer = request.getfixturevalue({"mysql": "mariadb"}.get(request.param, request.param))
    return Database(request.param, server.uri)
