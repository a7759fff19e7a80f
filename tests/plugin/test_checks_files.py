"""Checks files that are written: brought up to date, or made from what a green run has seen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.plugin.project import Project
from tests.servers.json_server import json_server

DOCUMENT = """
    id: 0198c0de-0000-7000-8000-000000000001
    name: A
    version: 1
    content:
      - {id: i-build, type: script, props: {name: Build it, code: 'echo one'}}
      - {id: i-one, type: script, props: {name: Same, code: 'echo two'}}
      - {id: i-two, type: script, props: {name: Same, code: 'true'}}
      - {id: i-odd, type: script, props: {name: 'odd: # name', code: 'true'}}
    """

UPDATES = [
    ("blocks:\n  Build it: {skip: true}  # why\n", "blocks:\n  Build it: {id: i-build, skip: true}  # why\n"),
    (
        "blocks:\n  Build it:  # why\n    # and\n    skip: true\n",
        "blocks:\n  Build it:  # why\n    # and\n    id: i-build\n    skip: true\n",
    ),
    ("blocks:\n  Old: {id: i-build}\n", "blocks:\n  Build it: {id: i-build}\n"),
    ('blocks:\n  "Old": # x\n    id: i-build\n', "blocks:\n  Build it: # x\n    id: i-build\n"),
    ("blocks:\n  Old#2: {id: i-two}\n", 'blocks:\n  "Same#2": {id: i-two}\n'),
    ("blocks:\n  Old: {id: i-odd}\n", 'blocks:\n  "odd: # name": {id: i-odd}\n'),
    (
        "blocks: {Build it: {skip: true}, Old: {id: i-two}}\n",
        "blocks: {Build it: {id: i-build, skip: true}, Same: {id: i-two}}\n",
    ),
    ("blocks:\r\n  Build it: {skip: true}\r\n", "blocks:\r\n  Build it: {id: i-build, skip: true}\r\n"),
    ("# all is well\nblocks:\n  i-build: {skip: true}\n  Same#2: {id: i-two}\n", None),
    (
        "- runbook: a.atrb\n  blocks:\n    Build it: {skip: true}\n",
        "- runbook: a.atrb\n  blocks:\n    Build it: {id: i-build, skip: true}\n",
    ),
]


@pytest.mark.parametrize(("before", "after"), UPDATES)
def test_names_and_ids_are_brought_up_to_date_and_all_else_stays(
    project: Project, before: str, after: str | None
) -> None:
    project.write("a.atrb", DOCUMENT)
    file = project.path / "a.checks.yaml"
    file.write_bytes(before.encode())

    result = project.run("--runbook-update-checks", ".")

    assert file.read_bytes().decode() == (before if after is None else after)
    assert result.ret == 0
    result.assert_outcomes()


def test_what_was_updated_is_reported_with_its_line(project: Project) -> None:
    project.write("a.atrb", DOCUMENT)
    project.write("a.checks.yaml", "blocks:\n  Build it: {skip: true}\n  Old: {id: i-two}\n")

    result = project.run("--runbook-update-checks", ".")

    result.stdout.fnmatch_lines(['a.checks.yaml:2: id of "Build it"', 'a.checks.yaml:3: "Old" is "Same" now'])


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_what_can_not_be_read_is_reported_where_checks_are_updated(project: Project, workers: tuple[str, ...]) -> None:
    for name in ("a", "b"):
        project.write(f"{name}.atrb", DOCUMENT)
    project.write("a.checks.yaml", "blocks: {Biuld it: {skip: true}}\n")
    project.write("b.checks.yaml", "blocks: {Build it: {id: i-build}}\n")

    result = project.run("--runbook-update-checks", *workers, ".")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['a.checks.yaml:1: no block is called "Biuld it"', "b.checks.yaml: up to date"])


def test_what_can_not_be_written_for_certain_is_left_to_people(project: Project) -> None:
    text = "blocks: {Build it: {skip: 'once {Build it: x} works'}}\n"
    project.write("a.atrb", DOCUMENT)
    project.write("a.checks.yaml", text)

    result = project.run("--runbook-update-checks", ".")

    assert (project.path / "a.checks.yaml").read_text() == text
    result.stdout.fnmatch_lines(['*id of "Build it": could not be written; do it by hand'])


@pytest.fixture
def health() -> Iterator[str]:
    seen = {"status": "ok", "db": {"lag": 5, "name": "pg"}, "list": [1], "none": None, "sealed secret": 1}
    with json_server(lambda _: (200, seen)) as url:
        yield url


def test_a_green_run_is_written_down_and_running_it_again_is_green(project: Project, health: str) -> None:
    http = f"      - {{id: i-http, type: http, props: {{name: Health, url: '{health}'}}}}\n"
    props = "{name: Rows, uri: ':memory:', query: 'select 1 as a union select 2'}"
    sqlite = f"      - {{id: i-sql, type: sqlite, props: {props}}}\n"
    project.write("a.atrb", DOCUMENT.rstrip() + "\n" + http + sqlite)

    project.run("--runbook-write-checks", ".").assert_outcomes(passed=6)
    written = (project.path / "a.checks.yaml").read_text()
    again = project.run(".")

    again.assert_outcomes(passed=6)
    assert "  Health:\n    id: i-http\n    code: sha256:" in written
    assert '"Same#2":\n    id: i-two\n' in written
    assert "      status: 200\n" in written
    assert "{status: <text>, db: {lag: <number>, name: <text>}, list: <list>," in written
    assert "      exit_code: 0\n" in written
    assert "    - output.seconds < 10\n" in written
    assert "    - output.rows | length > 0  # 2 in this run\n" in written


def test_a_file_that_is_there_is_never_replaced(project: Project) -> None:
    project.write("a.atrb", DOCUMENT)
    project.write("a.checks.yaml", "tags: [mine]\n")

    project.run("--runbook-write-checks", ".").assert_outcomes(passed=4)

    assert (project.path / "a.checks.yaml").read_text() == "tags: [mine]\n"


@pytest.mark.parametrize("arguments", [("a.atrb::Build it",), ("a.atrb",)])
def test_only_what_ran_whole_and_green_is_written_down(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("a.atrb", DOCUMENT if len(arguments[0]) > 6 else DOCUMENT.replace("'true'", "exit 3"))

    result = project.run("--runbook-write-checks", *arguments)

    assert not (project.path / "a.checks.yaml").exists()
    result.stdout.fnmatch_lines(["a.checks.yaml was not written: block * has not passed"])


def test_plain_runbooks_hold_their_own_checks(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{script: 'true'}]")

    project.run("--runbook-write-checks", ".").assert_outcomes(passed=1)

    assert [path.name for path in project.path.glob("*.checks.yaml")] == []
