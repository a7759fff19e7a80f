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
def test_a_value_of_a_block_that_was_not_selected_is_reported_so(project: Project, selection: tuple[str, ...]) -> None:
    project.write("a.runbook.yaml", STEPS)

    result = project.run(*selection, "--runbook-alone")

    result.stdout.fnmatch_lines(
        ['  hint     var.built is set by block 1 "Build" (a.runbook.yaml:3), which was not selected']
    )


def test_the_same_with_last_failed_and_stepwise(project: Project) -> None:
    project.write("a.runbook.yaml", STEPS.replace("= 7", "= 8"))
    project.run(".", "--sw").assert_outcomes(passed=1, failed=1)

    for option in ("--lf", "--sw"):
        project.run(".", option, "--runbook-alone").stdout.fnmatch_lines(["*which was not selected"])


def test_a_block_that_was_not_selected_still_shows_what_it_declares(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - env: {COLOUR: red}
          - {name: One, script: exit 3}
          - vars: {size: 4}
          - {name: Two, script: 'test "$COLOUR-{{ var.size }}" = red-4'}
        """)  # fmt: skip

    project.run("a.runbook.yaml::Two", "--runbook-alone").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "selection",
    [("a.runbook.yaml::Check",), (".", "-k", "Check"), (".", "--deselect=a.runbook.yaml::Build"), (".", "-m", "late")],
)
def test_what_stands_below_a_block_that_was_not_selected_does_not_run(
    project: Project, selection: tuple[str, ...]
) -> None:
    project.write("a.runbook.yaml", STEPS.replace("name: Check,", "name: Check, tags: late,"))

    result = project.run(*selection, "-rs")

    assert "passed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            'SKIPPED * a.runbook.yaml:4: block 1 "Build" was not selected '
            "(--runbook-alone runs this one all the same): a.runbook.yaml:3"
        ]
    )


@pytest.mark.parametrize("how", ["block", "defaults", "on_failure", "file's on_failure", "ini"])
def test_who_shows_that_blocks_stand_on_their_own_lets_them_run_alone(project: Project, how: str) -> None:
    book = STEPS.replace("{{ var.built }}", "7")
    if how == "block":
        book = book.replace("name: Build,", "name: Build, below: run,")
    elif how == "defaults":
        book = "\n    defaults: {below: run}" + book
    elif how == "on_failure":
        book = book.replace("name: Build,", "name: Build, on_failure: continue,")
    elif how == "file's on_failure":
        book = "\n    on_failure: continue" + book
    else:
        project.pytester.makeini("[pytest]\nrunbook_alone = true\n")
    project.write("a.runbook.yaml", book)

    project.run("a.runbook.yaml::Check").assert_outcomes(passed=1)


def test_a_block_stands_on_one_that_goes_on_after_failures_only_if_that_allows_it(project: Project) -> None:
    project.write("a.runbook.yaml", """
        on_failure: continue
        blocks:
          - {name: Build, script: 'true', below: skip}
          - {name: Check, script: 'true'}
        """)  # fmt: skip

    project.run("a.runbook.yaml::Check").assert_outcomes(skipped=1)


SKIPS = """
    blocks:
      - {name: Build, script: 'true', skip: SKIP}
      - {name: Check, script: 'true'}
    finally:
      - {name: Sweep, script: 'true'}
    """
HOW_SKIPPED = [
    ("not now", {"passed": 1, "skipped": 2}),
    ("true", {"passed": 1, "skipped": 2}),
    ("{reason: not now}", {"passed": 1, "skipped": 2}),
    ("{reason: not now, below: skip}", {"passed": 1, "skipped": 2}),
    ("{reason: not now, below: run}", {"passed": 2, "skipped": 1}),
    ("{below: run}", {"passed": 2, "skipped": 1}),
    ("false", {"passed": 3}),
]


@pytest.mark.parametrize(("skip", "outcomes"), HOW_SKIPPED)
def test_what_stands_below_a_skipped_block_runs_only_if_its_author_shows_so(
    project: Project, skip: str, outcomes: dict[str, int]
) -> None:
    project.write("a.runbook.yaml", SKIPS.replace("SKIP", skip))

    project.run(".").assert_outcomes(**outcomes)


def test_a_skipped_block_is_pointed_to(project: Project) -> None:
    project.write("a.runbook.yaml", SKIPS.replace("SKIP", "not now"))

    result = project.run(".", "-rs")

    result.stdout.fnmatch_lines(
        ["SKIPPED * a.runbook.yaml:3: not now", 'SKIPPED * block 1 "Build" was skipped: a.runbook.yaml:3']
    )


@pytest.mark.parametrize("how", ["marker", "fixture"])
def test_what_stands_below_a_block_that_pytest_skipped_does_not_run(project: Project, how: str) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Build, script: 'true', fixtures: not_here}
          - {name: Check, script: 'true'}
        """)  # fmt: skip
    project.write("conftest.py", """
        import pytest

        @pytest.fixture
        def not_here():
            if HOW == "fixture":
                pytest.skip("not here")

        def pytest_collection_modifyitems(items):
            if HOW == "marker":
                items[0].add_marker(pytest.mark.skip)
        """.replace("HOW", repr(how)))  # fmt: skip

    result = project.run(".", "-rs")

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(['SKIPPED * block 1 "Build" was skipped: a.runbook.yaml:3'])


@pytest.mark.parametrize("options", [(), ("-n1",)])
def test_last_failed_remembers_what_it_left_out(project: Project, options: tuple[str, ...]) -> None:
    project.write("a.runbook.yaml", STEPS.replace("= 7", "= 8"))
    project.run(".").assert_outcomes(passed=1, failed=1, skipped=1)

    for _ in range(2):
        project.run(".", "--lf", *options).assert_outcomes(skipped=1)
    project.run(".", "--lf", "--runbook-alone").assert_outcomes(failed=1)


def test_a_clean_up_that_was_not_selected_is_reported(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks: [{name: One, script: 'true'}]
        finally: [{name: Sweep, script: 'true'}]
        """)  # fmt: skip

    result = project.run("a.runbook.yaml::One")

    result.stdout.fnmatch_lines(['a.runbook.yaml:3: NOT CLEANED UP: block "Sweep" (script) was not run'])
