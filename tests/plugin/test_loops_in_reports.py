"""The turns of a block where people read of them."""

from __future__ import annotations

from tests.plugin.project import Project


def test_a_failure_shows_each_turn_and_why_it_failed(project: Project) -> None:
    project.write("a.runbook.yaml", """
        vars: {tables: [orders, items, users]}
        blocks:
          - name: Count
            for_each: {table: var.tables}
            script: echo {{ each.table | length }}
            assert: output.value | int == 5
        """)  # fmt: skip

    result = project.run("a.runbook.yaml")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "     7 | table = 'orders': output.value | int == 5",
            "       |     actual   6",
            "  turns    1 table = 'orders': output.value | int == 5: actual 6 (*)",
            "           2 table = 'items': ok (*)",
            "           3 table = 'users': ok (*)",
        ]
    )


def test_of_many_turns_those_that_failed_are_shown(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Count
            for_each: {n: 40}
            script: test {{ each.n }} -lt 39
        """)  # fmt: skip

    result = project.run("a.runbook.yaml")

    result.stdout.fnmatch_lines(
        [
            "  turns    39 n = 39: exit code 1 (*)",
            "           40 n = 40: exit code 1 (*)",
            "           40 turns: 38 ok, 2 not",
        ]
    )
