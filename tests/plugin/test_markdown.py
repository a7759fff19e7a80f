"""Markdown documents as tests."""

from __future__ import annotations

from tests.plugin.project import Project

GUIDE = """
    # Disk full

    If this fails call Ann.

    ```bash {name: Look, assert: output.value == "4"}
    echo 5
    ```

    Then:

    ```console {name: Shown, on_failure: continue}
    $ echo '{{ .Values.x }}'; echo more
    {{ .Values.x }}
    less
    ```

    ```bash {name: Away, finally: true}
    echo bye
    ```
    """


def test_a_folder_returns_documents_of_that_suffix_alone(project: Project) -> None:
    project.write("books/a.runbook.md", GUIDE)
    project.write("books/README.md", GUIDE)

    assert project.collected("books") == [f"books/a.runbook.md::{name}" for name in ("Look", "Shown", "Away")]


def test_a_document_of_any_name_is_run_if_it_is_named(project: Project) -> None:
    project.write("README.md", "```sh\ntrue\n```\n")

    project.run("README.md").assert_outcomes(passed=1)


def test_a_named_document_with_nothing_to_run_is_left_to_others(project: Project) -> None:
    project.write("README.md", "# Words\n")

    assert project.collected("README.md") == []


def test_failures_point_into_the_document(project: Project) -> None:
    project.write("a.runbook.md", GUIDE)

    result = project.run("a.runbook.md")

    result.assert_outcomes(failed=1, skipped=1, passed=1)
    result.stdout.fnmatch_lines([
        "a.runbook.md::Look * a.runbook.md:6",
        '     6 | output.value == "4"',
        '*notes    "If this fails call Ann."  <- the paragraph above this block',
    ])  # fmt: skip


def test_a_console_that_shows_something_else_shows_both(project: Project) -> None:
    project.write("a.runbook.md", GUIDE.replace('"4"', '"5"'))

    result = project.run("a.runbook.md")

    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["a.runbook.md::Shown * a.runbook.md:12", "    14 | *", "*less*", '*notes    "Then:"*'])
