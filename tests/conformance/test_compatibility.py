"""docs/compatibility.md says what the tests prove: every fault has its row, every row its proofs."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path

import pytest

from pytest_runbook.messages.client import Lifecycle
from tests.conformance.faults import FAULTS, Fault
from tests.harness import Opened, inside, ran

TESTS = Path(__file__).parent.parent
PAGE = TESTS.parent / "docs" / "compatibility.md"


@cache
def names_of_tests(path: Path) -> frozenset[str]:
    """The tests that a file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_fault_has_its_number() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 48))


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{fault.number} {fault.here}" for fault in FAULTS])
def test_a_fault_is_one_no_more(fault: Fault) -> None:
    for proof in fault.proofs:
        path, _, name = proof.partition("::")

        assert name in names_of_tests(TESTS / path), proof


def test_the_page_shows_the_table() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| # | there | here |\n|---|---|---|\n")[2]

    assert table.splitlines() == [f"| {fault.number} | {fault.there} | {fault.here} |" for fault in FAULTS]


# What is proved nowhere else


CODE = "echo {{ doc.content | length }} {{ doc.content[2].content }} {{ doc.named | length }}"
ODD_NODES = [
    {"type": "image"},
    {"id": 7, "type": "paragraph", "content": "no text for an id"},
    {"id": "n", "type": "quote", "props": {"name": 3}, "content": [1, None, {"type": "text", "text": "x"}]},
    {"id": "p", "type": "table", "props": None, "content": {"type": "tableContent", "rows": []}},
    {"id": "s", "type": "script", "props": {"code": CODE}},
]


def test_fault_20_odd_nodes_are_nodes(tmp_path: Path) -> None:
    book = ran(tmp_path, json.dumps(ODD_NODES), name="a.json")

    assert book.said == "5 x 0\n"


def test_fault_44_a_query_that_fails_was_started(tmp_path: Path) -> None:
    async def work(book: Opened) -> list[Lifecycle]:
        await book.run.run_all()
        return book.channel.lifecycles

    stations = inside(tmp_path, "blocks: [{sqlite: {uri: ':memory:', query: 'select {{ var.nobody }}'}}]\n", work)

    assert stations == [Lifecycle.STARTED, Lifecycle.ERROR]
