"""The prose keys in reports: failures, JUnit, plans and results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_runbook.plugin.reports.prose_texts import LONGEST_LINE, SHOWN_LINES, prose_rows
from tests.plugin.project import Project

CANARY = "canary-of-prose-1f9c"
BOOK = """
    name: Payments nightly
    description: |
      Payments are booked.

      They were not in March.
    owner: "#team-payments"
    runbook_url: https://wiki.example.com/payments
    on_red: |
      1. Look at the queue.
        - both of them
      2. Call the bank.
    secrets: {TOKEN: {env: TOKEN}}
    blocks:
      - {name: Plain, script: 'echo {{ secret.TOKEN }}; exit 3', on_failure: continue}
      - name: Own
        description: Is not {{ rendered }}.
        owner: "#team-database"
        on_red: Say canary-of-prose-1f9c to nobody.
        script: exit 3
    """
ATUIN = "content:\n- {id: a, type: script, props: {name: Build, code: exit 3}}\n"
CHECKS = """
    description: Written beside it.
    owner: us
    blocks:
      Build: {description: It builds., on_red: Build it again.}
    """


@pytest.fixture
def book(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TOKEN", CANARY)
    project.write("a.runbook.yaml", BOOK)
    return project


def properties(project: Project, name: str) -> dict[str, str]:
    found = {case.attrib["name"]: case.attrib["value"] for case in project.junit()[name].iter("property")}
    keys = ("name", "description", "block_description", "owner", "url", "on_red")
    return {key: found[f"runbook_{key}"] for key in keys if f"runbook_{key}" in found}


def plan(project: Project, *arguments: str) -> Any:
    project.run("--runbook-plan-json=plan.json", *arguments)
    return json.loads((project.path / "plan.json").read_text())["runbooks"][0]


def test_a_failure_shows_the_prose_of_its_runbook(book: Project) -> None:
    result = book.run("a.runbook.yaml", "-k", "Plain")

    result.stdout.fnmatch_lines(
        [
            "  runbook  Payments nightly: Payments are booked.",
            "  owner    #team-payments",
            "  link     https://wiki.example.com/payments",
            "  on red   1. Look at the queue.",
            "             - both of them",
            "           2. Call the bank.",
            "  again *",
        ],
        consecutive=True,
    )


def test_a_failure_shows_the_prose_of_its_block_first_and_masks_it(book: Project) -> None:
    result = book.run("a.runbook.yaml")

    result.stdout.fnmatch_lines(
        [
            "  about    Is not {{ rendered }}.",
            "  owner    #team-database",
            "  link     https://wiki.example.com/payments",
            "  on red   Say [*][*][*] to nobody.",
        ],
        consecutive=True,
    )
    result.stdout.no_fnmatch_line(f"*{CANARY}*")


def test_a_failure_without_prose_has_no_rows_of_it(project: Project) -> None:
    project.write("a.runbook.yaml", "name: Nightly\nblocks: [{name: A, script: exit 3}]\n")

    result = project.run("a.runbook.yaml")

    for label in ("runbook", "about", "owner", "link", "on red"):
        result.stdout.no_fnmatch_line(f"  {label:<8} *")


def test_junit_has_properties_of_prose(book: Project) -> None:
    book.run("a.runbook.yaml", "--junit-xml=report.xml")

    assert properties(book, "Plain") == {
        "name": "Payments nightly",
        "description": "Payments are booked.\n\nThey were not in March.",
        "owner": "#team-payments",
        "url": "https://wiki.example.com/payments",
        "on_red": "1. Look at the queue.\n  - both of them\n2. Call the bank.",
    }
    assert properties(book, "Own")["block_description"] == "Is not {{ rendered }}."
    assert properties(book, "Own")["owner"] == "#team-database"
    assert properties(book, "Own")["on_red"] == "Say *** to nobody."


def test_a_plan_shows_prose_once(book: Project) -> None:
    lines = book.run("--runbook-plan", "a.runbook.yaml").outlines

    start = lines.index("a.runbook.yaml  Payments nightly")
    assert lines[start + 1 : start + 9] == [
        "  about    Payments are booked.",
        "           ",
        "           They were not in March.",
        "  owner    #team-payments",
        "  link     https://wiki.example.com/payments",
        "  on red   1. Look at the queue.",
        "             - both of them",
        "           2. Call the bank.",
    ]
    assert [line for line in lines if "owner" in line or "about" in line] == [
        "  about    Payments are booked.",
        "  owner    #team-payments",
        "    about    Is not {{ rendered }}.",
        "    owner    #team-database",
    ]


def test_a_plan_as_json_has_the_prose_of_runbook_and_blocks(book: Project) -> None:
    found = plan(book, "a.runbook.yaml")

    assert found["prose"]["description"].startswith("Payments are booked.")
    assert [sorted(block["prose"]) for block in found["blocks"]] == [
        ["on_red", "owner", "runbook_url"],
        ["description", "on_red", "owner", "runbook_url"],
    ]


def test_prose_reads_no_secrets_and_no_variables(project: Project) -> None:
    project.write(
        "a.runbook.yaml",
        """
        secrets: {TOKEN: {command: exit 9}}
        blocks:
          - {name: A, description: '{{ secret.TOKEN }} var.x', script: 'echo "x=1" >> "$RUNBOOK_OUTPUT_VARS"'}
        """,
    )

    assert plan(project, "a.runbook.yaml")["blocks"][0]["secrets"] == []
    assert plan(project, "a.runbook.yaml")["blocks"][0]["sets"] == []
    project.run("a.runbook.yaml").assert_outcomes(passed=1)


def test_a_checks_file_returns_the_prose_of_another_programs_runbook(project: Project) -> None:
    project.write("a.atrb", ATUIN)
    project.write("a.checks.yaml", CHECKS)

    result = project.run("a.atrb", "--junit-xml=report.xml")

    result.stdout.fnmatch_lines(
        [
            "  runbook  a: Written beside it.",
            "  about    It builds.",
            "  owner    us",
            "  on red   Build it again.",
        ],
        consecutive=True,
    )
    assert properties(project, "Build") == {
        "name": "a",
        "description": "Written beside it.",
        "block_description": "It builds.",
        "owner": "us",
        "on_red": "Build it again.",
    }


def test_a_markdown_runbook_has_prose_at_its_top_and_in_its_fences(project: Project) -> None:
    text = "---\nowner: us\n---\n# A\n\n```bash {name: Build, on_red: Build it again.}\nexit 3\n```\n"
    project.write("a.runbook.md", text)

    result = project.run("a.runbook.md")

    result.stdout.fnmatch_lines(["  owner    us", "  on red   Build it again."], consecutive=True)


def test_the_failed_block_of_another_runbook_shows_its_own_prose(project: Project) -> None:
    inner = "owner: inner\nrunbook_url: https://a.example\nblocks: [{name: In, script: exit 3}]\n"
    outer = "owner: outer\nrunbook_url: https://a.example\nblocks: [{name: Out, sub-runbook: inner.runbook.yaml}]\n"
    project.write("inner.runbook.yaml", inner)
    project.write("outer.runbook.yaml", outer)

    lines = project.run("outer.runbook.yaml").outlines

    assert [line for line in lines if line.lstrip().startswith(("owner", "link"))] == [
        "    owner    inner",
        "  owner    outer",
        "  link     https://a.example",
    ]


def test_results_have_the_prose_of_a_block(project: Project) -> None:
    project.write("a.runbook.yaml", "owner: us\nblocks: [{name: A, script: exit 3}, {name: B, script: 'true'}]\n")
    project.write(
        "test_a.py",
        """
        def test_results(runbook):
            called = runbook.run("a.runbook.yaml")
            assert [called[name].result.prose for name in "AB"] == [{"owner": "us"}] * 2
            assert called["A"].result.to_json()["prose"] == {"owner": "us"}
        """,
    )

    project.run("test_a.py").assert_outcomes(passed=1)


def test_long_prose_is_cut() -> None:
    lines = list(prose_rows({"on_red": "\n".join(f"{number} {'x' * 500}" for number in range(20))}))

    assert len(lines) == SHOWN_LINES + 1
    assert lines[0].startswith("  on red   0 xxx")
    assert len(lines[0]) == LONGEST_LINE + len("  on red   ")
    assert lines[0].endswith("...")
    assert lines[-1] == "           ... 5 more lines"


ABOUT = ["  runbook  Pay: About it.", "  owner    us", "  link     https://a.example", "  on red   Look."]
TOP = """
    name: Pay
    description: About it.
    owner: us
    runbook_url: https://a.example
    on_red: Look.
    """
OF_THE_TOP = {
    "name": "Pay", "description": "About it.", "owner": "us", "url": "https://a.example", "on_red": "Look.",
}  # fmt: skip


def test_a_missing_required_block_shows_the_prose_of_its_runbook(project: Project) -> None:
    blocks = "{name: A, script: 'true', skip: true}"
    project.write("a.runbook.yaml", f"{TOP}require: A\n    blocks: [{blocks}]\n")

    result = project.run("a.runbook.yaml", "--junit-xml=report.xml", "--runbook-environment=stage")

    result.stdout.fnmatch_lines(
        ["a.runbook.yaml:7: required: *", "  hint: *", *ABOUT, "  in       environment stage"], consecutive=True
    )
    assert properties(project, "(required)") == OF_THE_TOP


@pytest.mark.parametrize("wrong", ["matrix: {a: {var: b}}", "tags: skip"])
def test_a_runbook_that_can_not_be_collected_shows_its_prose(project: Project, wrong: str) -> None:
    project.write("a.runbook.yaml", f"{TOP}{wrong}\n    blocks: [{{script: 'true'}}]\n")

    result = project.run("a.runbook.yaml", "--junit-xml=report.xml")

    result.stdout.fnmatch_lines(ABOUT, consecutive=True)
    assert properties(project, "(unreadable)") == OF_THE_TOP


def test_a_file_that_is_no_runbook_has_no_prose(project: Project) -> None:
    project.write("a.runbook.yaml", f"{TOP}blocks: 5\n")

    project.run("a.runbook.yaml", "--junit-xml=report.xml").stdout.no_fnmatch_line("  owner *")
    assert properties(project, "(unreadable)") == {}


@pytest.mark.parametrize(
    ("fixture", "error"),
    [
        ("missing", 'a.runbook.yaml:7: block "A" (script): unknown fixture "missing"'),
        ("broken", "E*RuntimeError: no"),
        ("refused", "E*Failed: no"),
        ("without_trace", "no"),
        ("leaking", "*[*][*][*]*"),
        ("broken_at_the_end", "E*RuntimeError: no"),
    ],
)
def test_a_block_whose_fixture_fails_shows_its_prose(
    project: Project, monkeypatch: pytest.MonkeyPatch, fixture: str, error: str
) -> None:
    monkeypatch.setenv("TOKEN", CANARY)
    blocks = f"{{name: A, script: 'true', fixtures: {fixture}, owner: them}}"
    project.write("a.runbook.yaml", f"{TOP}blocks: [{blocks}]\n    secrets: {{TOKEN: {{env: TOKEN}}}}\n")
    project.write(
        "conftest.py",
        f"""
        import pytest

        @pytest.fixture
        def broken():
            raise RuntimeError("no")

        @pytest.fixture
        def refused():
            pytest.fail("no")

        @pytest.fixture
        def without_trace():
            pytest.fail("no", pytrace=False)

        @pytest.fixture
        def leaking():
            raise RuntimeError("{CANARY}")

        @pytest.fixture
        def broken_at_the_end():
            yield
            raise RuntimeError("no")
        """,
    )

    result = project.run("a.runbook.yaml", "--junit-xml=report.xml")

    result.stdout.fnmatch_lines([error, ABOUT[0], "  owner    them", *ABOUT[2:]])
    result.stdout.no_fnmatch_line(f"*{CANARY}*")
    (failure,) = project.junit()["A"].iter("error")
    assert "  owner    them\n  link     https://a.example" in (failure.text or "")


def test_a_block_whose_fixture_fails_shows_its_prose_from_a_worker(project: Project) -> None:
    project.write("a.runbook.yaml", f"{TOP}blocks: [{{name: A, script: 'true', fixtures: broken}}]\n")
    project.write("conftest.py", "import pytest\n\n@pytest.fixture\ndef broken():\n    raise RuntimeError('no')\n")

    result = project.run("a.runbook.yaml", "-n1", "-pxdist")

    result.stdout.fnmatch_lines(["E*RuntimeError: no", "*- runbook -*", *ABOUT])


def test_only_the_rows_of_the_failure_itself_are_red(project: Project) -> None:
    project.write(
        "a.runbook.yaml",
        """
        on_failure: continue
        on_red: |
          Look for
          error 5, or
            error 6
          kind of
        blocks:
          - {name: A, script: echo 1; exit 3}
          - {name: B, script: 'printf "0\\nerror 7\\n"', assert: output.stdout == '2'}
          - {name: C, sub-runbook: b.runbook.yaml}
        """,
    )
    project.write("b.runbook.yaml", "on_red: |\n  Or\n  error 8\nblocks: [{name: D, script: exit 3}]\n")

    lines = project.run("a.runbook.yaml", "--color=yes").outlines

    red = [line.removeprefix("\x1b[31m").split("\x1b")[0] for line in lines if line.startswith("\x1b[31m  ")]
    assert [" ".join(line.split()[:3]) for line in red] == [
        "kind block", "error exit code",
        "kind assertion", "| expected '2'", r"| actual '0\nerror",
        "kind block", "error block 1", "kind block", "error exit code",
    ]  # fmt: skip


def test_only_the_problems_of_a_plan_are_red(project: Project) -> None:
    project.write(
        "a.runbook.yaml", "on_red: |\n  No\n  PROBLEM at all\nblocks: [{name: A, script: 'echo {{ var.x }}'}]\n"
    )

    lines = project.run("--runbook-plan", "a.runbook.yaml", "--color=yes").outlines

    assert [line.split()[0] for line in lines if "PROBLEM" in line] == ["PROBLEM", "\x1b[31m"]


def test_a_plan_as_json_escapes_what_acts_on_a_terminal(project: Project) -> None:
    project.write("a.runbook.yaml", 'owner: "\\e[1m\\x9bm \\u202egnp größe 日本"\nblocks: [{script: x}]\n')

    result = project.run("--runbook-plan-json=-", "a.runbook.yaml")

    shown = "\n".join(result.outlines)
    assert r'"owner": "\u001b[1m\u009bm \u202egnp größe 日本"' in shown
    start, end = result.outlines.index("{"), result.outlines.index("}")
    found = json.loads("\n".join(result.outlines[start : end + 1]))
    assert found["runbooks"][0]["prose"]["owner"] == "\x1b[1m\x9bm \u202egnp größe 日本"
