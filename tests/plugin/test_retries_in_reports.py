"""Attempts where people and machines read of them."""

from __future__ import annotations

from tests.plugin.project import Project

COUNTING = """
    blocks:
      - name: Count
        script: 'echo x >> n; test $(wc -l < n) -gt 5 || exit 7; exit 8'
        retry: {every: 1ms, attempts: 6}
    """


def test_a_failure_shows_its_attempts_in_one_line(project: Project) -> None:
    project.write("a.runbook.yaml", COUNTING)

    result = project.run("a.runbook.yaml")

    result.stdout.fnmatch_lines(["  attempts 1-5: exit code 7 (*s) | 6: exit code 8 (*s)"])


def test_attempts_that_would_make_a_long_line_have_one_each_with_when_they_began(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Count
            script: echo x >> n; wc -l < n
            retry: {every: 1ms, attempts: 20, until: output.value | int > 99}
        """)  # fmt: skip

    result = project.run("a.runbook.yaml")

    lines = result.outlines[next(i for i, line in enumerate(result.outlines) if "  attempts " in line) :][:17]
    assert lines[0].startswith("  attempts 1 after 0 ms: until: output.value | int > 99: actual 1 (")
    assert lines[1].strip() == "..."
    assert [line.split()[0] for line in lines[2:16]] == [str(number) for number in range(7, 21)]
    assert lines[16].startswith("  where")


def test_machines_read_how_many_there_were(project: Project) -> None:
    project.write("a.runbook.yaml", COUNTING)
    project.run("--junitxml=report.xml", "a.runbook.yaml")

    properties = {tag.attrib["name"]: tag.attrib["value"] for tag in project.junit()["Count"].iter("property")}
    assert properties["runbook_attempts"] == "6"


def test_a_block_that_is_not_retried_has_no_such_line(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: A, script: exit 1}]")

    project.run("a.runbook.yaml").stdout.no_fnmatch_line("  attempts*")


def test_an_interruption_ends_waiting_between_attempts(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - name: Wait
            script: 'echo tried > tried; exit 1'
            retry: {every: 1h, within: 2h}
            timeout: 3h
        finally: [{name: Sweep, script: echo swept > swept}]
        """)  # fmt: skip
    process = project.start("a.runbook.yaml")
    project.wait_for("tried")
    process.send_signal(2)

    result = project.finish(process)

    assert result.ret == 2
    result.stdout.fnmatch_lines(["*cancelled by Ctrl-C*"])
    assert (project.path / "swept").exists()
