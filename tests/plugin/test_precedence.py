"""Where values come from, and which of them wins."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

VARIABLES = ["option", "checks file", "block", "fixture", "vars file", "env file"]
"""Who may set a variable; the first of those that do wins."""

ENVIRONMENT = ["block", "fixture", "env file", "process"]


def variable_by(project: Project, source: str) -> tuple[str, ...]:
    """Let one of them set the variable ``who`` to its own name; gives the options that this takes."""
    match source:
        case "option":
            return ("--runbook-var=who=option",)
        case "checks file":
            project.write("a.checks.yaml", "vars: {who: checks file}")
        case "fixture":
            conftest(project, "runbook_vars", {"who": "fixture"})
        case "vars file":
            project.write("given.yaml", "who: vars file")
            return ("--runbook-vars-file=given.yaml",)
        case "env file":
            project.write("given.env", "who='env file'")
            return ("--runbook-env-file=given.env",)
    return ()


def conftest(project: Project, fixture: str, value: object) -> None:
    project.write("conftest.py", f"""
        import pytest

        @pytest.fixture(scope="session")
        def {fixture}():
            return {value!r}
        """)  # fmt: skip


def atuin(project: Project, *nodes: str) -> None:
    content = "".join(f"  - {node}\n" for node in nodes)
    project.write("a.atrb", f"id: 0198c0de-0000-7000-8000-000000000001\nname: A\nversion: 1\ncontent:\n{content}")


@pytest.mark.parametrize("first", range(len(VARIABLES)))
def test_a_variable_comes_from_the_first_who_sets_it(project: Project, first: int) -> None:
    setting = VARIABLES[first:]
    block = "{id: v, type: var, props: {name: who, value: block}}"
    script = "{id: s, type: script, props: {name: Look, code: \"echo '{{ var.who }}'\", outputVariable: seen}}"
    compare = f"test '{{{{ var.seen }}}}' = '{setting[0]}'"
    show = f'{{id: t, type: script, props: {{name: Compare, code: "{compare}"}}}}'
    atuin(project, *([block] if "block" in setting else []), script, show)
    options = [option for source in setting for option in variable_by(project, source)]

    project.run(".", *options).assert_outcomes(passed=2)


@pytest.mark.parametrize("first", range(len(ENVIRONMENT)))
def test_the_environment_comes_from_the_first_who_sets_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    setting = ENVIRONMENT[first:]
    monkeypatch.setenv("WHO", "process")
    conftest(project, "runbook_env", {"WHO": "fixture"} if "fixture" in setting else {})
    project.write("given.env", "WHO='env file'" if "env file" in setting else "")
    block = "  - env: {WHO: block}\n" if "block" in setting else ""
    look = f"  - script: test \"$WHO={{{{ env.WHO }}}}\" = '{setting[0]}={setting[0]}'\n"
    project.write("a.runbook.yaml", f"blocks:\n{block}{look}")

    project.run(".", "--runbook-env-file=given.env").assert_outcomes(passed=1)


def test_the_option_wins_over_the_setting_of_the_ini_file(project: Project) -> None:
    project.pytester.makeini("[pytest]\nrunbook_vars =\n  a = ini\n  b=ini")
    project.write("a.runbook.yaml", "blocks: [{script: \"test '{{ var.a }}{{ var.b }}' = optionini\"}]")

    project.run(".", "--runbook-var=a=option").assert_outcomes(passed=1)


def test_what_a_program_put_out_is_not_replaced_by_an_option(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {script: echo program, capture: who}
          - {script: 'test {{ var.who }} = program'}
        """)  # fmt: skip

    project.run(".", "--runbook-var=who=option").assert_outcomes(passed=2)


def test_answers_of_the_option_win_over_the_file_and_this_over_the_fixture(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    conftest(project, "runbook_answers", {"a": "fixture", "b": "fixture", "c": "fixture"})
    project.write("a.checks.yaml", "answers: {a: file, b: file}")
    local = [f"{{id: {name}, type: local-var, props: {{name: {name}}}}}" for name in "abcd"]
    code = "test '{{ var.a }} {{ var.b }} {{ var.c }} {{ var.d }}' = 'option file fixture environment'"
    atuin(project, *local, f'{{id: s, type: script, props: {{name: Look, code: "{code}"}}}}')
    monkeypatch.setenv("RUNBOOK_ANSWER_D", "environment")

    project.run(".", "--runbook-answer=a=option").assert_outcomes(passed=1)


TYPES = {
    "an option is text": (("--runbook-var=x=5",), 'var.x == "5"'),
    "a vars file keeps its types": (("--runbook-vars-file=given.yaml",), "var.x == 5 and var.y == [1, true]"),
    "an env file is text": (("--runbook-env-file=given.env",), 'var.x == "5"'),
    "a fixture keeps its types": (("-p", "no:cacheprovider"), "var.z == 1.5 and var.n is none"),
}


@pytest.mark.parametrize("fact", TYPES)
def test_types(project: Project, fact: str) -> None:
    options, expression = TYPES[fact]
    project.write("given.yaml", "x: 5\ny: [1, true]")
    project.write("given.env", "x=5")
    conftest(project, "runbook_vars", {"z": 1.5, "n": None})
    project.write("a.runbook.yaml", f"blocks: [{{script: 'true', assert: '{expression}'}}]")

    project.run(".", *options).assert_outcomes(passed=1)


def test_a_variable_that_nothing_reads_is_reported(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: 'echo {{ var.used }}'}]")

    result = project.run(".", "--runbook-var=used=1", "--runbook-var=usde=1")

    result.stdout.fnmatch_lines(["--runbook-var usde was given, and nothing read it"])
    assert "--runbook-var used was" not in result.stdout.str()
