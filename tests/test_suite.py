"""The suite's own rule: where CI is set, a test that was skipped is a failure that says what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(CONFTEST.read_text())
    return pytester


SKIPPED_IN_TEST = "import pytest\ndef test_it(): pytest.skip('needs zsh')"
SKIPPED_BY_MARKER = "import pytest\n@pytest.mark.skip(reason='needs zsh')\ndef test_it(): pass"
SKIPPED_MODULE = "import pytest\npytest.skip('needs zsh', allow_module_level=True)"
SKIPPED = [SKIPPED_IN_TEST, SKIPPED_BY_MARKER, SKIPPED_MODULE]


@pytest.mark.parametrize("code", SKIPPED, ids=["in the test", "by marker", "whole module"])
def test_skip_is_red_in_ci_and_shows_why(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv("CI", "true")
    project.makepyfile(code)

    result = project.runpytest_subprocess()

    assert result.ret != 0
    assert "skipped" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(["*skipped, and CI skips nothing: *needs zsh*"])


@pytest.mark.parametrize("code", SKIPPED[:2], ids=["in the test", "by marker"])
def test_skip_is_a_skip_elsewhere(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.delenv("CI", raising=False)
    project.makepyfile(code)

    project.runpytest_subprocess().assert_outcomes(skipped=1)


def test_expected_failure_is_no_skip(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    project.makepyfile("import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False")

    project.runpytest_subprocess().assert_outcomes(xfailed=1)
