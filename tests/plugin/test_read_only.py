"""Runs that change nothing."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

BOOK = """
    blocks:
      - name: Look
        sqlite: {uri: ":memory:", query: select 1}
      - name: Change
        below: run
        sqlite: {uri: shop.db, query: create table t (a int)}
      - name: Run something
        below: run
        script: touch changed
      - name: Run what reads
        effects: read
        script: "true"
    """


@pytest.mark.parametrize("how", ["option", "ini", "file"])
def test_blocks_that_may_change_something_are_skipped_and_counted(project: Project, how: str) -> None:
    project.write("shop.runbook.yaml", ("\n    effects: read" if how == "file" else "") + BOOK)
    if how == "ini":
        project.pytester.makeini("[pytest]\nrunbook_read_only = true\n")
    options = ["--runbook-read-only"] if how == "option" else []

    result = project.pytester.runpytest_subprocess("-p", "no:anyio", "-rs", *options, "shop.runbook.yaml")

    result.assert_outcomes(passed=2, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "refused: 2 blocks that may not run here",
            "  1 x *effects* read*: statement 1: CREATE may change something",
            "SKIPPED *effects* read*: statement 1: CREATE may change something",
            "SKIPPED *effects* read*: what a script block changes can't be known*",
        ]
    )
    assert not (project.path / "changed").exists()
    assert not (project.path / "shop.db").exists()


def test_what_stands_below_a_refused_block_does_not_run(project: Project) -> None:
    project.write("shop.runbook.yaml", BOOK.replace("below: run", "timeout: 1m"))

    result = project.run("-rs", "--runbook-effects=read", "shop.runbook.yaml")

    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines(['SKIPPED * block 2 "Change" was refused: shop.runbook.yaml:*'])


@pytest.mark.parametrize("block", ["script: touch ran", "terminal: touch ran", "http: POST http://127.0.0.1:1/"])
def test_no_fixture_is_set_up_for_a_block_that_is_refused(project: Project, block: str) -> None:
    project.write("a.runbook.yaml", f"blocks: [{{name: A, {block}, fixtures: it}}]")
    project.write("conftest.py", """
        import pathlib, pytest

        @pytest.fixture
        def it():
            pathlib.Path("touched").touch()
        """)  # fmt: skip

    project.run("--runbook-effects=read", ".").assert_outcomes(skipped=1)

    assert not (project.path / "touched").exists()
