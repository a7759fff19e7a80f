"""Names that look like options, paths that lead elsewhere, files that blow up: refused, or taken for what they are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pytest_runbook import load_runbook
from pytest_runbook.errors import UnreadableFile
from tests.harness import written
from tests.plugin.project import Project
from tests.run_book import run_book

# What begins like an option, where it stands, and what comes of it: the error, or None where it is taken for a name.
REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "host": ({"host": "-oProxyCommand=touch owned", "script": "id"}, "'-' can't stand in it"),
    "user of a host": ({"host": "-l@127.0.0.1", "script": "id"}, "'-' can't stand in it"),
    "bastion": ({"http": {"url": "http://127.0.0.1:9/", "via": "-oProxyCommand=touch owned"}}, "can't stand in it"),
    "other user": ({"script": "touch owned", "become": "-s"}, "refuses to run programs as -s"),
    "context of a cluster": (
        {"kubernetes": {"command": "kubectl get pods", "context": "--kubeconfig=owned"}},
        "--kubeconfig=owned",
    ),
    "interpreter": ({"script": {"interpreter": "-c", "code": "touch owned"}}, 'no program "-c"'),
    "terminal": ({"terminal": {"type": "-c", "code": "touch owned"}}, 'no program "-c"'),
    "runbook within": ({"sub-runbook": "--collect-only"}, 'there is no runbook "--collect-only"'),
    "line break in a URL": ({"http": "http://127.0.0.1:9/\r\nX: y"}, "http://127.0.0.1:9/"),
    "line break in a header": (
        {"http": {"url": "http://127.0.0.1:9/", "headers": {"X": "a\r\nB: c"}}},
        "has a line break in its value",
    ),
    "line break in a method": ({"http": {"url": "http://127.0.0.1:9/", "method": "GET / HTTP/1.1\r\nX: y"}}, "GET"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_looks_like_an_option_is_refused(tmp_path: Path, what: str) -> None:
    block, said = REFUSED[what]

    result = run_book(tmp_path, block).result

    assert result.outcome == "failed"
    assert result.kind in ("block", "unreachable")
    assert said in (result.message or "")
    assert not (tmp_path / "owned").exists()


TAKEN: dict[str, dict[str, object]] = {
    "directory": {"script": 'test "$(basename "$PWD")" = -P', "directory": "-P"},
    "sqlite file": {"sqlite": {"uri": "-init", "query": "select 1"}, "assert": "output.value == 1"},
    "code of a shell": {"script": "-x() { echo hi; }; -x", "assert": "output.stdout == 'hi\\n'"},
    "code of sh": {
        "script": {"interpreter": "sh", "code": "+x 2>/dev/null || echo hi"},
        "assert": "output.stdout != ''",
    },
    "code of Python": {
        "script": {"interpreter": "python3", "code": "-1; print('hi')"},
        "assert": "output.stdout != ''",
    },
}


@pytest.mark.parametrize("what", TAKEN)
def test_what_looks_like_an_option_is_a_name(tmp_path: Path, what: str) -> None:
    (tmp_path / "-P").mkdir()

    result = run_book(tmp_path, TAKEN[what]).result

    assert result.outcome == "passed", result


def test_a_file_whose_name_looks_like_an_option_can_be_run_again_as_it_is_reported(project: Project) -> None:
    project.write("--version.runbook.yaml", "blocks: [{name: Bad, script: exit 3}]")

    result = project.run("./--version.runbook.yaml")

    result.stdout.fnmatch_lines(["  again    pytest ./--version.runbook.yaml"])


WAYS_OUT: dict[str, dict[str, object]] = {
    "runbook within": {"sub-runbook": "{{ var.path }}"},
    "query": {"sqlite": {"uri": ":memory:", "query_file": "{{ var.path }}"}},
    "body": {"http": {"url": "http://127.0.0.1:9/", "method": "POST", "body_file": "{{ var.path }}"}},
    "upload": {"http": {"url": "http://127.0.0.1:9/", "method": "POST", "files": {"f": "{{ var.path }}"}}},
}
PATHS = ["../outside.runbook.yaml", "in/../../outside.runbook.yaml", "link.runbook.yaml", "folder/outside.runbook.yaml"]


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("path", [*PATHS, "absolute"])
def test_no_path_leads_out_of_the_project(tmp_path: Path, way: str, path: str) -> None:
    root = tmp_path / "project"
    (root / "in").mkdir(parents=True)
    outside = written(tmp_path, "blocks: []", "outside.runbook.yaml")
    (root / "link.runbook.yaml").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)

    result = run_book(root, WAYS_OUT[way], vars={"path": str(outside) if path == "absolute" else path}).result

    assert result.outcome == "failed"
    assert "out of the project" in (result.message or "")


# What must be read or refused soon: None where it is harmless, the beginning of what is said otherwise.
FILES = {
    "billion laughs": (
        "vars: {a0: &a0 [x], " + ", ".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)) + "}",
        "aliases repeat more than",
    ),
    "quadratic aliases": ("vars:\n  a: &x [" + "x," * 9999 + "]\n" + "  b: *x\n" * 9999, ""),
    "one list many times": (
        "vars:\n  a: &x [" + "x," * 9999 + "]\n" + "".join(f"  b{n}: *x\n" for n in range(9999)),
        "aliases repeat more than",
    ),
    "deep": ("vars: {a: " + "[" * 100_000, "nested more than 100 deep"),
    "deep by keys": ("vars:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 400)), "nested more than 100 deep"),
    "many anchors": ("vars:\n" + "".join(f"  a{n}: &x{n} {n}\n" for n in range(20_000)) + "blocks: []", None),
    "long decimal": ("vars: {a: " + "9" * 100_000 + "}\nblocks: []", None),
    "long hexadecimal": ("vars: {a: 0x" + "f" * 100_000 + "}\nblocks: []", None),
    "huge exponent": ("vars: {a: 1e999999999}\nblocks: []", None),
    "long key": ("vars: {? " + "a" * 1_000_000 + " : 1}\nblocks: []", None),
    "unknown long key": ("k" * 1000 + ": 1\nblocks: []", "unknown key"),
    "long duration": ("timeout: " + "9" * 400 + "d\nblocks: []", 'timeout "9'),
    "object of Python": ("vars: {a: !!python/object/apply:os.system [id]}\nblocks: []", "YAML tag"),
    "merge into itself": ("vars: &a {<<: *a}\nblocks: []", 'alias "*a" names no anchor above it'),
    "matrix of a milliard": ("matrix: {" + ", ".join(f"{k}: [{'1,' * 1000}]" for k in "abc") + "}\nblocks: []", None),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_blows_up_is_read_or_refused_soon(tmp_path: Path, kind: str) -> None:
    text, said = FILES[kind]
    started = time.process_time()
    try:
        load_runbook(written(tmp_path, text))
        error = None
    except UnreadableFile as raised:
        error = str(raised)

    assert time.process_time() - started < 5
    assert (error is None) == (said is None)
    assert error is None or (said is not None and said in error)
    assert error is None or len(error) < 2000
