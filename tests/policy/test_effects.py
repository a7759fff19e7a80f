"""What blocks do to the world, and what holds them back."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook import Settings
from pytest_runbook.model.runbook import Effects
from tests.harness import Opened, ran
from tests.run_book import run_book

DROP = {"uri": ":memory:", "query": "create table t (a int); drop table t"}
# What a block says, what it does where nothing else is said; what it says itself counts.
LEVELS = [
    ({"script": "true"}, Effects.WRITE),
    ({"script": "true", "effects": "read"}, Effects.READ),
    ({"script": "true", "effects": "destructive"}, Effects.DESTRUCTIVE),
    ({"terminal": "true"}, Effects.WRITE),
    ({"sqlite": {"uri": ":memory:", "query": "select 1"}}, Effects.READ),
    ({"sqlite": {"uri": ":memory:", "query": "create table t (a int)"}}, Effects.WRITE),
    ({"sqlite": DROP}, Effects.DESTRUCTIVE),
    (
        {"sqlite": DROP, "effects": "write"},
        Effects.WRITE,
    ),
    ({"sqlite": {"uri": ":memory:", "query": "select 1"}, "effects": "destructive"}, Effects.DESTRUCTIVE),
    ({"http": "GET http://127.0.0.1:1/"}, Effects.READ),
    ({"http": "POST http://127.0.0.1:1/"}, Effects.WRITE),
    ({"http": "POST http://127.0.0.1:1/", "effects": "read"}, Effects.READ),
    ({"http": "DELETE http://127.0.0.1:1/"}, Effects.DESTRUCTIVE),
    ({"http": "DELETE http://127.0.0.1:1/", "effects": "write"}, Effects.WRITE),
    ({"prometheus": {"query": "up", "endpoint": "http://127.0.0.1:1"}}, Effects.READ),
    ({"kubernetes": "kubectl get pods"}, Effects.READ),
    ({"kubernetes": "kubectl apply -f x"}, Effects.WRITE),
    ({"kubernetes": "kubectl -n shop delete pod x"}, Effects.DESTRUCTIVE),
]


@pytest.mark.parametrize("limit", Effects)
@pytest.mark.parametrize(("block", "level"), LEVELS, ids=[f"{block}" for block, _ in LEVELS])
def test_a_block_runs_where_no_more_is_done_than_may_be(
    block: dict[str, object], level: Effects, limit: Effects, tmp_path: Path
) -> None:
    settings = Settings(root=tmp_path, effects=limit, interpreters={"bash": "true", "/bin/sh": "true"})

    result = run_book(tmp_path, block, settings=settings, timeout="5s").result

    assert (result.kind == "refused") is level.exceeds(limit)
    assert (result.outcome == "skipped") is level.exceeds(limit)


def test_who_declares_that_it_only_reads_in_sql_is_held_to_it(tmp_path: Path) -> None:
    query = {"sqlite": {"uri": ":memory:", "query": "create table t (a int)"}, "effects": "read"}

    result = run_book(tmp_path, query).result

    assert result.kind == "refused"
    assert result.message == "its own effects: read: statement 1: CREATE may change something"


def limited(folder: Path, book: str, effects: Effects = Effects.DESTRUCTIVE) -> Opened:
    return ran(folder, book, settings=Settings(root=folder, invocation=folder, effects=effects))


def test_a_runbook_limits_the_effects_of_its_blocks(tmp_path: Path) -> None:
    book = limited(tmp_path, """
        effects: write
        blocks:
          - {name: A, script: 'true'}
          - {name: B, sqlite: {uri: ":memory:", query: drop table t}}
        """)  # fmt: skip

    assert book.outcomes == {"A": "passed", "B": "skipped"}
    assert book.results["B"].message == (
        f"effects: write of {book.document.runbook.location}: statement 1: DROP TABLE deletes its content"
    )


@pytest.mark.parametrize("where", ["file", "block", "run"])
def test_runbooks_within_one_that_is_limited_are_so_too(tmp_path: Path, where: str) -> None:
    (tmp_path / "child.runbook.yaml").write_text("blocks: [{name: Inner, script: touch changed}]")
    block = "effects: read, " if where == "block" else ""
    book = limited(
        tmp_path,
        f"""
        effects: {"read" if where == "file" else "destructive"}
        blocks:
          - {{name: A, {block}sub-runbook: child.runbook.yaml}}
        """,
        Effects.READ if where == "run" else Effects.DESTRUCTIVE,
    )

    assert book.outcomes == {"A": "skipped"}
    assert not (tmp_path / "changed").exists()


INNER = "blocks: [{name: Look, script: 'true', effects: read}, {name: Write, script: touch changed}]"


@pytest.mark.parametrize("inner", [INNER, INNER.replace("effects: read", "effects: write")])
def test_what_stands_below_a_runbook_of_which_a_block_was_refused_does_not_run(tmp_path: Path, inner: str) -> None:
    (tmp_path / "child.runbook.yaml").write_text(inner)

    book = limited(
        tmp_path,
        """
        blocks:
          - {name: Child, sub-runbook: child.runbook.yaml}
          - {name: After, script: "true", effects: read}
        """,
        Effects.READ,
    )

    assert book.results["After"].outcome == "skipped"
    assert 'block 1 "Child" is not whole: block' in (book.results["After"].message or "")
