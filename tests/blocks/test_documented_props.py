"""The pages on block types name every prop and every key of the output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_runbook.model import default_catalog
from tests.run_book import run_book
from tests.servers.http_servers import HttpServer
from tests.servers.prometheus_server import PrometheusServer

DOCS = Path(__file__).parents[2] / "docs"


def named_on(page: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", (DOCS / page).read_text()))


@pytest.mark.parametrize("block_type", ["http", "prometheus"])
def test_every_prop_is_documented(block_type: str) -> None:
    props = (prop for prop in default_catalog()[block_type].props if not prop.app_only and prop.name != "name")

    assert {prop.spellings[-1] for prop in props} <= named_on(f"{block_type}.md")


def test_every_key_of_an_answer_is_documented(web: HttpServer, tmp_path: Path) -> None:
    assert run_book(tmp_path, {"http": f"{web.url}/echo"}).output.keys() <= named_on("http.md")


def test_every_key_of_a_result_is_documented(prometheus: PrometheusServer, tmp_path: Path) -> None:
    block = {"prometheus": {"query": "orders", "endpoint": prometheus.url}}

    assert run_book(tmp_path, block).output.keys() <= named_on("prometheus.md")
