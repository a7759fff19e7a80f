"""Runbooks that run once on each of several hosts."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

NOBODY = "127.0.0.1:1"
"""A host on which nothing listens."""
TWO = f"""
    hosts: [local, "{NOBODY}"]
    blocks:
      - {{name: Say, script: 'echo {{{{ host }}}}'}}
      - {{name: Here alone, script: 'true', when: host == "local"}}
    """


@pytest.fixture
def two(project: Project) -> Project:
    """A project with a runbook for two hosts, one of which can't be reached."""
    project.write("book.runbook.yaml", TWO)
    return project


def collected_hosts(project: Project, *arguments: str) -> list[str]:
    return list(dict.fromkeys(node_id.split("::")[1] for node_id in project.collected(*arguments)))


def test_each_host_is_a_collector_of_its_own(two: Project) -> None:
    assert two.collected(".") == [
        "book.runbook.yaml::local::Say",
        "book.runbook.yaml::local::Here alone",
        "book.runbook.yaml::127.0.0.1:1::Say",
        "book.runbook.yaml::127.0.0.1:1::Here alone",
    ]


def test_a_host_that_can_not_be_reached_leaves_the_others_alone(two: Project) -> None:
    result = two.run("-v", ".")

    result.assert_outcomes(passed=2, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*::127.0.0.1:1::Say FAILED*", "  again    pytest book.runbook.yaml::127.0.0.1:1"])


def test_when_restricts_a_block_to_a_host(project: Project) -> None:
    project.write("book.runbook.yaml", """
        hosts: [local, web-1]
        blocks: [{name: A, script: 'true', when: host == "local"}]
        """)  # fmt: skip

    result = project.run("-v", ".")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*::local::A PASSED*", "*::web-1::A SKIPPED*"])


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (("book.runbook.yaml::local",), 2),
        (("book.runbook.yaml::127.0.0.1:1::Say",), 1),
        (("-k", "local", "."), 2),
        (("-k", "local and Say", "."), 1),
    ],
)
def test_hosts_are_selected_like_anything_else(two: Project, selection: tuple[str, ...], count: int) -> None:
    assert len(two.collected(*selection)) == count


def test_what_failed_on_a_host_is_run_again_by_last_failed(two: Project) -> None:
    two.run(".")

    assert two.collected("--lf", ".") == ["book.runbook.yaml::127.0.0.1:1::Say"]


def test_machines_read_which_host_it_was(two: Project) -> None:
    two.run("--junitxml=report.xml", ".")

    text = (two.path / "report.xml").read_text()
    assert 'classname="book.runbook.yaml.local" name="Say"' in text
    assert 'classname="book.runbook.yaml.127.0.0.1:1" name="Say"' in text


def test_hosts_may_run_on_different_workers_and_each_stays_whole(project: Project) -> None:
    project.write("book.runbook.yaml", """
        hosts: [local, localhost]
        blocks:
          - {name: Set, script: 'echo 7', capture: seen}
          - {name: Read, script: 'test {{ var.seen }} = 7'}
        """)  # fmt: skip

    project.run("-n2", ".").assert_outcomes(passed=4)


def test_hosts_are_the_outermost_axis_of_a_matrix(project: Project) -> None:
    project.write("book.runbook.yaml", """
        hosts: [local, localhost]
        matrix: {n: [1, 2]}
        blocks: [{name: A, script: 'test {{ host }}-{{ var.n }} != local-3'}]
        """)  # fmt: skip

    project.run(".").assert_outcomes(passed=4)
    assert collected_hosts(project, ".") == ["local-1", "local-2", "localhost-1", "localhost-2"]


def test_a_checks_file_returns_a_document_its_hosts(project: Project) -> None:
    project.write("a.atrb", """
        id: 0198c0de-0000-7000-8000-000000000001
        name: A
        version: 1
        content:
          - {id: s, type: script, props: {name: Say, code: 'true'}}
        """)  # fmt: skip
    project.write("a.checks.yaml", "hosts: [web-1, web-2]\n")

    assert project.collected(".") == ["a.atrb::web-1::Say", "a.atrb::web-2::Say"]


def test_names_hold_nothing_that_means_something_else_in_a_node_id(project: Project) -> None:
    project.write("b.runbook.yaml", 'hosts: ["[2001:db8::1]:2222", a@b]\nblocks: [{name: A, script: "true"}]\n')

    assert collected_hosts(project, ".") == ["(2001:db8:1):2222", "a@b"]
    assert project.collected("b.runbook.yaml::a@b") == ["b.runbook.yaml::a@b::A"]


@pytest.mark.parametrize(
    ("arguments", "hosts"),
    [
        (["--runbook-hosts", "web-2,web-3"], ["web-2", "web-3"]),
        (["--runbook-hosts=web-2", "--runbook-hosts=web-3,web-2"], ["web-2", "web-3"]),
        (["--runbook-hosts=@fleet.txt"], ["web-4", "web-5"]),
        (["-o", "runbook_hosts=web-6\n@fleet.txt"], ["web-6", "web-4", "web-5"]),
        (["-o", "runbook_hosts=web-6", "--runbook-hosts=web-7"], ["web-7"]),
    ],
)
def test_an_option_replaces_the_hosts_of_the_file(two: Project, arguments: list[str], hosts: list[str]) -> None:
    two.write("fleet.txt", "# the fleet\nweb-4\n\nweb-5  # slow\n")

    assert collected_hosts(two, *arguments, ".") == hosts


def test_an_option_returns_hosts_to_a_runbook_without_any(project: Project) -> None:
    project.write("b.runbook.yaml", "blocks: [{name: A, script: 'echo {{ host }}', assert: output.value == host}]\n")

    project.run("--runbook-hosts=local", "-v", ".").stdout.fnmatch_lines(["b.runbook.yaml::local::A PASSED*"])


@pytest.mark.parametrize(
    ("hosts", "message"),
    [
        ("web 1", '--runbook-hosts: "web 1" is no host: *'),
        (",", '--runbook-hosts: "," names no host'),
        ("@nobody.txt", "--runbook-hosts: *nobody.txt can't be read: No such file or directory"),
    ],
)
def test_an_option_that_names_no_host_is_an_error(two: Project, hosts: str, message: str) -> None:
    result = two.run(f"--runbook-hosts={hosts}", ".")

    result.stdout.fnmatch_lines([f"*{message}"])
    assert result.ret != 0


@pytest.mark.parametrize(
    ("hosts", "line", "message"),
    [
        ("[]", 2, "hosts is an empty list"),
        ("[5]", 2, "an entry of hosts must be text, not *"),
        ("\n- web-1\n- web-2:99999", 4, 'hosts: "web-2:99999" is no host: "99999" is no port*'),
        ("\n- '@web-1'", 3, 'hosts: "@web-1" is no host: the user before @ is empty'),
        ("\n- -oProxyCommand=x", 3, 'hosts: "-oProxyCommand=x" is no host: *'),
        ("\n- web-1\n- web-1", 4, 'hosts: "web-1" is there twice'),
    ],
)
def test_what_is_no_host_is_an_error_with_its_line(project: Project, hosts: str, line: int, message: str) -> None:
    project.write("b.runbook.yaml", f"name: B\nhosts: {hosts}\nblocks: [{{script: 'true'}}]\n")

    result = project.run("b.runbook.yaml")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"b.runbook.yaml:{line}: {message}"])


def test_a_needed_runbook_with_hosts_hands_over_what_it_found_on_the_same_host(project: Project) -> None:
    project.write("base.runbook.yaml", """
        hosts: [local, localhost]
        blocks: [{name: Base, script: 'echo x >> ran; echo {{ runbook.name }}', capture: seen}]
        """)  # fmt: skip
    project.write("uses.runbook.yaml", """
        hosts: [local, localhost]
        needs: base.runbook.yaml
        blocks: [{name: Use, script: 'test {{ var.seen }} = base'}]
        """)  # fmt: skip

    project.run("uses.runbook.yaml").assert_outcomes(passed=2)
    assert (project.path / "ran").read_text().split() == ["x", "x"]


def test_a_needed_runbook_without_hosts_runs_once_for_all(project: Project) -> None:
    project.write("base.runbook.yaml", "blocks: [{name: Base, script: 'echo x >> ran'}]\n")
    project.write("uses.runbook.yaml", """
        hosts: [local, localhost]
        needs: base.runbook.yaml
        blocks: [{name: Use, script: 'true'}]
        """)  # fmt: skip

    project.run("uses.runbook.yaml").assert_outcomes(passed=2)
    assert (project.path / "ran").read_text().split() == ["x"]


def test_a_needed_runbook_does_not_run_on_hosts_of_its_own(project: Project) -> None:
    project.write("base.runbook.yaml", "hosts: [local]\nblocks: [{name: Base, script: 'true'}]\n")
    project.write("uses.runbook.yaml", "needs: base.runbook.yaml\nblocks: [{name: Use, script: 'true'}]\n")

    project.run("uses.runbook.yaml").stdout.fnmatch_lines(["*needs base.runbook.yaml: it has hosts*"])


def test_a_python_test_shows_on_which_host_a_runbook_runs(two: Project) -> None:
    two.write("test_two.py", """
        def test_host(runbook):
            assert runbook.run("book.runbook.yaml", host="local").passed

        def test_no_host(runbook):
            runbook.run("book.runbook.yaml")
        """)  # fmt: skip

    result = two.run("test_two.py")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*book.runbook.yaml:2: it has hosts*"])
