"""No file descriptors are left: it is said in words, later blocks run, and nothing is left running."""

from __future__ import annotations

import pytest

from tests.plugin.project import Project

# Takes all descriptors but some while the blocks named "Short" run, and lets them go when all is over, if at all.
GREEDY = """
    import os, resource
    import pytest

    LEFT, LETS_GO = {left}, {lets_go}
    held = []

    def take():
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            for _ in range(LEFT):
                os.close(held.pop())

    def let_go():
        while held:
            os.close(held.pop())

    def pytest_configure():
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(item):
        if item.name.startswith("Short"):
            take()
        try:
            return (yield)
        finally:
            if LETS_GO:
                let_go()

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure():
        let_go()
    """
BOOK = """
    on_failure: continue
    blocks:
      - {name: Before, script: 'sleep 1000 > /dev/null 2>&1 & echo before'}
      - {name: Short script, script: 'echo'}
      - {name: Short terminal, terminal: {type: bash, code: exit}}
      - {name: Short sqlite, sqlite: {uri: 'a.db', query: select 1}}
      - {name: Short http, http: 'http://127.0.0.1:9/'}
      - {name: Short postgres, postgres: {uri: 'postgres://127.0.0.1:9/x', query: select 1}}
      - {name: Short mysql, mysql: {uri: 'mysql://127.0.0.1:9/x', query: select 1}}
      - {name: Short ssh, host: 'me@127.0.0.1:9', script: 'echo'}
      - {name: After, script: 'echo after'}
    """
SAID = "no file descriptors are left"

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize("left", [0, 1, 3, 6])
def test_blocks_fail_in_words_and_later_ones_run(project: Project, left: int) -> None:
    project.write("conftest.py", GREEDY.format(left=left, lets_go=True))
    project.write("a.runbook.yaml", BOOK)

    result = project.finish(project.start(".", "-v", "-p", "no:cacheprovider"))

    text = result.stdout.str()
    result.stdout.fnmatch_lines(["*::Before PASSED*", "*::Short script FAILED*", "*::After PASSED*", f"*{SAID}*"])
    assert "INTERNALERROR" not in text
    assert "Traceback" not in text
    assert "kind     internal" not in text


def test_what_runs_in_the_background_is_found_and_ended_without_any(project: Project) -> None:
    project.write("conftest.py", GREEDY.format(left=0, lets_go=False))
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Before, script: 'sleep 1000 > /dev/null 2>&1 & echo before'}
          - {name: Short, script: 'echo'}
        """)  # fmt: skip

    result = project.finish(project.start(".", "-v", "-p", "no:cacheprovider"))

    result.stdout.fnmatch_lines(["*::Before PASSED*", "*::Short FAILED*", "*left in the background and was ended*"])
    assert "INTERNALERROR" not in result.stdout.str()
