"""Which files become runbooks, and what becomes of those that can't be read."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

ONE = "blocks: [{name: One, script: 'true'}]"
ATUIN = """
    id: 0198c0de-0000-7000-8000-000000000001
    name: Deploy
    version: 1
    content:
      - {id: b1, type: script, props: {name: Build, code: "true", interpreter: bash}}
    """


def test_a_folder_returns_all_its_runbooks(project: Project) -> None:
    for name in ("a.runbook.yaml", "deep/b.runbook.yml"):
        project.write(f"books/{name}", ONE)
    project.write("books/c.runbook.json", '{"blocks": [{"name": "One", "script": "true"}]}')
    project.write("books/d.atrb", ATUIN)

    assert project.collected("books") == [
        "books/a.runbook.yaml::One",
        "books/c.runbook.json::One",
        "books/d.atrb::Build",
        "books/deep/b.runbook.yml::One",
    ]


@pytest.mark.parametrize("name", ["plain.yaml", "plain.yml", "some.name.yaml"])
def test_a_runbook_of_any_name_is_ours_if_it_is_named(project: Project, name: str) -> None:
    project.write(name, ONE)

    assert project.collected(name) == [f"{name}::One"]


def test_a_bare_array_of_blocks_is_a_runbook(project: Project) -> None:
    project.write("old.json", '[{"id": "b1", "type": "script", "props": {"name": "Build", "code": "true"}}]')

    assert project.collected("old.json") == ["old.json::Build"]


@pytest.mark.parametrize(("name", "text"), [("values.yaml", "a: 1"), ("list.json", "[1, 2]"), ("package.json", "{}")])
def test_a_named_file_that_is_no_runbook_is_left_to_others(project: Project, name: str, text: str) -> None:
    project.write(name, text)
    project.write("conftest.py", "def pytest_collect_file(file_path): print('asked for', file_path.name)")

    result = project.run("-s", "--collect-only", name)

    result.stdout.fnmatch_lines([f"*asked for {name}"])
    assert "error" not in result.stdout.str().lower()


def test_yaml_files_of_other_plugins_are_theirs(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        class Other(pytest.File):
            def collect(self):
                yield Item.from_parent(self, name="theirs")

        class Item(pytest.Item):
            def runtest(self):
                pass

        def pytest_collect_file(file_path, parent):
            if file_path.name.endswith(".tavern.yaml"):
                return Other.from_parent(parent, path=file_path)
        """)  # fmt: skip
    project.write("books/a.tavern.yaml", "blocks: []")
    project.write("books/b.runbook.yaml", ONE)

    project.run("books").assert_outcomes(passed=2)


def test_bare_pytest_runs_no_runbook_and_shows_how_many_it_passed_over(project: Project) -> None:
    project.write("books/a.runbook.yaml", ONE)
    project.write("books/b.atrb", ATUIN)
    project.write("test_it.py", "def test_it(): pass")

    result = project.run()

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["2 runbooks passed over: name the folder, or set runbook_paths"])


@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_bare_pytest_runs_the_runbooks_below_runbook_paths(project: Project, workers: tuple[str, ...]) -> None:
    project.pytester.makeini("[pytest]\nrunbook_paths = ops")
    project.write("ops/a.runbook.yaml", ONE)
    project.write("lib/b.runbook.yaml", ONE)
    project.write("test_it.py", "def test_it(): pass")

    result = project.run(*workers)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 runbook passed over: *"])


def test_testpaths_show_where_runbooks_are(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = ops")
    project.write("ops/a.runbook.yaml", ONE)

    project.run().assert_outcomes(passed=1)


def test_runbook_paths_are_added_to_testpaths(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = tests\nrunbook_paths = ops")
    project.write("tests/test_it.py", "def test_it(): pass")
    project.write("ops/a.runbook.yaml", ONE)

    project.run().assert_outcomes(passed=2)


def test_what_is_named_counts_and_not_runbook_paths(project: Project) -> None:
    project.pytester.makeini("[pytest]\nrunbook_paths = ops")
    project.write("ops/a.runbook.yaml", ONE)
    project.write("test_it.py", "def test_it(): pass")

    project.run("test_it.py").assert_outcomes(passed=1)


def test_runbook_files_shows_which_names_are_runbooks_below_folders(project: Project) -> None:
    project.pytester.makeini("[pytest]\nrunbook_files = *.book.yaml")
    project.write("books/a.book.yaml", ONE)
    project.write("books/b.runbook.yaml", ONE)

    assert project.collected("books") == ["books/a.book.yaml::One"]


def test_a_folder_named_like_a_runbook_is_a_folder(project: Project) -> None:
    project.write("odd.atrb/a.runbook.yaml", ONE)

    for argument in (".", "odd.atrb"):
        assert project.collected(argument) == ["odd.atrb/a.runbook.yaml::One"]


def test_a_path_from_another_folder_is_named_all_the_same(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("plain.yaml", ONE)
    project.write("below/keep", "")
    monkeypatch.chdir(project.path / "below")

    assert project.collected("--rootdir=..", "../plain.yaml") == ["plain.yaml::One"]


def test_a_file_that_cannot_be_read_is_one_failed_item_and_stops_nothing(project: Project) -> None:
    project.write("a.runbook.yaml", ONE)
    project.write("b.runbook.yaml", "blocks:\n  - scrip: 'true'\n")
    project.write("c.runbook.yaml", ONE)

    result = project.run(".")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["b.runbook.yaml:2: *scrip*", "  hint: did you mean script?", "FAILED b.runbook.yaml::(unreadable) - *"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("ini", "arguments"),
    [("runbook_errors = collect", ()), ("", ("--runbook-errors=collect",)), ("", ("--collect-only",))],
)
def test_it_is_a_collection_error_where_that_is_wanted(project: Project, ini: str, arguments: tuple[str, ...]) -> None:
    project.pytester.makeini(f"[pytest]\n{ini}")
    project.write("a.runbook.yaml", ONE)
    project.write("b.runbook.yaml", "blocks:\n  - scrip: 'true'\n")

    result = project.run(".", *arguments)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*ERROR collecting b.runbook.yaml*", "b.runbook.yaml:2: *scrip*", "  hint: *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_every_unreadable_file_of_many_is_reported(project: Project) -> None:
    for number in range(20):
        project.write(f"books/{number}.runbook.yaml", "blocks: [" if number % 2 else ONE)

    result = project.run("books", "-q")

    result.assert_outcomes(passed=10, failed=10)


@pytest.mark.parametrize(
    ("block", "line", "said"),
    [
        ("script: echo {{ var.x }", 2, "*"),
        ("script: echo {{ vra.x }}", 2, '*"vra"*'),
        ("script: echo {{ var.x | uper }}", 2, "*uper*"),
        ("script: docker ps --format '{{.Names}}'", 2, "*"),
        ("script: |\n      one\n      echo {{ vra.x }}", 4, '*"vra"*'),
        ("script: 'true'\n    assert: otput.exit_code == 0", 3, '*"otput"*'),
        ("script: 'true'\n    assert: output.exit_code = 0", 3, "*"),
        ("script: 'true'\n    when: var.x is defned", 3, "*defned*"),
        ("script: 'true'\n    capture: {a: output.stdout | upr}", 3, "*upr*"),
    ],
)
def test_templates_and_expressions_are_looked_through_at_collection(
    project: Project, block: str, line: int, said: str
) -> None:
    project.write("a.runbook.yaml", f"blocks:\n  - {block}\n")

    result = project.run("--collect-only", "-q", ".")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"a.runbook.yaml:{line}: {said}"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_expressions_of_checks_files_too_with_their_own_lines(project: Project) -> None:
    project.write("d.atrb", ATUIN)
    project.write("d.checks.yaml", "blocks:\n  Build:\n    assert: otput.exit_code == 0\n")

    result = project.run("--collect-only", "-q", ".")

    result.stdout.fnmatch_lines(['d.checks.yaml:3: block "Build" (script): *"otput"*'])


def test_a_checks_file_without_its_runbook_is_a_failed_item(project: Project) -> None:
    project.write("books/deploy.atrb", ATUIN)
    project.write("books/deplyo.checks.yaml", "blocks: {}")

    result = project.run("books")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED books/deplyo.checks.yaml::(unreadable) - checks for a runbook that is *"])


def test_checks_files_are_no_runbooks_of_their_own(project: Project) -> None:
    project.write("deploy.atrb", ATUIN)
    project.write("deploy.checks.yaml", "blocks: {Build: {assert: output.exit_code == 0}}")

    assert project.collected(".") == ["deploy.atrb::Build"]
    assert project.collected("deploy.checks.yaml", "deploy.atrb") == ["deploy.atrb::Build"]


def test_collecting_touches_nothing(project: Project) -> None:
    project.write("a.runbook.yaml", """
        secrets: {KEY: {env: NO_SUCH_KEY}}
        blocks:
          - directory: /no/such/folder
          - {name: One, script: "touch was-here; echo {{ secret.KEY }}"}
        """)  # fmt: skip

    result = project.run("--collect-only", "-q", "-p", "no:cacheprovider", ".")

    assert result.ret == 0
    assert sorted(path.name for path in project.path.iterdir()) == ["a.runbook.yaml"]


def test_tags_are_markers(project: Project) -> None:
    project.write("a.runbook.yaml", """
        tags: [nightly]
        blocks:
          - {name: One, script: 'true', tags: [smoke]}
          - {name: Two, script: 'true', tags: [smoke, slow]}
        """)  # fmt: skip
    project.write("b.runbook.yaml", ONE)

    assert project.collected("--strict-markers", ".", "-m", "nightly") == ["a.runbook.yaml::One", "a.runbook.yaml::Two"]
    assert project.collected("--strict-markers", ".", "-m", "smoke and not slow") == ["a.runbook.yaml::One"]
    assert len(project.collected("--strict-markers", ".", "-m", "runbook and runbook_script")) == 3


RESERVED = ("skip", "xfail", "parametrize", "usefixtures", "skipif", "filterwarnings", "_x", "runbook", "runbook_http")


@pytest.mark.parametrize("tag", [*RESERVED, "timeout", "flaky"])
def test_a_tag_that_pytest_would_act_on_is_refused(project: Project, tag: str) -> None:
    project.write("a.runbook.yaml", f"blocks:\n  - script: 'true'\n    tags: [{tag}]\n")

    project.run(".").stdout.fnmatch_lines([f'a.runbook.yaml:3: *tag "{tag}" means something else to pytest'])


def test_a_tag_of_a_checks_file_is_refused_with_its_place(project: Project) -> None:
    project.write("a.atrb", "id: a\ncontent: [{id: s, type: script, props: {name: A, code: 'true'}}]\n")
    project.write("a.checks.yaml", "tags: skip\nblocks:\n  A: {tags: xfail}\n")

    result = project.run(".")

    result.stdout.fnmatch_lines_random(['a.checks.yaml: tag "skip" means*', 'a.checks.yaml:3: block "A" *tag "xfail"*'])


def test_an_option_that_makes_no_sense_is_a_usage_error(project: Project) -> None:
    project.write("a.runbook.yaml", ONE)

    for argument in ("--runbook-timeout=5parsecs", "--runbook-var=NAME", "--runbook-answer==x", "--runbook-shutdown=0"):
        result = project.run(".", argument)

        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*error: argument {argument.split('=')[0]}: *"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("runbook_timeout = soon", 'runbook_timeout: "soon" is not a duration*'),
        ("runbook_cwd = here", 'runbook_cwd: "here" is none of auto, file, rootdir, invocation'),
        ("runbook_vars = x", 'runbook_vars: "x" is not NAME=VALUE'),
        ("runbook_vars_files = no.yaml", "no.yaml: can't be read: *"),
        ("runbook_env_files = no.env", "runbook env file no.env: there is no such file"),
        ("runbook_errors = loudly", 'runbook_errors: "loudly" is none of item, collect'),
        ("runbook_store = never", 'runbook_store: "never" is none of auto, yes, no'),
        ("runbook_unknown_blocks = ignore", 'runbook_unknown_blocks: "ignore" is none of error, skip'),
    ],
)
def test_a_setting_of_the_ini_file_that_makes_no_sense_is_reported_without_a_traceback(
    project: Project, line: str, said: str
) -> None:
    project.pytester.makeini(f"[pytest]\n{line}")
    project.write("a.runbook.yaml", ONE)

    result = project.run(".")

    assert result.ret != 0
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_prose_alone_is_no_error_and_is_counted(project: Project) -> None:
    project.write("a.atrb", """
        id: 0198c0de-0000-7000-8000-000000000001
        name: Notes
        version: 1
        content:
          - {id: p, type: paragraph, props: {}, content: [{type: text, text: Hello, styles: {}}]}
        """)  # fmt: skip
    project.write("b.runbook.yaml", ONE)

    result = project.run(".")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["1 runbook without anything to run"])
