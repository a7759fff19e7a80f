"""Limits of others: pytest-timeout and its marker are met by a deadline of ours just before."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

pytestmark = pytest.mark.usefixtures("nothing_left")

BOOK = """
    blocks:
      - {name: Wait, script: 'sleep 600 & echo up > started; wait'}
    finally:
      - {name: Sweep, script: 'echo swept > swept'}
    """
MARK = """
    import pytest

    def pytest_collection_modifyitems(items):
        for item in items:
            item.add_marker(pytest.mark.timeout(1))
    """


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_the_option_of_pytest_timeout_is_met_just_before(project: Project, method: str) -> None:
    project.write("a.runbook.yaml", BOOK)

    result = project.finish(project.start(".", "--timeout=1", f"--timeout-method={method}"))

    assert result.parseoutcomes() == {"failed": 1, "passed": 1}
    result.stdout.fnmatch_lines(["  error    timed out after * (pytest's timeout 1 s)"])
    assert project.wait_for("swept") == "swept"


@pytest.mark.parametrize(("ini", "variable"), [("timeout = 1", None), ("", "1")], ids=["ini", "environment"])
def test_its_settings_count_too(
    project: Project, monkeypatch: pytest.MonkeyPatch, ini: str, variable: str | None
) -> None:
    project.pytester.makeini(f"[pytest]\n{ini}")
    if variable:
        monkeypatch.setenv("PYTEST_TIMEOUT", variable)
    project.write("a.runbook.yaml", BOOK)

    project.run(".").stdout.fnmatch_lines(["  error    timed out after * (pytest's timeout 1 s)"])


@pytest.mark.parametrize("plugin", ["timeout", "no:timeout"])
def test_the_marker_counts_with_and_without_the_plugin(project: Project, plugin: str) -> None:
    project.write("conftest.py", MARK)
    project.write("a.runbook.yaml", BOOK)
    arguments = ("-p", plugin) if plugin.startswith("no:") else ()

    project.run(".", *arguments).stdout.fnmatch_lines(["  error    timed out after * (pytest's timeout 1 s)"])


def test_the_time_of_the_set_up_counts_where_it_counts_for_pytest_timeout(project: Project) -> None:
    project.write("conftest.py", MARK + """
    @pytest.fixture
    def slow():
        import time
        time.sleep(0.5)
    """)  # fmt: skip
    project.write("a.runbook.yaml", BOOK.replace("wait'}", "wait', fixtures: [slow]}"))

    result = project.run(".")

    result.stdout.fnmatch_lines(["  error    timed out after [123]?? ms (pytest's timeout 1 s)"])


def test_a_longer_limit_of_others_leaves_ours_alone(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK.replace("wait'}", "wait', timeout: 300ms}"))

    project.run(".", "--timeout=60").stdout.fnmatch_lines(["  error    timed out after * (limit 300 ms)"])


def test_a_failure_from_outside_ends_the_block_and_is_reported(project: Project) -> None:
    project.write("conftest.py", """
        import pytest, signal

        def stop(number, frame):
            pytest.fail("the watchdog barked")

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(item):
            if item.name != "Wait":
                return (yield)
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            try:
                return (yield)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        """)  # fmt: skip
    project.write("a.runbook.yaml", BOOK)

    result = project.run(".")

    assert result.parseoutcomes() == {"failed": 1, "passed": 1}
    result.stdout.fnmatch_lines(["  kind     cancelled", "  error    ended from outside: the watchdog barked"])


def test_the_default_of_a_block_is_an_option_and_a_setting(project: Project) -> None:
    project.pytester.makeini("[pytest]\nrunbook_timeout = 200ms")
    project.write("a.runbook.yaml", BOOK)

    project.run(".").stdout.fnmatch_lines(["  error    timed out after * (limit 200 ms)"])
    project.run(".", "--runbook-timeout=300ms").stdout.fnmatch_lines(["  error    timed out after * (limit 300 ms)"])
