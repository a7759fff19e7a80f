"""The context chain as fixtures: what conftest files give, and what Python tests ask for."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

ONE = "blocks: [{name: One, script: 'true'}]"


def test_the_nearest_conftest_wins(project: Project) -> None:
    for folder, value in ((".", "outer"), ("near", "inner")):
        project.write(f"{folder}/conftest.py", f"""
            import pytest

            @pytest.fixture(scope="session")
            def runbook_vars():
                return {{"which": "{value}"}}

            @pytest.fixture(scope="session")
            def runbook_env():
                return {{"WHICH": "{value}"}}
            """)  # fmt: skip
    for path, value in (("far/a.runbook.yaml", "outer"), ("near/a.runbook.yaml", "inner")):
        project.write(path, f"""
            blocks:
              - {{name: Var, script: 'test {{{{ var.which }}}} = {value}'}}
              - {{name: Env, script: 'test $WHICH-{{{{ env.WHICH }}}} = {value}-{value}'}}
            """)  # fmt: skip

    project.run(".").assert_outcomes(passed=4)


def test_a_folder_adds_to_what_the_one_above_returns(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def runbook_vars():
            return {"a": 1}
        """)  # fmt: skip
    project.write("deep/conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def runbook_vars(runbook_vars, tmp_path_factory):
            return {**runbook_vars, "b": str(tmp_path_factory.mktemp("b"))}
        """)  # fmt: skip
    project.write("deep/a.runbook.yaml", "blocks: [{script: 'test {{ var.a }} = 1 -a -d {{ var.b }}'}]")

    project.run(".").assert_outcomes(passed=1)


def test_module_scoped_values_know_their_runbook(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="module")
        def runbook_vars(request):
            return {"file": request.path.name}
        """)  # fmt: skip
    for name in ("a.runbook.yaml", "b.runbook.yaml"):
        project.write(name, f"blocks: [{{script: 'test {{{{ var.file }}}} = {name}'}}]")

    project.run(".").assert_outcomes(passed=2)


def test_answers_come_from_conftest(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def runbook_answers():
            return {"region": "eu"}
        """)  # fmt: skip
    project.write("a.runbook.yaml", "blocks: [{local-var: region}, {script: 'test {{ var.region }} = eu'}]")

    project.run(".").assert_outcomes(passed=1)


def test_a_block_reads_the_fixtures_that_it_names(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def shared():
            return {"port": 5432}

        @pytest.fixture
        def own(request):
            print("up", request.node.name)
            yield request.node.name
            print("down", request.node.name)
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        fixtures: [shared]
        blocks:
          - {name: One, fixtures: [own], script: "test {{ fixture.own }}{{ fixture.shared.port }} = One5432"}
          - {name: Two, fixtures: [own], script: "test {{ fixture.own }} = Two", assert: fixture.shared.port == 5432}
          - {name: Three, script: "test {{ fixture.shared.port }} = 5432"}
        """)  # fmt: skip

    result = project.run(".", "-s")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*up One", "*down One", "*up Two", "*down Two"])


def test_autouse_fixtures_work(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(autouse=True)
        def marked(monkeypatch, request):
            monkeypatch.setenv("WHO", request.node.name)
        """)  # fmt: skip
    project.write("a.runbook.yaml", "blocks: [{name: One, script: 'test $WHO = One'}]")

    project.run(".").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("keys", "line"), [("fixtures: [nope]\nblocks: [{name: One, script: 'true'}]", 2),
                       ("blocks:\n  - name: One\n    script: 'true'\n    fixtures: [nope]", 4)],
    ids=["of the runbook", "of a block"],
)  # fmt: skip
def test_an_unknown_fixture_is_an_error_with_its_place(project: Project, keys: str, line: int) -> None:
    project.write("a.runbook.yaml", keys)

    result = project.run(".")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f'a.runbook.yaml:{line}: block "One" (script): unknown fixture "nope"', "  hint: *"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_runbook*.py*")


def test_a_parametrized_fixture_is_refused_in_words(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(params=[1, 2])
        def many(request):
            return request.param
        """)  # fmt: skip
    project.write("a.runbook.yaml", "blocks:\n  - {name: One, script: 'true', fixtures: [many]}")

    result = project.run(".")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['a.runbook.yaml:2: block "One" (script): fixture "many" is parametrized, *'])
    result.stdout.no_fnmatch_line("*pytest_runbook*.py*")


def test_a_broken_fixture_is_an_error_with_the_traceback_of_its_author_alone(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def runbook_vars():
            return {"a": 1 / 0}
        """)  # fmt: skip
    project.write("a.runbook.yaml", ONE)

    result = project.run(".")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["conftest.py:6: ZeroDivisionError"])
    result.stdout.no_fnmatch_line("*pytest_runbook*")


@pytest.mark.parametrize("fixture", ["runbook_vars", "runbook_env", "runbook_answers"])
def test_a_fixture_that_returns_no_mapping_is_reported(project: Project, fixture: str) -> None:
    project.write("conftest.py", f"""
        import pytest

        @pytest.fixture(scope="session")
        def {fixture}():
            return None
        """)  # fmt: skip
    project.write("a.runbook.yaml", ONE)

    result = project.run(".")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"fixture {fixture} gave None; a mapping of names to values is needed"])
    result.stdout.no_fnmatch_line("*pytest_runbook*.py*")


def test_a_block_whose_set_up_failed_stops_those_below(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture
        def broken():
            raise OSError("no such server")
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        blocks:
          - {name: One, script: 'true'}
          - {name: Two, script: 'true', fixtures: [broken]}
          - {name: Three, script: 'true'}
        finally:
          - {name: Sweep, script: 'true'}
        """)  # fmt: skip

    result = project.run(".", "-rs")

    result.assert_outcomes(passed=2, errors=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * a.runbook.yaml:5: block 2 *Two* failed: a.runbook.yaml:4"])


def test_a_fixture_sees_what_its_block_sees(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture
        def seen(runbook_context):
            return runbook_context.variables["a"] + runbook_context.cwd
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        blocks:
          - vars: {a: x}
          - directory: /tmp
          - {name: One, fixtures: [seen], script: "test {{ fixture.seen }} = x/tmp"}
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=1)


def test_fixtures_of_later_blocks_are_given_what_they_ask_for(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(autouse=True)
        def who(request, runbook_document, runbook_context):
            return f"{request.node.name} {runbook_document.runbook.name} {runbook_context.cwd}"
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        name: Book
        fixtures: [who]
        blocks:
          - directory: /tmp
          - {name: One, script: "test '{{ fixture.who }}' = 'One Book /tmp'"}
          - {name: Two, script: "test '{{ fixture.who }}' = 'Two Book /tmp'"}
          - {name: Three, fixtures: [request, runbook_document], script: "test '{{ fixture.who }}' = 'Three Book /tmp'"}
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=3)


@pytest.mark.parametrize("fixture", ["runbook_document", "runbook_context"])
def test_fixtures_of_blocks_refuse_python_tests(project: Project, fixture: str) -> None:
    project.write("test_it.py", f"def test_it({fixture}): pass")

    result = project.run("test_it.py")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["runbook_document is for the blocks of a runbook; ask for `runbook` in Python tests"])


def test_a_python_test_runs_a_runbook(project: Project) -> None:
    project.write("ops/deploy.runbook.yaml", """
        blocks:
          - {name: Build, script: "echo {{ var.version }}-$STAGE; echo oops >&2", capture: built}
          - {local-var: region}
          - {name: Where, script: "echo {{ var.region }}"}
        """)  # fmt: skip
    project.write("test_it.py", """
        def test_it(runbook):
            result = runbook.run("ops/deploy.runbook.yaml", vars={"version": 3}, env={"STAGE": "qa"},
                                 answers={"region": "eu"})
            assert result.passed
            assert list(result) == ["Build", "Where"]
            assert result["Build"].passed
            assert result["Build"].output.exit_code == 0
            assert result["Build"].output.stdout == "3-qa\\n"
            assert result["Build"].output.stderr == "oops\\n"
            assert result.variables["built"] == "3-qa"
        """)  # fmt: skip

    project.run("test_it.py").assert_outcomes(passed=1)


def test_a_called_runbook_that_failed_shows_why(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Build, script: exit 3}
          - {name: Ship, script: 'true'}
        """)  # fmt: skip
    project.write("test_it.py", """
        def test_it(runbook):
            result = runbook.run("a.runbook.yaml")
            assert not result["Ship"].passed
            assert result["Build"].result.exit_code == 3
            assert result.passed
        """)  # fmt: skip

    result = project.run("test_it.py")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*Build failed: exit code 3 (a.runbook.yaml:3)*"])


def test_an_unreadable_runbook_fails_the_test_that_calls_it_in_words(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks:\n  - {scrip: 'true'}")
    project.write("test_it.py", "def test_it(runbook): runbook.run('a.runbook.yaml')")

    result = project.run("test_it.py")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*a.runbook.yaml:2: *scrip*"])


def test_a_name_that_no_block_has_shows_which_there_are(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: Build, script: 'true'}]")
    project.write("test_it.py", "def test_it(runbook): runbook.run('a.runbook.yaml')['Biuld']")

    project.run("test_it.py").stdout.fnmatch_lines(['E*no block is called "Biuld"; did you mean Build?*'])
