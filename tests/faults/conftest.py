"""Projects of their own, as the tests of the plugin have them, whose processes are counted at the end; and servers."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.blocks.sql.conftest import mariadb as mariadb
from tests.blocks.sql.conftest import postgres as postgres
from tests.plugin.conftest import nothing_left as nothing_left
from tests.plugin.conftest import project as project
from tests.resources.ssh.conftest import home as home
from tests.resources.ssh.conftest import server as server
from tests.servers.network import Network, network


@pytest.fixture
def net() -> Iterator[Network]:
    """A network of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can make networks: run the tests as root, in a container")
    with network() as made:
        yield made
