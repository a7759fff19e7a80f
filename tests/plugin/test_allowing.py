"""The ini setting `runbook_allow`."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project


def test_what_may_run_stands_in_the_ini_file(project: Project) -> None:
    project.pytester.makeini("[pytest]\nrunbook_allow =\n  type: script\n  interpreter: bash*\n")
    project.write("conftest.py", "import pytest\n@pytest.fixture\ndef it(): raise RuntimeError")
    project.write("a.runbook.yaml", """
        blocks:
          - {name: A, script: 'true'}
          - {name: B, pause: '', fixtures: it, below: run}
          - {name: C, script: {code: touch ran, interpreter: python3}}
        """)  # fmt: skip

    result = project.run(".", "-rs")

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "refused: 2 blocks that may not run here",
            "SKIPPED * a.runbook.yaml:4: runbook_allow has no type pause; it has script",
            "SKIPPED * a.runbook.yaml:5: runbook_allow has no interpreter python3; it has bash[*]",
        ]
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hots: x", 'runbook_allow: "hots: x": did you mean host?'),
        ("type: scirpt", 'runbook_allow: type "scirpt" is none: did you mean script?'),
    ],
)
def test_a_line_that_makes_no_sense_is_an_error(project: Project, line: str, message: str) -> None:
    project.pytester.makeini(f"[pytest]\nrunbook_allow = {line}\n")
    project.write("a.runbook.yaml", "blocks: [{script: 'true'}]")

    result = project.run(".")

    assert result.ret != 0
    assert message in result.stdout.str() + result.stderr.str()
