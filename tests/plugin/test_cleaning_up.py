"""Clean-ups whatever happened, and what was not cleaned up."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

BOOK = """
    blocks:
      - {{name: Start, script: 'echo start >> log'}}
      - {{name: Work, script: '{work}', timeout: 400ms}}
      - {{name: Never, script: 'echo never >> log'}}
    finally:
      - {{name: First, if_started: Start, script: 'echo first >> log; exit 3'}}
      - {{name: Unneeded, if_started: Never, script: 'echo unneeded >> log'}}
      - {{name: Last, script: 'echo last >> log'}}
    """


@pytest.mark.parametrize("work", ["exit 4", "sleep 60", "echo {{ var.typo }}"])
@pytest.mark.parametrize("options", [(), ("-x",), ("-n1",)])
def test_clean_ups_run_in_order_after_whatever_happened_and_one_that_fails_stops_no_other(
    project: Project, work: str, options: tuple[str, ...]
) -> None:
    project.write("a.runbook.yaml", BOOK.format(work=work))

    result = project.run("-v", *options, "a.runbook.yaml")

    assert (project.path / "log").read_text().split() == ["start", "first", "last"]
    assert result.parseoutcomes()["failed"] == 2


def test_what_was_not_cleaned_up_is_reported_last(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK.format(work="true"))

    result = project.run("--runbook-var", "unread=1", "a.runbook.yaml")

    reported = [line for line in result.outlines if "NOT CLEANED UP" in line or "nothing read it" in line]
    assert reported == [
        "--runbook-var unread was given, and nothing read it",
        'a.runbook.yaml:7: NOT CLEANED UP: block "First" (script) failed: exit code 3',
    ]
