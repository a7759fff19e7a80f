"""Runbooks that run before those that need them, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_runbook.plugin.dependencies import dependency_groups
from tests.plugin.project import Project

BASE = """
    blocks:
      - vars: {zone: z1}
      - {name: Build, script: 'echo built >> built; echo 7', capture: {release: output.value | int}}
    """
ONE = "needs: [base.runbook.yaml]\nblocks: [{name: One, script: 'test {{ var.release + 1 }} = 8'}]\n"
TWO = "needs: base.runbook.yaml\nblocks: [{name: Two, script: 'test {{ var.zone }} = z1'}]\n"


def times(project: Project) -> int:
    """How often the base was built."""
    return len((project.path / "built").read_text().splitlines())


@pytest.fixture
def runbooks(project: Project) -> Project:
    project.write("base.runbook.yaml", BASE)
    project.write("a_one.runbook.yaml", ONE)
    project.write("two.runbook.yaml", TWO)
    return project


def test_a_runbook_needed_by_two_others_runs_once_and_hands_over_its_variables(runbooks: Project) -> None:
    runbooks.run("a_one.runbook.yaml", "two.runbook.yaml").assert_outcomes(passed=2)

    assert times(runbooks) == 1


def test_its_items_are_that_one_run_where_it_is_collected_itself_and_come_first(runbooks: Project) -> None:
    result = runbooks.run("-v", ".")

    result.assert_outcomes(passed=3)
    assert times(runbooks) == 1
    assert [line.split("::")[0] for line in result.outlines if "PASSED" in line] == [
        "base.runbook.yaml",
        "a_one.runbook.yaml",
        "two.runbook.yaml",
    ]


@pytest.mark.parametrize("paths", [(".",), ("a_one.runbook.yaml", "two.runbook.yaml")], ids=["collected", "not"])
def test_it_runs_once_with_workers_too(runbooks: Project, paths: tuple[str, ...]) -> None:
    runbooks.run("-n2", *paths).assert_outcomes(passed=3 if paths == (".",) else 2)

    assert times(runbooks) == 1


def test_one_that_is_needed_through_another_that_is_not_collected_runs_once(runbooks: Project) -> None:
    runbooks.write("middle.yaml", "needs: [base.runbook.yaml]\nblocks: [{script: 'true'}]\n")
    runbooks.write("a_first.runbook.yaml", "needs: [middle.yaml]\nblocks: [{name: First, script: 'true'}]\n")

    runbooks.run("a_first.runbook.yaml", "base.runbook.yaml").assert_outcomes(passed=2)

    assert times(runbooks) == 1


def test_runbooks_that_share_what_they_need_are_one_group(tmp_path: Path) -> None:
    for name, needs in {"a": "base", "b": "middle", "middle": "base", "base": None, "c": None}.items():
        text = f"needs: {needs}.runbook.yaml\n" if needs else ""
        (tmp_path / f"{name}.runbook.yaml").write_text(f"{text}blocks: []\n")
    (tmp_path / "d.atrb").write_text("id: d\ncontent: []\n")
    (tmp_path / "all.checks.yaml").write_text("- {runbook: d.atrb, needs: [base.runbook.yaml]}\n")
    names = [f"{name}.runbook.yaml" for name in "abc"] + ["d.atrb"]

    groups = dependency_groups(tmp_path, names)

    assert groups.keys() == {*names} - {"c.runbook.yaml"}
    assert len(set(groups.values())) == 1


def test_it_is_the_same_for_every_cell_of_a_matrix(project: Project) -> None:
    project.write("base.runbook.yaml", "vars: {n: 0}\nblocks: [{script: 'echo {{ var.n }}', capture: seen}]\n")
    project.write("many.runbook.yaml", """
        needs: base.runbook.yaml
        matrix: {n: [1, 2]}
        blocks: [{script: 'test {{ var.seen }} = 0 -a {{ var.n }} -gt 0'}]
        """)  # fmt: skip

    project.run("many.runbook.yaml").assert_outcomes(passed=2)


def test_what_it_needs_itself_runs_before_it(runbooks: Project) -> None:
    runbooks.write(
        "zero.runbook.yaml", "needs: two.runbook.yaml\nblocks: [{name: Zero, script: 'echo {{ var.zone }}'}]\n"
    )

    runbooks.run("zero.runbook.yaml").assert_outcomes(passed=1)
    assert times(runbooks) == 1
    assert [
        i.split("::")[1] for i in runbooks.collected("zero.runbook.yaml", "two.runbook.yaml", "base.runbook.yaml")
    ] == [
        "Build",
        "Two",
        "Zero",
    ]


def test_one_that_fails_unseen_fails_the_first_block_and_the_rest_is_skipped(runbooks: Project) -> None:
    runbooks.write("base.runbook.yaml", "blocks: [{name: Build, script: exit 3}]\n")
    runbooks.write("a_one.runbook.yaml", ONE.replace("[{name: One", "[{name: Zero, script: echo}, {name: One"))

    result = runbooks.run("-rs", "a_one.runbook.yaml")

    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ['  error    needs base.runbook.yaml: failed: block 1 "Build": exit code 3', "  at       a_one.runbook.yaml:1"]
    )
    result.stdout.fnmatch_lines(["*needs base.runbook.yaml: failed*"])


def test_what_it_warned_of_and_did_not_clean_up_is_reported(project: Project) -> None:
    project.write("base.runbook.yaml", """
        blocks: [{name: A, script: "echo 5", warn: output.value == "6"}]
        finally: [{name: Sweep, script: exit 3}]
        """)  # fmt: skip
    project.write("one.runbook.yaml", "needs: base.runbook.yaml\nblocks: [{script: 'true'}]\n")

    result = project.run("one.runbook.yaml")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            'base.runbook.yaml:2: warning: block "A": *',
            'base.runbook.yaml:3: NOT CLEANED UP: block "Sweep" *exit code 3',
        ]
    )


def test_one_that_was_reported_as_failed_is_pointed_to(runbooks: Project) -> None:
    runbooks.write("base.runbook.yaml", "blocks: [{name: Build, script: exit 3}]\n")

    runbooks.run(".").assert_outcomes(failed=1, skipped=2)


def test_one_of_which_only_a_part_was_selected_is_run_in_full(runbooks: Project) -> None:
    runbooks.write("base.runbook.yaml", BASE.rstrip() + "\n      - {name: Other, script: 'true'}\n")

    runbooks.run("-k", "One or Other", "--runbook-alone", ".").assert_outcomes(passed=2, deselected=2)
    assert times(runbooks) == 1


def test_python_tests_get_it_as_well(runbooks: Project) -> None:
    runbooks.write("test_it.py", """
        def test_it(runbook):
            assert runbook.run("a_one.runbook.yaml").passed
            assert runbook.run("two.runbook.yaml").passed
        """)  # fmt: skip

    runbooks.run("test_it.py").assert_outcomes(passed=1)
    assert times(runbooks) == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.runbook.yaml", "name: X\nneeds: no.runbook.yaml\n", "*:2: needs: there is no runbook no.runbook.yaml"),
        ("x.runbook.yaml", "name: X\nneeds: [x.runbook.yaml]\n", "*:2: needs: x.runbook.yaml is this runbook itself"),
    ],
)
def test_what_can_not_be_needed_is_an_error_of_the_file(project: Project, name: str, text: str, message: str) -> None:
    project.write(name, f"{text}blocks: [{{script: 'true'}}]\n")

    project.run(name).stdout.fnmatch_lines([message])


def test_runbooks_that_need_each_other_fail_saying_so(project: Project) -> None:
    project.write("x.runbook.yaml", "needs: y.runbook.yaml\nblocks: [{name: X, script: 'true'}]\n")
    project.write("y.runbook.yaml", "needs: x.runbook.yaml\nblocks: [{name: Y, script: 'true'}]\n")

    result = project.run("x.runbook.yaml")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*runbooks need each other: *"])


def test_a_needed_runbook_with_a_matrix_is_an_error(project: Project) -> None:
    project.write("x.runbook.yaml", "needs: y.runbook.yaml\nblocks: [{name: X, script: 'true'}]\n")
    project.write("y.runbook.yaml", "matrix: {n: [1]}\nblocks: [{name: Y, script: 'true'}]\n")

    project.run("x.runbook.yaml").stdout.fnmatch_lines(["*needs y.runbook.yaml: it has a matrix*"])
