"""The page on databases names every prop of their blocks and every key of their output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_runbook.model import default_catalog
from tests.run_book import run_book

NAMED = set(re.findall(r"`(\w+)`", (Path(__file__).parents[3] / "docs" / "databases.md").read_text()))


@pytest.mark.parametrize("block_type", ["sqlite", "postgres", "mysql", "clickhouse"])
def test_every_prop_is_documented(block_type: str) -> None:
    props = (prop for prop in default_catalog()[block_type].props if not prop.app_only and prop.name != "name")

    assert {prop.spellings[-1] for prop in props} <= NAMED


def test_every_key_of_a_result_is_documented(tmp_path: Path) -> None:
    query = "create table t (a int); select 1 as one"

    assert run_book(tmp_path, {"sqlite": {"uri": ":memory:", "query": query}}).output.keys() <= NAMED
