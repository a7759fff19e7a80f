"""What reports say for machines, and what they never say."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.plugin.project import Project

SECRET = "h7/K+9 zQ&x=é"
BOOK = """
    name: Nightly
    blocks:
      - {name: "Check [1]", id: first, script: sleep 0.3; echo fine}
      - {name: "Bad \\x07", script: echo no >&2; exit 3}
      - {name: Skipped, script: 'true'}
    """


def properties(project: Project, name: str) -> dict[str, str]:
    return {case.attrib["name"]: case.attrib["value"] for case in project.junit()[name].iter("property")}


def test_junit_holds_what_machines_ask_for(project: Project) -> None:
    project.write("ops/a.runbook.yaml", BOOK)

    project.run("ops", "--junit-xml=report.xml")

    passed = properties(project, "Check (1)")
    assert project.junit()["Check (1)"].attrib["classname"] == "ops.a.runbook.yaml"
    assert 0.3 <= float(passed.pop("runbook_seconds")) < 5
    assert passed == {
        "runbook_block_id": "first",
        "runbook_block_type": "script",
        "runbook_block_name": "Check [1]",
        "runbook_file": "ops/a.runbook.yaml",
        "runbook_line": "4",
        "runbook_name": "Nightly",
        "runbook_host": "local",
        "runbook_exit_code": "0",
        "runbook_attempts": "1",
    }
    assert properties(project, "Bad \\x07")["runbook_failure_kind"] == "block"


def test_junit_holds_the_picture_of_a_failure_and_the_reason_of_a_skip(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)

    project.run(".", "--junit-xml=report.xml")

    failure = project.junit()["Bad \\x07"].find("failure")
    skipped = project.junit()["Skipped"].find("skipped")
    assert failure is not None
    assert failure.text is not None
    assert skipped is not None
    assert failure.attrib["message"] == "block: exit code 3"
    assert "  stderr   no\n" in failure.text
    assert skipped.text == 'a.runbook.yaml:6: block 2 "Bad \\x07" failed: a.runbook.yaml:5'


def test_output_of_passed_blocks_is_shown_where_it_is_asked_for(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: Loud, script: echo out; echo err >&2}]")

    result = project.run(".", "-rP")

    result.stdout.fnmatch_lines(["*Captured stderr call*", "err", "*Captured stdout call*", "out"])


def test_durations_are_those_of_the_blocks(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)

    project.run(".", "--durations=1").stdout.fnmatch_lines(["*s call * a.runbook.yaml::Check (1)"])


def test_nothing_that_ran_is_not_green(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: 'true', skip: not today}, {script: 'true', when: '1 == 2'}]")

    result = project.run(".")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["no block ran: 2 skipped; this is not green"])


def test_blocks_that_conftest_skips_did_not_run_either(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: 'true'}]")
    project.write("conftest.py", """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.skip("frozen"))
        """)  # fmt: skip

    assert project.run(".").ret == pytest.ExitCode.TESTS_FAILED


def test_nothing_selected_is_what_pytest_shows_it_is(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: 'true'}]")

    assert project.run(".", "-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_processes_left_in_the_background_are_ended_and_reported(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: sleep 600 &}, {script: pgrep -f 'sleep 600'}]")

    result = project.run(".")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["a.runbook.yaml: left in the background and was ended: * sleep 600"])


LEAKS = {
    "echoed": "echo '{{ secret.KEY }}'; exit 3",
    "in base64": "printf %s '{{ secret.KEY }}' | base64; exit 3",
    "in a URL": "echo 'https://x/?k={{ secret.KEY | urlencode }}'; exit 3",
    "in an assertion": "printf %s '{{ secret.KEY }}'",
    "in a header": "echo 'Authorization: Bearer abcdef-token'; exit 3",
    "in a URI": "echo postgres://me:abcdef-token@db/x; exit 3",
}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "with workers"])
@pytest.mark.parametrize("leak", LEAKS)
def test_secrets_are_in_no_report(
    project: Project, monkeypatch: pytest.MonkeyPatch, leak: str, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KEY_OF_OURS", SECRET)
    project.write("a.runbook.yaml", f"""
        secrets: {{KEY: {{env: KEY_OF_OURS}}}}
        blocks:
          - name: Leak
            script: |
              {LEAKS[leak]}
            assert: output.stdout == "x"
            capture: kept
          - {{name: Read, script: "echo {{{{ var.kept }}}}"}}
        """)  # fmt: skip

    result = project.run(".", "-rA", "-vv", "--junit-xml=report.xml", *workers)

    assert "***" in result.stdout.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert_clean(result, project.path)


def assert_clean(result: pytest.RunResult, folder: Path) -> None:
    forms = {SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()[:10], "abcdef-token"}
    written = [
        path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file() and path.suffix != ".yaml"
    ]
    for text in (result.stdout.str(), result.stderr.str(), *written):
        assert [form for form in forms if form in text] == []


def test_secrets_are_in_no_log_and_no_traceback_of_python_tests(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY_OF_OURS", SECRET)
    project.write("a.runbook.yaml", """
        secrets: {KEY: {env: KEY_OF_OURS}}
        blocks: [{name: Leak, script: "printf %s '{{ secret.KEY }}'"}]
        """)  # fmt: skip
    project.write("test_it.py", """
        import logging

        def test_it(runbook):
            found = runbook.run("a.runbook.yaml")["Leak"].output.stdout
            print(found)
            logging.warning("found %s", found)
            assert found == "x"
        """)  # fmt: skip

    result = project.run("test_it.py", "-vv", "--junit-xml=report.xml")

    result.stdout.fnmatch_lines(["WARNING * found [*][*][*]"])
    assert_clean(result, project.path)


def test_an_obscured_local_variable_is_in_no_report(project: Project) -> None:
    project.write(
        "a.runbook.yaml", "blocks: [{local-var: token}, {name: Leak, script: 'echo {{ var.token }}; exit 3'}]"
    )

    result = project.run(".", "--runbook-answer=token=abcdef-token", "--junit-xml=report.xml")

    result.stdout.fnmatch_lines(["  stdout   [*][*][*]"])
    assert_clean(result, project.path)


def test_a_secret_too_short_to_be_masked_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_OF_OURS", "abc")
    project.write("a.runbook.yaml", """
        secrets: {KEY: {env: KEY_OF_OURS}}
        blocks: [{script: "true {{ secret.KEY }}"}]
        """)  # fmt: skip

    project.run(".").stdout.fnmatch_lines(["too short or too common to be masked in reports: secret.KEY"])


def test_what_blocks_left_is_kept_in_the_cache_but_not_in_ci(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: echo 7, capture: x}]")
    kept = project.path / ".pytest_cache/d/runbook"

    monkeypatch.setenv("CI", "true")
    project.run(".")
    assert not list(kept.rglob("*.json"))
    project.run(".", "--runbook-store=yes")
    assert [path.stat().st_mode & 0o777 for path in kept.rglob("*.json")] == [0o600]


def test_without_a_cache_nothing_is_kept_and_nothing_is_missed(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: echo 7, capture: x}, {script: 'test {{ var.x }} = 7'}]")

    project.run(".", "-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_an_unwritable_cache_is_reported_and_harms_nothing(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: echo 7, capture: x}]")
    project.write(".pytest_cache/d/runbook", "in the way\n")

    result = project.run(".")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["what blocks left could not be kept: *"])


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_an_id_that_is_shown_is_one_that_can_be_given(project: Project, outcome: str) -> None:
    code = "true" if outcome == "passed" else "false"
    project.write("a.runbook.yaml", f"blocks: [{{name: Make latest.json v1.2, script: '{code}'}}]\n")
    node_id = "a.runbook.yaml::Make latest.json v1.2"

    lines = project.run("-v", "a.runbook.yaml").outlines
    again = project.run(node_id)

    assert any(line.startswith(f"{node_id} {outcome.upper()}") for line in lines)
    again.assert_outcomes(**{outcome: 1})
