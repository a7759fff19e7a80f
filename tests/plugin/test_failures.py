"""What a failure looks like, whole."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from tests.plugin.project import Project


def picture(result: pytest.RunResult, project: Project) -> str:
    """The first failure between its headline and the next one, with ``TIME`` for times and ``HERE`` for the folder."""
    lines = result.outlines
    start = next(index for index, line in enumerate(lines) if re.match(r"_{5,} \S.* _{5,}$", line)) + 1
    end = next(index for index, line in enumerate(lines[start:], start) if re.match(r"[=_]{5,}", line))
    text = "\n".join(lines[start:end]).replace(str(project.path), "HERE")
    return re.sub(r"\b\d+(\.\d)? m?s\b", "TIME", text)


def shown(project: Project, text: str, *arguments: str) -> str:
    project.write("a.runbook.yaml", text)
    return picture(project.run("a.runbook.yaml", *arguments), project)


def text(expected: str) -> str:
    return dedent(expected).strip("\n")


def test_assertions(project: Project) -> None:
    found = shown(project, """
        vars: {limit: 5}
        blocks:
          - {name: Warm up, script: 'true'}
          - name: Health
            script: |
              echo '{"status": "degraded", "lag": 12}'
            assert:
              - (output.stdout | fromjson).status == "ok"
              - (output.stdout | fromjson).lag < var.limit
              - '"up" in output.stdout'
              - (output.stdout | fromjson).lga < 5
              - output.stdout | length > 3
        """)  # fmt: skip

    assert found == text("""
        a.runbook.yaml::Health                                          a.runbook.yaml:5
          kind     assertion
             9 | (output.stdout | fromjson).status == "ok"
               |     expected 'ok'
               |     actual   'degraded'
            10 | (output.stdout | fromjson).lag < var.limit
               |     actual   12
            11 | "up" in output.stdout
               |     actual   '{"status": "degraded", "lag": 12}\\n'
            12 | (output.stdout | fromjson).lga < 5
               |     error    (output.stdout | fromjson).lga is undefined
               |     hint     did you mean lag? output.stdout | fromjson has status, lag
          passed   output.exit_code == 0 | output.stdout | length > 3
          block    script "Health", 2nd of 2      echo '{"status": "degraded", "lag": 12}' -> exit code 0 in TIME
          where    local, cwd HERE, bash -eo pipefail -c
          stdout   {"status": "degraded", "lag": 12}
          before   1 Warm up ok TIME
          context  var.limit = 5  <- vars (a.runbook.yaml:2)
          again    pytest a.runbook.yaml
        """)  # fmt: skip


def test_an_equality_of_structures_shows_where_they_differ(project: Project) -> None:
    found = shown(project, """
        blocks:
          - script: |
              echo '{"a": 1, "b": [1, 2, 3]}'
            assert: 'output.stdout | fromjson == {"a": 1, "b": [1, 2, 4]}'
        """)  # fmt: skip

    assert found.splitlines()[2:6] == [
        '     5 | output.stdout | fromjson == {"a": 1, "b": [1, 2, 4]}',
        "       |     expected {'a': 1, 'b': [1, 2, 4]}",
        "       |     actual   {'a': 1, 'b': [1, 2, 3]}",
        "       |     {'a': 1, 'b': [1, 2, 3]} == {'a': 1, 'b': [1, 2, 4]}",
    ]


def test_an_exit_code(project: Project) -> None:
    found = shown(project, """
        blocks:
          - name: Deploy
            script: |
              echo pushing
              echo 'no such remote' >&2
              exit 3
        """)  # fmt: skip

    assert found == text("""
        a.runbook.yaml::Deploy                                          a.runbook.yaml:3
          kind     block
          error    exit code 3
          block    script "Deploy", 1st of 1      echo pushing echo 'no such remote' >&2 exit 3 -> exit code 3 in TIME
          where    local, cwd HERE, bash -eo pipefail -c
          stderr   no such remote
          stdout   pushing
          again    pytest a.runbook.yaml
        """)  # fmt: skip


def test_a_timeout(project: Project) -> None:
    found = shown(project, """
        blocks:
          - directory: /tmp
          - {name: Slow, script: echo begun; sleep 600, timeout: 300ms}
        """)  # fmt: skip

    assert found == text("""
        a.runbook.yaml::Slow                                            a.runbook.yaml:4
          kind     timeout
          error    timed out after TIME (limit TIME)
          block    script "Slow", 1st of 1      echo begun; sleep 600
          where    local, cwd /tmp <- block 1 (directory) (a.runbook.yaml:3), bash -eo pipefail -c
          stdout   begun
          again    pytest a.runbook.yaml
        """).replace("after TIME (", "after 300 ms (") or found.startswith("a.runbook.yaml::Slow")


def test_an_undefined_variable(project: Project) -> None:
    found = shown(project, """
        blocks:
          - {name: Build, script: echo 1, capture: built, when: "false"}
          - name: Ship
            script: |
              set -u
              echo {{ var.built }}
        """)  # fmt: skip

    assert found == text("""
        a.runbook.yaml::Ship                                            a.runbook.yaml:4
          kind     file
          error    var.built is undefined
          at       a.runbook.yaml:7
          hint     var.built is set by block 1 "Build" (a.runbook.yaml:3), which was skipped
          block    script "Ship", 2nd of 2
          before   1 Build skipped
          again    pytest a.runbook.yaml
        """)  # fmt: skip


def test_a_context_that_cannot_be_evaluated(project: Project) -> None:
    found = shown(project, """
        blocks:
          - directory: "{{ var.folder }}"
          - {name: One, script: pwd}
          - {name: Two, script: pwd}
        """)  # fmt: skip

    assert found == text("""
        a.runbook.yaml::One                                             a.runbook.yaml:4
          kind     file
          error    var.folder is undefined
          at       a.runbook.yaml:3
          hint     var is empty
          block    script "One", 1st of 2
          again    pytest a.runbook.yaml
        """)  # fmt: skip


def test_an_unreadable_file(project: Project) -> None:
    found = shown(project, """
        blocks:
          - {name: One, scrip: pwd}
          - {name: Two, script: pwd, tiemout: 5s}
        """)  # fmt: skip

    assert found == text("""
        a.runbook.yaml:3: block "One": unknown key "scrip"
          hint: did you mean script?
        a.runbook.yaml:4: block "Two" (script): unknown key "tiemout"
          hint: did you mean timeout?
        """)  # fmt: skip


def test_the_prose_above_a_block_is_shown_with_its_failure(project: Project) -> None:
    project.write("a.atrb", """
        id: 0198c0de-0000-7000-8000-000000000001
        name: A
        version: 1
        content:
          - {id: p, type: paragraph, props: {}, content: [{type: text, text: If this fails call Ann, styles: {}}]}
          - {id: s, type: script, props: {name: Deploy, code: exit 3, interpreter: bash}}
        """)  # fmt: skip
    project.write("a.checks.yaml", "blocks:\n  Deploy: {assert: output.seconds < 60}\n")

    found = picture(project.run("a.atrb"), project)

    assert found == text("""
        a.atrb::Deploy                                                   a.checks.yaml:2
          kind     block
          error    exit code 3
          passed   output.seconds < 60
          block    script "Deploy", 1st of 1      exit 3 -> exit code 3 in TIME
          where    local, cwd HERE, bash
          notes    "If this fails call Ann"  <- the paragraph above this block
          again    pytest a.atrb
        """)  # fmt: skip


def test_long_output_is_shown_from_its_end_and_whole_in_its_section(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: Long, script: seq 100; exit 3}]")

    result = project.run(".")

    shown = ["  stdout   ... 86", "           87", "           100", "*Captured stdout call*", "1", "2"]
    result.stdout.fnmatch_lines(shown)


def test_output_that_begins_with_an_empty_line_keeps_its_title(project: Project) -> None:
    found = shown(project, "blocks: [{name: A, script: 'echo; echo late; exit 1'}]")

    assert "  stdout   \n           late\n" in found


def test_control_characters_are_written_out(project: Project) -> None:
    found = shown(project, """
        blocks: [{name: Bell, script: 'printf "\\033[31mred\\007\\n"; exit 3'}]
        """)  # fmt: skip

    assert "  stdout   \\x1b[31mred\\x07" in found.splitlines()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", found.replace("\n", ""))


FAILING = "blocks: [{name: Bad, script: exit 3}, {name: After, script: 'true'}]"


@pytest.mark.parametrize("mode", ["auto", "long", "short", "native"])
def test_every_style_of_traceback_shows_it(project: Project, mode: str) -> None:
    assert "  error    exit code 3" in shown(project, FAILING, f"--tb={mode}").splitlines()


def test_one_line_where_one_line_is_wanted(project: Project) -> None:
    project.write("a.runbook.yaml", FAILING)

    result = project.run(".", "--tb=line")

    result.stdout.fnmatch_lines(["a.runbook.yaml:1: block: exit code 3"])
    result.stdout.no_fnmatch_line("*kind *")


def test_nothing_where_nothing_is_wanted(project: Project) -> None:
    project.write("a.runbook.yaml", FAILING)

    result = project.run(".", "--tb=no", "-q")

    assert [line for line in result.outlines if "exit code" in line] == [
        "FAILED a.runbook.yaml::Bad - block: exit code 3"
    ]


def test_a_skipped_block_shows_where_and_why(project: Project) -> None:
    project.write("a.runbook.yaml", FAILING)

    project.run(".", "-rs").stdout.fnmatch_lines(
        ['SKIPPED [[]1[]] a.runbook.yaml:1: block 1 "Bad" failed: a.runbook.yaml:1']
    )
