"""Blocks that must have passed, or the file fails."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

BOOK = """
    require: [Check, {second}]
    blocks:
      - {{name: Check, script: {script}, when: {when}}}
      - {{name: Other, script: 'true'}}
    finally: [{{name: Sweep, script: 'true'}}]
    """


@pytest.mark.parametrize(
    ("script", "when", "outcomes"),
    [
        ("'true'", "1 == 1", {"passed": 4}),
        ("exit 3", "1 == 1", {"failed": 2, "skipped": 1, "passed": 1}),
        ("'true'", "1 == 2", {"failed": 1, "skipped": 1, "passed": 2}),
    ],
)
def test_an_item_of_its_own_fails_unless_they_passed(
    project: Project, script: str, when: str, outcomes: dict[str, int]
) -> None:
    project.write("a.runbook.yaml", BOOK.format(script=script, when=when, second="Other"))

    project.run("a.runbook.yaml").assert_outcomes(**outcomes)


def test_it_shows_which_and_why_with_its_line(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK.format(script="'true'", when="1 == 2", second="Other"))

    result = project.run("a.runbook.yaml")

    result.stdout.fnmatch_lines(
        ['a.runbook.yaml:2: required: block 1 "Check" was skipped: when: 1 == 2 is false', "*hint: `require` names*"]
    )


def test_it_comes_last_whatever_shuffles_the_session(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK.format(script="'true'", when="1 == 1", second="Other"))
    project.write("conftest.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n")

    assert project.collected(".")[-1] == "a.runbook.yaml::(required)"


def test_a_checks_file_requires_blocks_of_its_document(project: Project) -> None:
    project.write("a.atrb", """
        id: 0198c0de-0000-7000-8000-000000000001
        name: A
        version: 1
        content:
          - {id: s, type: script, props: {name: Say, code: 'true'}}
        """)  # fmt: skip
    project.write("a.checks.yaml", "blocks: {Say: {skip: not today}}\nrequire: Say\n")

    result = project.run("a.atrb")

    result.stdout.fnmatch_lines(['a.checks.yaml:2: required: block 1 "Say" was skipped: not today'])


def test_a_name_that_no_block_has_is_an_error_with_the_nearest(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK.format(script="'true'", when="1 == 1", second="Othr"))

    result = project.run("a.runbook.yaml")

    result.stdout.fnmatch_lines(
        ['a.runbook.yaml:2: require: no block that runs is called "Othr"', '*did you mean "Other"?']
    )
