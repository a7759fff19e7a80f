"""The package's face: every public name is there, typed, and costs nothing until it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_runbook

SOURCE = Path(pytest_runbook.__file__)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_the_package_imports_nothing_else() -> None:
    before = "import __future__, sys, typing; before = set(sys.modules)"

    assert python(f"{before}; import pytest_runbook; print(set(sys.modules) - before)") == "{'pytest_runbook'}\n"


def test_the_engine_comes_without_pytest() -> None:
    code = "import sys, pytest_runbook as p; [getattr(p, name) for name in p.__all__]; print('pytest' in sys.modules)"

    assert python(code) == "False\n"


@pytest.mark.parametrize("name", pytest_runbook.__all__)
def test_every_public_name_has_a_home_and_is_reported(name: str) -> None:
    home = getattr(pytest_runbook, name)

    assert getattr(home, "__doc__", None), name
    assert name in dir(pytest_runbook)


def test_type_checkers_see_the_same_names() -> None:
    imports = [node for node in ast.walk(ast.parse(SOURCE.read_text())) if isinstance(node, ast.ImportFrom)]
    typed = {(node.module, alias.name) for node in imports if node.level == 1 for alias in node.names}
    lazy = {(module, name) for module, names in pytest_runbook._PUBLIC_NAMES.items() for name in names}

    assert typed == lazy


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Documnet'"):
        _ = pytest_runbook.Documnet
