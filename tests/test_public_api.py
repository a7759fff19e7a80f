"""The public API is what docs/api.md says: every name and member is there, typed, and used by a user's programs."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_runbook
import pytest_runbook.testing

ROOT = Path(__file__).parent.parent
PROGRAMS = sorted((ROOT / "tests" / "programs").glob("*.py"))
ROW = re.compile(r"^\| `(?P<name>[\w.]+)` \| (?P<members>[^|]*)\| (?P<told>[^|]+) \|$", re.MULTILINE)
TESTING = "testing."


def documented() -> dict[str, tuple[str, ...]]:
    """The members of each name, as the page lists them."""
    rows = ROW.finditer((ROOT / "docs" / "api.md").read_text())
    return {row["name"]: tuple(re.findall(r"`(\w+)`", row["members"])) for row in rows}


def home(name: str) -> object:
    if name.startswith(TESTING):
        return getattr(pytest_runbook.testing, name.removeprefix(TESTING))
    return getattr(pytest_runbook, name)


API = documented()
MEMBERS = [(name, member) for name, members in API.items() for member in members]


def test_what_is_documented_is_public_and_what_is_public_is_documented() -> None:
    assert sorted(name for name in API if not name.startswith(TESTING)) == pytest_runbook.__all__


def has(kind: object, member: str) -> bool:
    """True if the class, or what makes an instance of it, has the member."""
    classes = kind.__mro__ if isinstance(kind, type) else ()
    fields = {name for one in classes for name in getattr(one, "__annotations__", {})}
    given = {name for one in classes for name in names_set_on_self(one)}
    return hasattr(kind, member) or member in fields | given


def names_set_on_self(kind: type) -> set[str]:
    code = getattr(vars(kind).get("__init__"), "__code__", None)
    return set(code.co_names) if code is not None else set()


def test_every_member_that_is_documented_is_there() -> None:
    assert [(name, member) for name, member in MEMBERS if not has(home(name), member)] == []


def trees() -> list[ast.AST]:
    return [node for path in PROGRAMS for node in ast.walk(ast.parse(path.read_text()))]


def test_the_programs_use_every_name() -> None:
    imported = [node for node in trees() if isinstance(node, ast.ImportFrom) and node.module == "pytest_runbook"]

    assert {alias.name for node in imported for alias in node.names} == set(pytest_runbook.__all__)


def test_the_programs_use_every_member() -> None:
    used: set[str] = set()
    for node in trees():
        match node:
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)) | ast.FunctionDef(name=name):
                used.add(name)
            case ast.AsyncFunctionDef(name=name) | ast.Name(id=name):
                used.add(name)
            case ast.MatchClass(kwd_attrs=names):
                used.update(names)

    assert {(name, member) for name, member in MEMBERS if member not in used} == set()


A_RUNBOOK = """
vars: {whom: file}
blocks:
  - {name: Greet, greet: "{{ var.whom }}", assert: [output.length == 3, "output.value in ['you', 'file']"]}
  - {place: here}
  - {name: Wait, pause: {}}
  - {name: Script, script: 'echo {{ var.greeted }} {{ fixture.port }}', for_each: {n: [1]}, retry: {attempts: 2}}
"""
B_RUNBOOK = "blocks: [{name: One, script: echo 1, capture: one}, {name: Two, script: exit 2, warn: var.one == '2'}]\n"
WRONG = "blocks: [{scirpt: x}, {name: y}]\n"


def test_the_programs_run(tmp_path: Path) -> None:
    for name, text in (("a", A_RUNBOOK), ("b", B_RUNBOOK), ("wrong", WRONG)):
        (tmp_path / f"{name}.runbook.yaml").write_text(text)
    command = [sys.executable, "-m", "tests.programs.embedding", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in lines if line[:2] in (". ", "F ")][:3] == [
        '. 1 "Greet" #1 Greet greet',
        '. 2 "Wait" #3 Wait pause',
        '. 3 "Script" #4 Script script',
    ]
    assert 'F 2 "Two" #2 Two script' in lines
    assert any('unknown key "scirpt"' in line for line in lines)
    assert "geheim" not in done.stdout
    assert lines[-1] == "True"


def test_the_tests_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_theirs=(ROOT / "tests" / "programs" / "python_tests.py").read_text())
    (pytester.path / "deploy.runbook.yaml").write_text(
        "blocks: [{name: Deploy, script: 'echo {{ var.version }} to $STAGE'}]\n"
    )
    pytester.syspathinsert(ROOT)

    pytester.runpytest_subprocess("-p", "no:anyio", "test_theirs.py").assert_outcomes(passed=2)


def checked(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The programs as a type checker sees them, in a project of the user's."""
    target = folder / "tests" / "programs"
    shutil.copytree(ROOT / "tests" / "programs", target, ignore=shutil.ignore_patterns("__pycache__"))
    return subprocess.run([*command, "tests"], cwd=folder, capture_output=True, text=True)


def test_pyright_accepts_the_programs(tmp_path: Path) -> None:
    pytest.importorskip("basedpyright", reason="needs basedpyright, which `./dev` installs")
    (tmp_path / "pyproject.toml").write_text('[tool.basedpyright]\ntypeCheckingMode = "strict"\n')
    python = ["--pythonpath", sys.executable]
    done = checked(tmp_path, sys.executable, "-m", "basedpyright", *python)

    assert done.returncode == 0, done.stdout


WRONG_PROGRAM = """
from pytest_runbook import RunbookRun, open_runtime

async def main() -> None:
    async with open_runtime() as runtime:
        document = runtime.open_document("a.yaml")
        handle = document.start_execution(document.items[0].id)
        reveal_type(await RunbookRun(document, runtime).run_all())
        handle.nope
"""


def test_mypy_accepts_the_programs_and_sees_what_is_wrong_in_another(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "wrong.py").write_text(WRONG_PROGRAM)
    flags = ["--strict", "--explicit-package-bases", "--cache-dir", str(tmp_path / "cache")]
    reported = checked(tmp_path, sys.executable, "-m", "mypy", *flags).stdout.replace("builtins.", "")

    assert 'Revealed type is "tuple[pytest_runbook.execution.result.BlockResult, ...]"' in reported
    assert '"ExecutionHandle" has no attribute "nope"' in reported
    assert "Found 1 error in 1 file (checked 5 source files)" in reported
