"""A run looks through what it wrote itself, and says where a secret got out, but never which value it has."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

SECRET = "hunter<2>&of-us-all"
BOOK = "secrets: {KEY: {env: THE_KEY}}\nblocks: [{name: Use, script: 'echo \"{{ secret.KEY }}\"'}]"
REPORTS = (
    "-p",
    "metadata",
    "-p",
    "html",
    "--junit-xml=report.xml",
    "--html=report.html",
    "--self-contained-html",
    "--log-file=run.log",
)
LEAKS = {
    "terminal": (
        "def pytest_terminal_summary(terminalreporter): terminalreporter.write_line('see ' + os.environ['THE_KEY'])",
        "*secret.KEY is in the terminal's output, line *",
    ),
    "wrapped": (
        "def pytest_terminal_summary(terminalreporter): terminalreporter.write('hunter<2>\\n&of-us-all\\n')",
        "*secret.KEY is in the terminal's output, line *",
    ),
    "xml": (
        "@pytest.fixture(autouse=True, scope='session')\n"
        "def told(record_testsuite_property): record_testsuite_property('key', os.environ['THE_KEY'])",
        "*secret.KEY is in the file report.xml, line *",
    ),
    "html": (
        "def pytest_html_results_summary(prefix): prefix.append(os.environ['THE_KEY'])",
        "*secret.KEY is in the file report.html, line *",
    ),
    "cache": (
        "def pytest_sessionfinish(session): session.config.cache.set('mine/key', os.environ['THE_KEY'])",
        "*secret.KEY is in the file .pytest_cache/v/mine/key, line *",
    ),
    "log": (
        "def pytest_sessionfinish(session): (session.path / 'run.log').write_text(os.environ['THE_KEY'])",
        "*secret.KEY is in the file run.log, line *",
    ),
    "report": (
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_runtest_logreport(report): report.sections.append(('Mine', os.environ['THE_KEY']))",
        "*secret.KEY is in the report of a.runbook.yaml::Use (call), Mine",
    ),
}


@pytest.fixture
def book(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("THE_KEY", SECRET)
    project.write("a.runbook.yaml", BOOK)
    return project


def test_a_run_that_kept_its_secrets_shows_so(book: Project) -> None:
    result = book.run("a.runbook.yaml", "--runbook-verify-secrets", "-rA", *REPORTS)

    assert result.ret == 0
    result.stdout.fnmatch_lines(["secrets: none of * is in the terminal's output, * reports and * files"])


@pytest.mark.parametrize("leak", LEAKS)
def test_a_secret_that_got_out_fails_the_run_and_is_reported_by_its_name(book: Project, leak: str) -> None:
    code, reported = LEAKS[leak]
    book.write("conftest.py", f"import os, pytest\n{code}\n")

    result = book.run("a.runbook.yaml", "--runbook-verify-secrets", *REPORTS)

    assert result.ret == 1
    result.stdout.fnmatch_lines(["SECRETS GOT OUT: looked for *", reported])
    assert SECRET not in result.stdout.str().partition("SECRETS GOT OUT")[2]


def test_a_leak_on_the_wire_is_reported_by_the_controller(book: Project) -> None:
    book.write("conftest.py", """
        import os, pytest

        @pytest.hookimpl(wrapper=True, trylast=True)
        def pytest_report_to_serializable(report):
            data = yield
            if isinstance(data, dict) and "sections" in data:
                data["sections"].append(("Mine", os.environ["THE_KEY"]))
            return data
        """)  # fmt: skip

    result = book.run("a.runbook.yaml", "--runbook-verify-secrets", "-n1")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["*secret.KEY is in what a worker sends of a report, *a.runbook.yaml::Use"])


def test_the_ini_file_may_ask_for_it(book: Project) -> None:
    book.pytester.makeini("[pytest]\nrunbook_verify_secrets = true")

    book.run("a.runbook.yaml").stdout.fnmatch_lines(["secrets: none of *"])
