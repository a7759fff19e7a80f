"""What the documentation shows is true: its runbooks can be read, its example fails as shown, no option is missing."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest

from pytest_runbook.model.documentation import PAGES as PAGES_WITH_KEYS
from pytest_runbook.model.documentation import with_tables
from pytest_runbook.model.keys.expect import SHAPE_OPERATORS
from pytest_runbook.model.keys.flow import RETRY_KEYS
from pytest_runbook.model.keys.key_table import KEYS
from tests.plugin.project import QUIET

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
    for _, other, shown in (file for file in shown_runbooks() if file[0] == page):
        (pytester.path / other).write_text(shown)
    (pytester.path / name).write_text(text)
    if page == "block-types.md":
        pytester.makeconftest(shown_files(ROOT / "docs" / page)["conftest.py"])

    result = pytester.runpytest_inprocess("--collect-only", "-q", *QUIET, name)

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


def test_every_link_to_a_heading_leads_to_one() -> None:
    links = [
        (page.parent / (name or page.name), anchor)
        for page in PAGES
        for name, anchor in re.findall(r"\]\(((?!https?:)[^)#]*)#([^)]+)\)", page.read_text())
    ]

    assert [f"{page.name}#{anchor}" for page, anchor in links if anchor not in anchors(page)] == []


def anchors(page: Path) -> set[str]:
    """What headings are called in links, as GitHub does it."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


EXAMPLE_KEYS = {*(key.name for key in KEYS), *RETRY_KEYS, *SHAPE_OPERATORS}


def test_every_key_has_an_example() -> None:
    shown = "".join(text for page in PAGES for language in ("yaml", "json") for text in fences(page, language))

    assert [key for key in sorted(EXAMPLE_KEYS) if not re.search(rf"(?<![\w$]){re.escape(key)}\"?:", shown)] == []


def test_every_table_of_keys_is_in_a_page() -> None:
    pages = "".join((ROOT / "docs" / name).read_text() for name in PAGES_WITH_KEYS)

    assert re.findall(r"<!-- keys of (?:a )?(.+), written by", pages) == ["file", "prose", "block", "checks file"]


@pytest.mark.parametrize("name", PAGES_WITH_KEYS)
def test_the_tables_of_keys_are_up_to_date(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()

    assert page == with_tables(page), "run: python -m pytest_runbook.model.schema"


def test_the_example_of_a_new_key_is_code_of_the_model() -> None:
    page = ROOT / "docs" / "developing.md"
    (row,) = (text for text in fences(page, "text") if text.startswith("Key("))
    (field,) = fences(page, "python")

    assert indent(row, "    ") in (ROOT / "pytest_runbook" / "model" / "keys" / "key_table.py").read_text()
    assert indent(field, "    ") in (ROOT / "pytest_runbook" / "model" / "prose.py").read_text()


def test_every_key_is_in_a_table_of_the_pages() -> None:
    tables = "".join((ROOT / "docs" / name).read_text() for name in PAGES_WITH_KEYS)
    rows = "".join(line for line in tables.splitlines() if line.startswith("|"))

    assert [key.name for key in KEYS if f"`{key.name}`" not in rows] == []


def printed(result: pytest.RunResult) -> list[str]:
    return [without_times(line) for line in result.outlines]


def without_times(line: str) -> str:
    """A line whose times and padding may differ from run to run."""
    return re.sub(r"\s+", " ", re.sub(r"\d+(\.\d+)? m?s\b", "TIME", line)).strip()
