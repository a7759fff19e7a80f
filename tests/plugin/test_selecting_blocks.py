"""Node names, and what a selection leaves out."""

from __future__ import annotations

import json

import pytest

from pytest_runbook.plugin.collection import LONGEST_NAME
from tests.plugin.project import Project

NAMES = {
    "a [b] c": "a (b) c",
    "one::two": "one:two",
    "::": ":",
    "four::::colons": "four:colons",
    "  spaces \t and\nlines  ": "spaces and lines",
    "bell \a": "bell \\x07",
    "Zürich ✓ 東京": "Zürich ✓ 東京",
    "a/b": "a/b",
    "who@where": "who@where",
    "-x": "-x",
    "100%": "100%",
    "n" * 300: "n" * LONGEST_NAME,
    "(unreadable)": "(unreadable)",
}
STEPS = """
    blocks:
      - {name: Build, script: echo 7, capture: built}
      - {name: Check, script: 'test {{ var.built }} = 7'}
      - {name: Last, script: 'true'}
    """


def books(names: list[str]) -> str:
    return "blocks:\n" + "".join(f"  - {{name: {name!r}, script: 'true'}}\n" for name in names)


def json_book(names: list[str]) -> str:
    return json.dumps({"blocks": [{"name": name, "script": "true"} for name in names]})


@pytest.mark.parametrize(("name", "shown"), NAMES.items())
def test_a_name_becomes_a_node_id_that_selects_its_block_alone(project: Project, name: str, shown: str) -> None:
    project.write("a.runbook.json", json_book(["before", name, "after"]))

    assert project.collected(".") == ["a.runbook.json::before", f"a.runbook.json::{shown}", "a.runbook.json::after"]
    assert project.collected(f"a.runbook.json::{shown}") == [f"a.runbook.json::{shown}"]


def test_a_failed_block_of_any_name_is_run_again_by_last_failed(project: Project) -> None:
    blocks = ", ".join(f'{{"name": {name!r}, "script": "false"}}'.replace("'", '"') for name in ("a [b] c", "x::y"))
    project.write("a.runbook.json", f'{{"on_failure": "continue", "blocks": [{blocks}]}}')
    project.run(".").assert_outcomes(failed=2)

    assert project.collected("--lf", ".") == ["a.runbook.json::a (b) c", "a.runbook.json::x:y"]


def test_blocks_of_one_name_are_numbered(project: Project) -> None:
    project.write("a.runbook.yaml", books(["Check", "Check", "Check (2)", "Check"]))

    assert [name.rpartition("::")[2] for name in project.collected(".")] == [
        "Check",
        "Check (2)",
        "Check (2) (2)",
        "Check (3)",
    ]


def test_blocks_without_a_name_are_called_by_type_and_number(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: 'true'}, {script: 'true'}, {name: X, script: 'true'}]")

    names = [name.rpartition("::")[2] for name in project.collected(".")]

    assert names == ["script 1", "script 2", "X"]


@pytest.mark.parametrize("expression", ["[b]", "one::two", "UPPER", "UPPER or zzz"])
def test_keywords_find_names_as_they_were_written(project: Project, expression: str) -> None:
    project.write("a.runbook.yaml", books(["a [b] c one::two upper", "other"]))

    found = project.collected("-k", expression, ".")

    assert found == ["a.runbook.yaml::a (b) c one:two upper"]


def test_ten_thousand_blocks_are_collected(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks:\n" + "  - script: 'true'\n" * 10_000)

    assert len(project.collected(".")) == 10_000


@pytest.mark.parametrize(
    "selection", [("a.runbook.yaml::Check",), (".", "-k", "Check"), (".", "--deselect=a.runbook.yaml::Build")]
)
def test_a_value_of_a_block_that_was_not_selected_is_told_so(project: Project, selection: tuple[str, ...]) -> None:
    project.write("a.runbook.yaml", STEPS)

    result = project.run(*selection)

    result.stdout.fnmatch_lines(
        ['  hint     var.built is set by block 1 "Build" (a.runbook.yaml:3), which was not selected']
    )


def test_the_same_with_last_failed_and_stepwise(project: Project) -> None:
    project.write("a.runbook.yaml", STEPS.replace("= 7", "= 8"))
    project.run(".", "--sw").assert_outcomes(passed=1, failed=1)

    for option in ("--lf", "--sw"):
        project.run(".", option).stdout.fnmatch_lines(["*which was not selected"])


def test_a_block_that_was_not_selected_still_says_what_it_declares(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - env: {COLOUR: red}
          - {name: One, script: exit 3}
          - vars: {size: 4}
          - {name: Two, script: 'test "$COLOUR-{{ var.size }}" = red-4'}
        """)  # fmt: skip

    project.run("a.runbook.yaml::Two").assert_outcomes(passed=1)


def test_a_clean_up_that_was_not_selected_is_told(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks: [{name: One, script: 'true'}]
        finally: [{name: Sweep, script: 'true'}]
        """)  # fmt: skip

    result = project.run("a.runbook.yaml::One")

    result.stdout.fnmatch_lines(['a.runbook.yaml:3: NOT CLEANED UP: block "Sweep" (script) was not run'])
