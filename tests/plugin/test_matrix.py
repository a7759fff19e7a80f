"""Runbooks that run once for each cell of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from pytest_runbook.document.matrix import cells_of
from pytest_runbook.errors import UnreadableFile
from pytest_runbook.model import load_runbook
from tests.plugin.project import WAIT, Project, processes_at

TWO = """
    matrix: {region: [eu-west, us-east], size: [1, 2], exclude: [{region: eu-west, size: 2}]}
    blocks:
      - {name: Check lag, script: "test {{ var.region }} != us-east -o {{ var.size + 1 }} = 2"}
      - {name: After, script: "echo {{ var.region }}"}
    """


def test_each_cell_is_a_collector_of_its_own(project: Project) -> None:
    project.write("book.runbook.yaml", TWO)

    assert project.collected(".") == [
        "book.runbook.yaml::eu-west-1::Check lag",
        "book.runbook.yaml::eu-west-1::After",
        "book.runbook.yaml::us-east-1::Check lag",
        "book.runbook.yaml::us-east-1::After",
        "book.runbook.yaml::us-east-2::Check lag",
        "book.runbook.yaml::us-east-2::After",
    ]


def test_a_failure_in_one_cell_leaves_the_others_alone(project: Project) -> None:
    project.write("book.runbook.yaml", TWO)

    result = project.run("-v", ".")

    result.assert_outcomes(passed=4, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["*us-east-2::Check lag FAILED*", "*us-east-2::After SKIPPED*"])
    result.stdout.fnmatch_lines(["  context  var.region = 'us-east'  <- cell \"us-east-2\" of the matrix (*:2)"])
    result.stdout.fnmatch_lines(["  again    pytest book.runbook.yaml::us-east-2"])


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (("book.runbook.yaml::us-east-1",), 2),
        (("book.runbook.yaml::us-east-1::After",), 1),
        (("-k", "eu-west", "."), 2),
        (("-k", "us-east and After", "."), 2),
    ],
)
def test_cells_are_selected_like_anything_else(project: Project, selection: tuple[str, ...], count: int) -> None:
    project.write("book.runbook.yaml", TWO)

    assert len(project.collected(*selection)) == count


def test_what_failed_in_a_cell_is_run_again_by_last_failed(project: Project) -> None:
    project.write("book.runbook.yaml", TWO)
    project.run(".")

    assert project.collected("--lf", ".") == ["book.runbook.yaml::us-east-2::Check lag"]


def test_machines_read_which_cell_it_was(project: Project) -> None:
    project.write("book.runbook.yaml", TWO)
    project.run("--junitxml=report.xml", ".")

    text = (project.path / "report.xml").read_text()
    assert 'classname="book.runbook.yaml.us-east-2" name="Check lag"' in text


def test_cells_may_run_on_different_workers_and_each_stays_whole(project: Project) -> None:
    project.write("book.runbook.yaml", """
        matrix: {n: [1, 2, 3]}
        blocks:
          - {name: Set, script: 'echo {{ var.n }}', capture: seen}
          - {name: Read, script: 'test {{ var.seen }} = {{ var.n }}'}
        finally: [{name: Sweep, script: 'true'}]
        """)  # fmt: skip

    project.run("-n2", ".").assert_outcomes(passed=9)


def test_a_shuffled_session_keeps_each_cell_in_order(project: Project) -> None:
    project.write("book.runbook.yaml", TWO)
    project.write("conftest.py", """
        def pytest_collection_modifyitems(items):
            items.sort(key=lambda item: item.name)
        """)  # fmt: skip

    ids = project.collected(".")

    for cell in ("eu-west-1", "us-east-1", "us-east-2"):
        names = [node_id.rpartition("::")[2] for node_id in ids if cell in node_id]
        assert names == ["Check lag", "After"]


def test_an_option_is_stronger_than_the_matrix(project: Project) -> None:
    project.write("book.runbook.yaml", """
        vars: {n: 0}
        matrix: {n: [1, 2]}
        blocks: [{name: A, script: 'test {{ var.n }} = 7'}]
        """)  # fmt: skip

    project.run("--runbook-var", "n=7", ".").assert_outcomes(passed=2)
    project.run(".").assert_outcomes(failed=2)


def test_the_end_reports_which_cell_warned_and_which_was_not_cleaned_up(project: Project) -> None:
    project.write("book.runbook.yaml", """
        matrix: {n: [1, 2]}
        blocks: [{name: A, script: "true", warn: var.n > 5}]
        finally: [{name: B, script: exit 3}]
        """)  # fmt: skip

    result = project.run(".")

    result.stdout.fnmatch_lines([f'*: warning: block "A" in {n}: var.n > 5: actual {n}' for n in (1, 2)])
    result.stdout.fnmatch_lines([f'*: NOT CLEANED UP: block "B" (script) in {n} failed: *' for n in (1, 2)])


def test_a_python_test_shows_with_which_values_a_runbook_is_to_run(project: Project) -> None:
    project.write("book.runbook.yaml", TWO)
    project.write("test_it.py", """
        def test_one_cell(runbook):
            assert runbook.run("book.runbook.yaml", vars={"region": "us-east", "size": 1}).passed

        def test_no_cell(runbook):
            runbook.run("book.runbook.yaml", vars={"region": "us-east"})
        """)  # fmt: skip

    result = project.run("test_it.py")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*book.runbook.yaml:2: it has a matrix", '*vars={"size": ...}*'])


def test_a_checks_file_returns_a_document_its_matrix(project: Project) -> None:
    project.write("a.atrb", """
        id: 0198c0de-0000-7000-8000-000000000001
        name: A
        version: 1
        content:
          - {id: s, type: script, props: {name: Say, code: 'test {{ var.n }} -lt 3'}}
        """)  # fmt: skip
    project.write("a.checks.yaml", "matrix: {n: [1, 2]}\n")

    project.run(".").assert_outcomes(passed=2)


SOURCES: list[tuple[str, Mapping[str, str], list[str]]] = [
    ("{n: {var: ns}}", {}, ["x", "y"]),
    ("{n: {file: ns.yaml}}", {"ns.yaml": "[a, 2, true]"}, ["a", "2", "true"]),
    ("{n: {file: ns.json}}", {"ns.json": '["a", "a"]'}, ["a", "a (2)"]),
    ("{n: {file: ns.csv}}", {"ns.csv": "n\na\nb\n"}, ["a", "b"]),
    ("{n: {file: hosts.csv}}", {"hosts.csv": "name,port\nweb,80\ndb,5432\n"}, ["web", "db"]),
    ("{include: {file: hosts.csv}}", {"hosts.csv": "n,port\nweb,80\ndb,5432\n"}, ["web", "db"]),
    ("{n: [1], include: [{n: 5, extra: x}]}", {}, ["1", "5"]),
    ("{n: [{name: web, port: 80}, [1, 2]]}", {}, ["web", "2"]),
    ("{n: ['a::b', 'c[d]']}", {}, ["a:b", "c(d)"]),
    ("{n: ['', ' ', x, {name: ''}]}", {}, ["1", "2", "x", "4"]),
]


@pytest.mark.parametrize(("matrix", "files", "cells"), SOURCES)
def test_values_come_from_the_file_a_variable_or_another_file(
    project: Project, matrix: str, files: Mapping[str, str], cells: list[str]
) -> None:
    for name, text in files.items():
        project.write(name, text)
    project.write("b.runbook.yaml", f"vars: {{ns: [x, y]}}\nmatrix: {matrix}\nblocks: [{{name: A, script: 'true'}}]\n")

    assert project.collected("b.runbook.yaml") == [f"b.runbook.yaml::{cell}::A" for cell in cells]


def test_a_variable_of_the_command_line_returns_the_values(project: Project) -> None:
    project.write("b.runbook.yaml", "matrix: {n: {var: ns}}\nblocks: [{name: A, script: 'true'}]\n")

    found = project.collected("--runbook-var", "ns=p,q r", "b.runbook.yaml")

    assert [node_id.split("::")[1] for node_id in found] == ["p", "q", "r"]


def test_a_command_runs_during_collection_only_if_that_is_asked_for(project: Project) -> None:
    project.write("b.runbook.yaml", """
        matrix: {n: {command: "touch ran; echo a; echo; echo b"}}
        blocks: [{name: A, script: 'true'}]
        """)  # fmt: skip

    refused = project.run("b.runbook.yaml")
    ran_before = (project.path / "ran").exists()
    found = project.collected("--runbook-matrix-commands", "b.runbook.yaml")

    refused.stdout.fnmatch_lines(["*--runbook-matrix-commands*"])
    assert not ran_before
    assert [node_id.split("::")[1] for node_id in found] == ["a", "b"]


def test_a_command_that_takes_too_long_is_an_error_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    book = tmp_path / "b.runbook.yaml"
    book.write_text("matrix: {n: {command: sleep 60 | cat}}\nblocks: []\n")

    with pytest.raises(UnreadableFile, match=r"b.runbook.yaml:1: matrix: sleep 60 \| cat: took longer than 200 ms"):
        cells_of(load_runbook(book, display_path=book.name), {}, runs_commands=True, command_timeout=0.2)

    _, alive = psutil.wait_procs(processes_at(tmp_path), timeout=WAIT)
    assert alive == []


WRONG = [
    ("[1]", "matrix must be a mapping, not a list"),
    ("{}", "matrix has no axis"),
    ("{n: 5}", "matrix n must be a list of values"),
    ("{n: []}", "matrix n is an empty list"),
    ("{n: {vars: x}}", "matrix n names no source"),
    ("{n: {var: nobody}}", 'unknown variable "nobody"'),
    ("{n: {file: nobody.yaml}}", "nobody.yaml"),
    ("{n: {file: nobody.csv}}", "nobody.csv can't be read: No such file"),
    ("{n: [1], exclude: [{m: 1}]}", 'matrix exclude: unknown axis "m"'),
    ("{n: [1], exclude: [{n: 2}]}", "matrix exclude: no cell has {'n': 2}"),
    ("{n: [1], exclude: [{n: 1}]}", "matrix: nothing is left of it"),
    ("{n: [1], include: [{m: 2}]}", "matrix include: {'m': 2} has no n"),
    ("{include: [{}]}", "matrix include: an empty mapping makes no cell"),
    ("{n: [1], include: 5}", "matrix include must be a list of mappings"),
    ("{n: [1], m: {command: 'exit 3'}}", "exit code 3"),
    ("{n: {file: bad.csv}}", "bad.csv byte 0xff is not UTF-8"),
    ("{n: {file: odd.csv}}", "odd.csv has 2 columns, and a row of 1: c"),
    ("{n: {file: quote.csv}}", "quote.csv is no CSV"),
    ("{n: {file: head.csv}}", "matrix n: there are no values"),
    (f"{{{', '.join(f'{name}: {list(range(10))}' for name in 'abcdef')}}}", "1,000,000 combinations; at most 1,000"),
]


@pytest.mark.parametrize(("matrix", "message"), WRONG)
def test_a_matrix_that_makes_no_sense_is_an_error_with_its_line(project: Project, matrix: str, message: str) -> None:
    project.write("b.runbook.yaml", f"name: B\nmatrix: {matrix}\nblocks: [{{script: 'true'}}]\n")
    project.write("odd.csv", "a,b\nc\n")
    project.write("quote.csv", 'n\n"a')
    project.write("head.csv", "n\n")
    (project.path / "bad.csv").write_bytes(b"n\n\xff\n")

    result = project.run("--runbook-matrix-commands", "b.runbook.yaml")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"b.runbook.yaml:2: *{message.replace('[', '[[]')}*"])
