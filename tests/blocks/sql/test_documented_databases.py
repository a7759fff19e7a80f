"""The page on databases names every prop of their blocks and every key of their output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pytest_runbook.model import default_catalog
from tests.run_book import run_book
from tests.servers.database_servers import DatabaseServer

PAGE = (Path(__file__).parents[3] / "docs" / "databases.md").read_text()
NAMED = set(re.findall(r"`(\w+)`", PAGE))
ORDERS = "create table orders (id int, state text, at timestamptz); insert into orders values (1, 'sent', now())"


@pytest.mark.parametrize("block_type", ["sqlite", "postgres", "mysql", "clickhouse"])
def test_every_prop_is_documented(block_type: str) -> None:
    props = (prop for prop in default_catalog()[block_type].props if not prop.app_only and prop.name != "name")

    assert {prop.spellings[-1] for prop in props} <= NAMED


def test_every_key_of_a_result_is_documented(tmp_path: Path) -> None:
    query = "create table t (a int); select 1 as one"

    assert run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query}}).output.keys() <= NAMED


def test_example_of_the_page_runs(postgres: DatabaseServer, tmp_path: Path) -> None:
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
    run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": ORDERS}})
    run_book(tmp_path, {"sqlite": {"uri": "archive.db", "query": "create table t (a int)"}})

    ran = run_book(tmp_path, *example["blocks"], connections={"shop": {"postgres": postgres.uri}})

    assert [(str(result.outcome), result.message) for result in ran.results] == [("passed", None)] * 3
