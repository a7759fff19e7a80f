"""Environments: where a runbook runs, what is known there, and what it requires."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

BOOK = """
    environments: [staging, production]
    blocks:
      - {name: A, script: touch ran}
      - {name: B, script: exit 3}
    """
PLAIN = """
    blocks:
      - {name: A, script: 'echo {{ var.base }}', assert: output.value == "WANTED"}
    """


@pytest.mark.parametrize("how", ["option", "ini", "variable"])
def test_a_runbook_runs_in_the_environments_that_it_names(
    project: Project, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("a.runbook.yaml", BOOK)
    if how == "ini":
        project.pytester.makeini("[pytest]\nrunbook_environment = staging\n")
    elif how == "variable":
        monkeypatch.setenv("RUNBOOK_ENVIRONMENT", "staging")

    result = project.run(".", *(["--runbook-environment=staging"] if how == "option" else []))

    result.assert_outcomes(passed=1, failed=1)


REFUSALS = [
    ((), "and no environment is named (--runbook-environment staging): a.runbook.yaml:2"),
    (("--runbook-environment=dev",), 'and not in "dev": a.runbook.yaml:2'),
    (("--runbook-environment=stagin",), 'and not in "stagin", did you mean "staging"?: a.runbook.yaml:2'),
]


@pytest.mark.parametrize(("options", "why"), REFUSALS)
def test_elsewhere_it_is_refused_before_anything_is_touched(
    project: Project, options: tuple[str, ...], why: str
) -> None:
    project.write("a.runbook.yaml", BOOK.replace("name: A,", "name: A, fixtures: touched,"))
    project.write("conftest.py", """
        import pathlib, pytest

        @pytest.fixture
        def touched():
            pathlib.Path("touched").touch()
        """)  # fmt: skip

    result = project.run(".", "-rs", "--junitxml=report.xml", *options)

    result.assert_outcomes(skipped=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"SKIPPED * it runs in staging and production alone, {why}"])
    assert not (project.path / "ran").exists()
    assert not (project.path / "touched").exists()
    assert properties(project, "A")["runbook_failure_kind"] == "refused"


def properties(project: Project, name: str) -> dict[str, str]:
    found = project.junit()[name].iter("property")
    return {element.attrib["name"]: element.attrib["value"] for element in found}


def test_checks_files_name_environments_for_documents(project: Project) -> None:
    project.write("a.atrb", "content: [{id: a, type: script, props: {name: A, code: 'true', interpreter: sh}}]")
    project.write("a.checks.yaml", "environments: staging")

    project.run(".").assert_outcomes(skipped=1)
    project.run(".", "--runbook-environment=staging").assert_outcomes(passed=1)


def test_runbooks_that_others_run_or_need_are_refused_too(project: Project) -> None:
    project.write("child.runbook.yaml", BOOK)
    project.write("parent.runbook.yaml", "blocks: [{name: P, sub-runbook: child.runbook.yaml}]")
    project.write("needing.runbook.yaml", "needs: child.runbook.yaml\nblocks: [{name: N, script: touch ran}]")

    result = project.run("parent.runbook.yaml", "needing.runbook.yaml", "-rs")

    result.assert_outcomes(skipped=1, failed=1)
    result.stdout.fnmatch_lines(["SKIPPED * nothing of child.runbook.yaml ran: it runs in staging and production*"])
    assert not (project.path / "ran").exists()


def test_a_runbook_that_is_refused_has_nothing_run_that_it_needs(project: Project) -> None:
    project.write("first.runbook.yaml", "blocks: [{name: F, script: touch ran}]")
    project.write("a.runbook.yaml", BOOK.replace("blocks:", "needs: first.runbook.yaml\n    blocks:"))

    project.run("a.runbook.yaml").assert_outcomes(skipped=2)

    assert not (project.path / "ran").exists()


def test_the_environment_is_in_every_failure_and_in_junit(project: Project) -> None:
    project.write(
        "a.runbook.yaml", BOOK + "  - {name: C, script: 'true', fixtures: nowhere}\n    on_failure: continue\n"
    )
    project.write("b.runbook.yaml", "blocks: [{nonsense: 1}]")
    project.write("c.runbook.yaml", "require: A\nblocks: [{name: A, script: exit 1}]")

    result = project.run(".", "--runbook-environment=staging", "--junitxml=report.xml")

    assert result.stdout.str().count("  in       environment staging\n") == result.parseoutcomes()["failed"] + 1
    for name in ("A", "B", "C", "(unreadable)", "(required)"):
        assert properties(project, name)["runbook_environment"] == "staging", name
    result.stdout.fnmatch_lines(["  again    pytest a.runbook.yaml --runbook-environment staging"])


@pytest.mark.parametrize(
    ("files", "options", "wanted"),
    [
        ({"vars.staging.yaml": "base: root"}, (), "root"),
        ({"vars.staging.yaml": "base: root", "ops/vars.staging.yaml": "base: beside"}, (), "beside"),
        ({"vars.staging.yaml": "base: root", ".env": "base=env"}, ("--runbook-env-file=.env",), "root"),
        ({"ops/vars.staging.yaml": "base: x", "v.yaml": "base: named"}, ("--runbook-vars-file=v.yaml",), "named"),
        ({"vars.staging.yaml": "base: x"}, ("--runbook-var=base=option",), "option"),
        ({"vars.production.yaml": "base: x", "vars.staging.yaml": "base: right"}, (), "right"),
    ],
)
def test_variables_of_the_environment_are_those_of_files(
    project: Project, files: dict[str, str], options: tuple[str, ...], wanted: str
) -> None:
    for name, text in files.items():
        project.write(name, text)
    project.write("ops/a.runbook.yaml", PLAIN.replace("WANTED", wanted))

    project.run("ops", "--runbook-environment=staging", *options).assert_outcomes(passed=1)


def test_a_matrix_may_take_its_values_from_them(project: Project) -> None:
    project.write("vars.staging.yaml", "hosts: [a, b]")
    project.write("a.runbook.yaml", "matrix: {h: {var: hosts}}\nblocks: [{script: 'true'}]")

    project.run(".", "--runbook-environment=staging").assert_outcomes(passed=2)


def test_a_file_of_the_environment_that_can_not_be_read_is_reported(project: Project) -> None:
    project.write("vars.staging.yaml", "base: [")
    project.write("a.runbook.yaml", PLAIN)

    result = project.run(".", "--runbook-environment=staging")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["vars.staging.yaml:*"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize("name", ["../prod", "a b", "-x"])
def test_an_environment_has_a_name(project: Project, name: str) -> None:
    project.write("a.runbook.yaml", PLAIN)

    result = project.run(".", f"--runbook-environment={name}")

    assert result.ret != 0
    assert f'runbook_environment: "{name}" is no name' in result.stdout.str() + result.stderr.str()


REQUIRING = """
    requires: [secret.PAY_DSN, env.REGION]
    secrets: {PAY_DSN: {env: PAY_DSN}}
    blocks:
      - {name: A, script: 'echo "$DSN"', env: {DSN: '{{ secret.PAY_DSN }}'}}
      - {name: B, script: 'true'}
    finally:
      - {name: C, script: touch cleaned}
    """
LACKS: list[tuple[dict[str, str], str]] = [
    ({}, "requires secret.PAY_DSN: the environment variable PAY_DSN is not set: a.runbook.yaml:2"),
    ({"PAY_DSN": ""}, "requires secret.PAY_DSN: the environment variable PAY_DSN is empty: a.runbook.yaml:2"),
    ({"PAY_DSN": "postgres://x"}, "requires env.REGION: it is not set, or is empty: a.runbook.yaml:2"),
]


@pytest.mark.parametrize(("given", "why"), LACKS)
def test_a_runbook_is_skipped_whole_without_what_it_requires(
    project: Project, given: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("a.runbook.yaml", REQUIRING)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    result = project.run(".", "-rs")

    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(
        [
            "no block ran: 3 skipped; what their runbooks require is not to be had here",
            f"  3 x {why}",
            f"SKIPPED * {why}",
        ]
    )
    assert result.ret == 0
    assert not (project.path / "cleaned").exists()


def test_a_runbook_that_has_what_it_requires_runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAY_DSN", "postgres://x")
    monkeypatch.setenv("REGION", "eu")
    project.write("a.runbook.yaml", REQUIRING)

    project.run(".").assert_outcomes(passed=3)


def test_without_requires_a_missing_secret_is_an_error(project: Project) -> None:
    project.write("a.runbook.yaml", REQUIRING.replace("requires: [secret.PAY_DSN, env.REGION]", "name: x"))

    project.run(".").assert_outcomes(failed=1, skipped=1, passed=1)


def test_a_required_secret_may_be_printed_by_a_program_or_come_from_a_conftest(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def runbook_secrets():
            return {"GIVEN": "long enough", "GONE": {"command": "exit 3"}}
        """)  # fmt: skip
    project.write("a.runbook.yaml", "requires: [secret.GIVEN]\nblocks: [{name: A, script: 'true'}]")
    project.write("b.runbook.yaml", "requires: [secret.GONE]\nblocks: [{name: B, script: 'true'}]")

    result = project.run(".", "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * requires secret.GONE: *exit code 3*"])


def test_a_required_secret_that_nobody_declares_is_an_error(project: Project) -> None:
    project.write("a.runbook.yaml", "requires: [secret.TYPO]\nblocks: [{name: A, script: 'true'}]")

    result = project.run(".")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*requires: there is no secret TYPO", "*declare it: secrets: {TYPO: {env: TYPO}}"])
