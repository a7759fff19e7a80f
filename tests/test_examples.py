"""``example_runbooks/`` runs green on any machine, as a project of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "example_runbooks"
RUNBOOKS = sorted(path.name for pattern in ("*.runbook.yaml", "*.atrb") for path in EXAMPLES.glob(pattern))


def test_every_block_of_every_example_passes(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", EXAMPLES)

    assert set(result.parseoutcomes()) <= {"passed", "xfailed"}
    result.stdout.fnmatch_lines_random([f"*{name}::* PASSED*" for name in RUNBOOKS])
