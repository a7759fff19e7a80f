"""``example_runbooks/`` runs green on any machine, as a project of its own."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pytest_runbook.model.source.located import to_builtins
from pytest_runbook.model.source.yaml_tree import parse_yaml

EXAMPLES = Path(__file__).parents[1] / "example_runbooks"
PATTERNS = ("*.runbook.yaml", "*.runbook.md", "*.atrb")
SKIPPED = {"Nobody else has it", "Its certificate"}
RUNBOOKS = sorted(path.name for pattern in PATTERNS for path in EXAMPLES.glob(pattern))


def test_every_block_of_every_example_passes(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", EXAMPLES)

    assert set(result.parseoutcomes()) <= {"passed", "xfailed", "skipped"}
    result.stdout.fnmatch_lines_random([f"*{name}::* PASSED*" for name in RUNBOOKS])
    skipped = [line.split(" SKIPPED")[0] for line in result.outlines if " SKIPPED" in line and "::" in line]
    assert {line.rpartition("::")[2] for line in skipped} <= SKIPPED


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_editors_find_the_schema_of_every_example_and_it_fits(path: Path) -> None:
    first = path.read_text().partition("\n")[0]
    schema = json.loads((EXAMPLES / first.removeprefix("# yaml-language-server: $schema=")).read_text())

    jsonschema.validate(to_builtins(parse_yaml(path.read_text())), schema)
