"""What the plugin costs those who run no runbooks."""

from __future__ import annotations

import pytest

from tests.plugin.project import WITHOUT_REPORTERS, Project

LOADED = """
    import sys

    def pytest_unconfigure():
        print("LOADED", *sorted(name for name in sys.modules if name.startswith("pytest_runbook")))
        print("OTHERS", *sorted(set(sys.modules) & {"yaml", "jinja2", "anyio", "psutil", "asyncio"}))
    """
ORDERS = {"runbook_plan", "runbook_plan_json", "runbook_update_checks", "runbook_write_checks"}
"""Options that are no settings: they have something done once."""

QUIET = (
    "-p",
    "no:anyio",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:xdist",
    "-p",
    "no:rerunfailures",
    *WITHOUT_REPORTERS,
    "-s",
)


@pytest.mark.parametrize(
    ("with_runbooks", "arguments"),
    [(False, ()), (True, ()), (True, ("test_it.py",))],
    ids=["there are none", "they are passed over", "they are beside what was named"],
)
def test_a_session_that_runs_no_runbook_loads_the_door_alone(
    project: Project, with_runbooks: bool, arguments: tuple[str, ...]
) -> None:
    project.write("conftest.py", LOADED)
    project.write("test_it.py", "def test_it(): pass")
    if with_runbooks:
        project.write("a.runbook.yaml", "blocks: []")

    result = project.pytester.runpytest_subprocess(*QUIET, *arguments)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["LOADED pytest_runbook pytest_runbook.plugin", "OTHERS"])


def test_workers_without_runbooks_load_nothing_else_either(project: Project) -> None:
    project.write("conftest.py", LOADED)
    project.write("test_it.py", "def test_it(): pass")

    result = project.pytester.runpytest_subprocess("-p", "no:anyio", "-p", "no:hypothesispytest", "-n1", "-s")

    result.stdout.fnmatch_lines(["LOADED pytest_runbook pytest_runbook.plugin pytest_runbook.plugin.xdist"])


def test_collecting_runbooks_loads_no_driver(project: Project) -> None:
    drivers = (
        "asyncssh",
        "httpx",
        "httpx2",
        "sqlglot",
        "asyncpg",
        "aiomysql",
        "aiosqlite",
        "clickhouse_connect",
        "pyte",
    )
    project.write("conftest.py", f"""
        import sys

        def pytest_unconfigure():
            print("DRIVERS", *sorted(set(sys.modules) & {set(drivers)}))
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        blocks:
          - {script: 'true'}
          - {http: "http://localhost/"}
          - {postgres: {uri: "postgres://localhost", query: select 1}}
          - host: web-1
        """)  # fmt: skip

    result = project.pytester.runpytest_subprocess(*QUIET, "--collect-only", ".")

    result.stdout.fnmatch_lines(["DRIVERS"])


def test_help_shows_each_option_with_its_ini_twin(project: Project) -> None:
    text = project.pytester.runpytest_subprocess("-p", "no:anyio", "--help").stdout.str()

    options = {line.split()[0].partition("=")[0] for line in text.splitlines() if line.startswith("  --runbook-")}
    settings = {line.split()[0] for line in text.splitlines() if line.startswith("  runbook_")}
    twins = {option.removeprefix("--").replace("-", "_") for option in options}
    assert len(options) > 10
    assert {twin for twin in twins if not {twin, f"{twin}s"} & settings} <= ORDERS
