"""Runbooks within runbooks, as pytest's users see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.project import Project

CALL = "blocks: [{name: Call, sub-runbook: %s}]\n"


def test_the_failed_block_within_is_shown_with_all_that_is_known(project: Project) -> None:
    project.write("a.runbook.yaml", "vars: {code: 3}\n" + CALL % "books/child.runbook.yaml")
    project.write(
        "books/child.runbook.yaml",
        """
        blocks:
          - {name: Fine, script: echo fine}
          - name: Broken
            script: |
              echo oh >&2
              exit {{ var.code }}
        """,
    )
    result = project.run("a.runbook.yaml")

    result.stdout.fnmatch_lines(
        [
            '  error    block 2 "Broken" of books/child.runbook.yaml failed: exit code 3',
            '  block    sub-runbook "Call", 1st of 1 * run books/child.runbook.yaml: 1 passed, 1 failed*',
            "  blocks   1 Fine passed in *",
            "           2 Broken failed: exit code 3",
            '  "Broken" of books/child.runbook.yaml:4',
            "    kind     block",
            "    error    exit code 3",
            '    block    script "Broken", 2nd of 2 *',
            "    stderr   oh",
            "    context  var.code = 3  <- *",
        ]
    )


def test_its_blocks_are_listed_where_it_passed(project: Project) -> None:
    project.write("a.runbook.yaml", CALL % "child.runbook.yaml")
    project.write("child.runbook.yaml", "blocks: [{name: Fine, script: echo fine}]\n")

    project.run("-rP", "a.runbook.yaml").stdout.fnmatch_lines(["*Captured blocks*", "1 Fine passed in *"])


def test_the_folder_of_sub_runbooks_can_be_set(project: Project) -> None:
    project.write("a.runbook.yaml", CALL % "child.runbook.yaml")
    project.write("child.runbook.yaml", "blocks: [{script: echo}]\n")

    result = project.run("a.runbook.yaml", "-o", "runbook_root=library")

    result.stdout.fnmatch_lines(["*the path leads out of the project: *child.runbook.yaml"])


HUB = "{runbookPath: '', runbookUri: ada/deploy}"
LOADER = """
from pathlib import Path

def pytest_runbook_load(uri, id):
    return Path(__file__).with_name("fetched.runbook.yaml") if uri == "ada/deploy" else None
"""


def test_a_hook_loads_what_is_on_a_hub(project: Project) -> None:
    project.write("a.runbook.yaml", CALL % HUB)
    project.write("fetched.runbook.yaml", "blocks: [{script: touch fetched}]\n")
    project.write("conftest.py", LOADER)
    project.run("a.runbook.yaml").assert_outcomes(passed=1)

    assert Path(project.path, "fetched").exists()


@pytest.mark.parametrize(
    ("conftest", "message"),
    [
        ("", "*is on a hub, and nothing here loads runbooks from one"),
        (LOADER.replace("ada", "bob"), '*there is no runbook "ada/deploy"'),
    ],
)
def test_without_one_that_knows_it_the_block_fails(project: Project, conftest: str, message: str) -> None:
    project.write("a.runbook.yaml", CALL % HUB)
    project.write("conftest.py", conftest)

    project.run("a.runbook.yaml").stdout.fnmatch_lines([message])


def test_unknown_blocks_within_are_skipped_where_that_is_wanted(project: Project) -> None:
    project.write("a.runbook.yaml", CALL % "child.atrb")
    project.write(
        "child.atrb",
        """
        id: child
        content:
        - {id: a, type: hologram, props: {}}
        - {id: b, type: script, props: {code: echo}}
        """,
    )

    project.run("a.runbook.yaml").assert_outcomes(failed=1)
    project.run("a.runbook.yaml", "--runbook-unknown-blocks=skip").assert_outcomes(passed=1)
