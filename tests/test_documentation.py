"""What the documentation shows is true: its runbooks can be read, its example fails as shown, no option is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (?P<name>[\w.-]+\.(?:runbook\.yaml|checks\.yaml|atrb|py))\n")


def fences(page: Path, language: str) -> list[str]:
    return [match["text"] for match in FENCE.finditer(page.read_text()) if match["language"] == language]


def shown_files(page: Path) -> dict[str, str]:
    """The files that a page shows whole: their first line says how they are called."""
    texts = [*fences(page, "yaml"), *fences(page, "python")]
    return {match["name"]: text for text in texts if (match := FILE_NAME.match(text))}


def shown_runbooks() -> list[tuple[str, str, str]]:
    files = ((page.name, name, text) for page in PAGES for name, text in shown_files(page).items())
    return [file for file in files if file[1].endswith(".runbook.yaml")]


@pytest.mark.parametrize(("page", "name", "text"), shown_runbooks())
def test_every_runbook_that_is_shown_can_be_read(pytester: pytest.Pytester, page: str, name: str, text: str) -> None:
    (pytester.path / name).write_text(text)
    if page == "block-types.md":
        pytester.makeconftest(shown_files(ROOT / "docs" / page)["conftest.py"])

    result = pytester.runpytest_subprocess("--collect-only", "-q", "-p", "no:anyio", name)

    assert result.ret == 0, page


def test_the_example_of_the_readme_fails_as_it_is_shown(pytester: pytest.Pytester) -> None:
    readme = ROOT / "README.md"
    (pytester.path / "payments.runbook.yaml").write_text(shown_files(readme)["payments.runbook.yaml"])
    shown = fences(readme, "text")[0]

    result = pytester.runpytest_subprocess("-p", "no:anyio", "payments.runbook.yaml")

    assert result.ret == 1
    assert [line for line in map(without_times, shown.splitlines()) if line not in printed(result)] == []


def test_checks_of_the_documentation_fit_a_runbook(pytester: pytest.Pytester) -> None:
    names = ["Check primary", "List containers", "Stop the app", "Start the app"]
    ids = ["a", "b", "c", "0198c0de-0000-7000-8000-000000000008"]
    blocks = "".join(
        f"- {{id: {block_id}, type: script, props: {{name: {name}, code: 'true'}}}}\n"
        for name, block_id in zip(names, ids, strict=True)
    )
    page = shown_files(ROOT / "docs" / "checks.md")["payments.checks.yaml"]
    (pytester.path / "payments.atrb").write_text(f"id: x\ncontent:\n{blocks}")
    (pytester.path / "payments.checks.yaml").write_text(page)

    result = pytester.runpytest_subprocess("--collect-only", "-q", "-p", "no:anyio", "payments.atrb")

    assert result.ret == 0


def test_python_tests_of_the_documentation_pass(pytester: pytest.Pytester) -> None:
    files = shown_files(ROOT / "docs" / "running.md")
    pytester.makepyfile(conftest=files["conftest.py"], test_deploy=files["test_deploy.py"])
    runbook = "blocks: [{name: Deploy, script: 'echo deployed {{ var.version }}'}]"
    (pytester.path / "deploy.runbook.yaml").write_text(runbook)

    result = pytester.runpytest_subprocess("-p", "no:anyio", "test_deploy.py")

    result.assert_outcomes(passed=1)


def test_every_option_and_setting_is_documented(pytester: pytest.Pytester) -> None:
    text = "".join(page.read_text() for page in PAGES)

    printed_help = pytester.runpytest_subprocess("--help").stdout.str()

    known = set(re.findall(r"--runbook-[a-z-]+|\brunbook_[a-z_]+(?= \()", printed_help))
    assert {name for name in known if f"`{name}" not in text} == set()


def test_every_link_between_pages_leads_somewhere() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())]

    assert [link for page, link in links if not (page.parent / link).exists()] == []


def printed(result: pytest.RunResult) -> list[str]:
    return [without_times(line) for line in result.outlines]


def without_times(line: str) -> str:
    """A line whose times and padding may differ from run to run."""
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)? m?s\b", "TIME", line)).strip()
