"""Secrets as conftest files and options give them."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

SECRET = "hunter-2-of-us"


def conftest(project: Project, returned: str, folder: str = ".") -> None:
    project.write(f"{folder}/conftest.py", f"""
        import pytest

        @pytest.fixture(scope="session")
        def store():
            return "{SECRET}"

        @pytest.fixture(scope="session")
        def runbook_secrets(store):
            return {returned}
        """)  # fmt: skip


def test_the_nearest_conftest_returns_the_secrets_of_a_folder(project: Project) -> None:
    (project.path / "key.txt").write_text("from-a-file\n")
    conftest(project, '{"KEY": store, "FILE": {"file": "key.txt"}}')
    conftest(project, '{"KEY": "inner-secret"}', "near")
    project.write(
        "far/a.runbook.yaml",
        f"blocks: [{{script: 'test {{{{ secret.KEY }}}}{{{{ secret.FILE }}}} = {SECRET}from-a-file'}}]",
    )
    project.write(
        "near/a.runbook.yaml",
        "blocks: [{script: 'test {{ secret.KEY }} = inner-secret; echo {{ secret.KEY }}; exit 1'}]",
    )

    result = project.run(".", "-v")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*stdout   ***"])
    result.stdout.no_fnmatch_line("*[(]inner-secret*")


WRONG = [
    ("None", "fixture runbook_secrets gave NoneType; a mapping of names is needed"),
    ('{"KEY": {"evn": "X"}}', "fixture runbook_secrets: secret KEY names no source"),
    ('{"KEY": {"fixture": "store"}}', "fixture runbook_secrets: secret KEY is a fixture: ask for it here, *"),
]


@pytest.mark.parametrize(("returned", "reported"), WRONG, ids=[row[0] for row in WRONG])
def test_what_conftest_returns_wrongly_is_reported(project: Project, returned: str, reported: str) -> None:
    conftest(project, returned)
    project.write("a.runbook.yaml", "blocks: [{script: 'true'}]")

    result = project.run(".")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([reported])
    result.stdout.no_fnmatch_line("*pytest_runbook*.py*")


def test_a_secret_may_be_a_fixture_that_the_file_names(project: Project) -> None:
    conftest(project, "{}")
    project.write("a.runbook.yaml", """
        secrets: {KEY: {fixture: store}}
        blocks:
          - {name: Use, script: 'test {{ secret.KEY }} = hunter-2-of-us && echo {{ fixture.store }} && exit 1'}
        """)  # fmt: skip

    result = project.run(".")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stdout   ***"])


def test_collecting_resolves_no_secret(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def store():
            open("fixture-ran", "w").close()
            return "x"
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        secrets: {A: {command: touch command-ran}, B: {fixture: store}, C: {file: not-there}, D: {env: NOT_SET}}
        vars: {a: "{{ secret.A }}{{ secret.B }}{{ secret.C }}{{ secret.D }}"}
        blocks: [{name: Use, script: 'echo {{ secret.A }}'}]
        """)  # fmt: skip

    assert project.collected(".") == ["a.runbook.yaml::Use"]
    assert not [path.name for path in project.path.iterdir() if path.name.endswith("-ran")]


def test_a_fixture_that_asks_what_a_block_sees_may_find_printed_secrets_in_it(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture
        def seen(runbook_context):
            return len(runbook_context.variables["key"])
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        secrets: {KEY: {command: echo hunter-2-of-us}}
        vars: {key: "{{ secret.KEY }}"}
        blocks: [{name: Use, fixtures: [seen], script: 'test {{ fixture.seen }} = 14'}]
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=1)


def test_a_python_test_returns_them_to_the_runbook_that_it_runs(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: Use, script: 'echo {{ secret.KEY }}; exit 1'}]")
    project.write("test_it.py", """
        def test_it(runbook):
            called = runbook.run("a.runbook.yaml", secrets={"KEY": "hunter-2-of-us"})
            assert called["Use"].output.stdout == "nothing"
        """)  # fmt: skip

    result = project.run("test_it.py")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: assert '[*][*][*]*"])
    result.stdout.no_fnmatch_line("*hunter-2-of-us*'")


def test_no_name_of_a_cell_shows_what_a_secret_variable_holds(project: Project) -> None:
    project.write("a.runbook.yaml", """
        matrix: {region: [eu, us], api_token: [hunter-22, hunter-33]}
        blocks: [{name: Use, script: 'echo {{ var.api_token }} {{ var.region }}; exit 1'}]
        """)  # fmt: skip

    result = project.run(".", "-v")

    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        ["a.runbook.yaml::eu-1::Use FAILED*", "a.runbook.yaml::us-4::Use FAILED*", "*stdout   *** eu"]
    )
    assert "hunter-" not in result.stdout.str()


def test_a_crash_of_another_plugin_shows_no_secret(project: Project) -> None:
    project.write("conftest.py", """
        from pathlib import Path

        def pytest_runtest_logfinish(nodeid):
            raise RuntimeError("what now: " + Path("key.txt").read_text())
        """)  # fmt: skip
    (project.path / "key.txt").write_text(SECRET)
    project.write("a.runbook.yaml", "secrets: {KEY: {file: key.txt}}\nblocks: [{script: 'true'}]")

    result = project.run("a.runbook.yaml")

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    assert "what now: ***" in f"{result.stdout}{result.stderr}"
    assert SECRET not in f"{result.stdout}{result.stderr}"


@pytest.mark.parametrize(("shown", "masked"), [("'tea-for-two'", "'***'"), ("['tea-for-two']", "['***']")])
def test_what_was_no_secret_yet_is_masked_once_it_is_one(project: Project, shown: str, masked: str) -> None:
    project.write("conftest.py", f"""
        def pytest_runtest_setup(item):
            item.user_properties.append(("said", {shown}))

        def pytest_runtest_logreport(report):
            said = dict(report.user_properties)["said"]
            print("TOLD", report.nodeid.partition("::")[2], report.when, repr(said))
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        blocks:
          - {name: One, script: 'true'}
          - {name: Two, script: echo tea-for-two, capture: word, sensitive: true}
          - {name: Three, script: 'true'}
        """)  # fmt: skip

    result = project.run("a.runbook.yaml", "-s", "-p", "no:rerunfailures")

    reported = [line[line.index("TOLD") :] for line in result.outlines if "TOLD" in line]
    assert reported == [
        *(f"TOLD One {when} {shown}" for when in ("setup", "call", "teardown")),
        f"TOLD Two setup {shown}",
        *(f"TOLD Two {when} {masked}" for when in ("call", "teardown")),
        *(f"TOLD Three {when} {masked}" for when in ("setup", "call", "teardown")),
    ]
