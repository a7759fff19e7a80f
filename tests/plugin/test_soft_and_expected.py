"""What is expected to fail, what only warns, and what does not have its shape, as pytest reports them."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

XFAIL = """
    blocks:
      - {{name: Broken, script: {script}, xfail: {xfail}}}
      - {{name: After, script: echo}}
    """


@pytest.mark.parametrize(
    ("script", "xfail", "outcomes", "status"),
    [
        ("exit 3", "bug 7", {"xfailed": 1, "skipped": 1}, 0),
        ("exit 3", "true", {"xfailed": 1, "skipped": 1}, 0),
        ("exit 3", "{reason: bug 7, strict: true}", {"xfailed": 1, "skipped": 1}, 0),
        ("echo", "bug 7", {"xpassed": 1, "passed": 1}, 0),
        ("echo", "{reason: bug 7, strict: true}", {"failed": 1, "passed": 1}, 1),
        ("exit 3", "false", {"failed": 1, "skipped": 1}, 1),
    ],
)
def test_a_block_that_is_expected_to_fail(
    project: Project, script: str, xfail: str, outcomes: dict[str, int], status: int
) -> None:
    project.write("a.runbook.yaml", XFAIL.format(script=script, xfail=xfail))

    result = project.run("-rxX", "a.runbook.yaml")

    result.assert_outcomes(**outcomes)
    assert result.ret == status


def test_its_reason_is_reported_and_the_flow_takes_it_for_failed(project: Project) -> None:
    project.write("a.runbook.yaml", XFAIL.format(script="exit 3", xfail="bug 7"))

    result = project.run("-rxs", "a.runbook.yaml")

    result.stdout.fnmatch_lines(["XFAIL a.runbook.yaml::Broken - bug 7"])
    result.stdout.fnmatch_lines(['*block 1 "Broken" failed*'])


def test_an_error_of_the_file_is_never_expected(project: Project) -> None:
    project.write("a.runbook.yaml", XFAIL.format(script="'{{ var.typo }}'", xfail="bug 7"))

    project.run("a.runbook.yaml").assert_outcomes(failed=1, skipped=1)


def test_machines_read_it_as_pytest_has_it(project: Project) -> None:
    project.write("a.runbook.yaml", XFAIL.format(script="exit 3", xfail="bug 7"))
    project.run("--junitxml=report.xml", "a.runbook.yaml")

    (skipped,) = project.junit()["Broken"].iter("skipped")
    assert (skipped.attrib["type"], skipped.attrib["message"]) == ("pytest.xfail", "bug 7")


def test_it_is_one_with_workers(project: Project) -> None:
    project.write("a.runbook.yaml", XFAIL.format(script="exit 3", xfail="bug 7"))

    project.run("-n2", "-p", "xdist", "a.runbook.yaml").assert_outcomes(xfailed=1, skipped=1)


def test_a_warning_is_reported_and_fails_nothing(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Slow
            script: echo 12
            warn:
              - output.value | int < 5
              - output.exit_code == 0
              - output.nothing == 1
            assert: output.value | int < 20
        """)  # fmt: skip

    result = project.run("a.runbook.yaml")

    assert result.ret == 0
    reported = [line for line in result.outlines if " warning: " in line]
    assert reported == [
        'a.runbook.yaml:6: warning: block "Slow": output.value | int < 5: actual 12',
        'a.runbook.yaml:8: warning: block "Slow": output.nothing == 1: output.nothing is undefined',
    ]


def test_a_shape_that_differs_is_shown_by_its_innermost_part(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Shape
            script: echo one; echo two
            expect:
              stdout: "one\\nthree\\n"
        """)  # fmt: skip

    result = project.run("a.runbook.yaml")

    result.stdout.fnmatch_lines(
        [
            "     6 | expect stdout",
            "       |     expected 'one\\nthree\\n'",
            "       |     actual   'one\\ntwo\\n'",
            "*- three",
            "*+ two",
        ]
    )
