"""A runbook's blocks run in their order and in one process, whatever shuffles or spreads a session."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from tests.plugin.project import Project

MODES = ["load", "loadscope", "loadfile", "loadgroup", "worksteal"]
CHAIN = """
    blocks:
      - {name: A, script: echo 1, capture: x}
      - {name: B, script: 'test {{ var.x }} = 1'}
      - {name: C, script: 'test {{ var.x }} = 1'}
    finally:
      - {name: Sweep, script: 'test {{ var.x }} = 1'}
    """
TESTS = "import pytest\n" + "".join(f"def test_{number}(): pass\n" for number in range(8))
SHUFFLE = """
    import random
    import pytest

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(items):
        random.Random(4).shuffle(items)
    """


def lines_of(result: pytest.RunResult) -> dict[str, list[tuple[str, str]]]:
    """For each file what ran, in order: worker and name."""
    ran = defaultdict(list)
    for line in result.outlines:
        found = re.match(r"\[(gw\d)\] \[ *\d+%\] PASSED (\S+?)::(.+?) *$", line)
        if found:
            ran[found[2]].append((found[1], found[3]))
    return ran


@pytest.mark.parametrize("shuffle", [SHUFFLE, SHUFFLE.replace("trylast", "tryfirst")])
def test_blocks_keep_their_order_when_a_session_is_shuffled(project: Project, shuffle: str) -> None:
    project.write("conftest.py", shuffle)
    project.write("test_it.py", TESTS)
    for name in "abc":
        project.write(f"{name}.runbook.yaml", CHAIN)

    ids = project.collected(".")

    blocks = [node_id for node_id in ids if ".runbook." in node_id]
    tests = [node_id for node_id in ids if ".runbook." not in node_id]
    assert [node_id.rpartition("::")[2] for node_id in blocks] == ["A", "B", "C", "Sweep"] * 3
    assert tests != sorted(tests)


def test_blocks_keep_their_order_under_random_order(project: Project) -> None:
    for name in "abc":
        project.write(f"{name}.runbook.yaml", CHAIN)

    result = project.pytester.runpytest_subprocess(
        "-p", "no:anyio", "--random-order", "--random-order-seed=3", "-v", "."
    )

    names = [line.split("::")[1].split()[0] for line in result.outlines if "::" in line]
    assert names == ["A", "B", "C", "Sweep"] * 3


@pytest.mark.parametrize("mode", MODES)
def test_a_runbook_stays_whole_on_one_worker(project: Project, mode: str) -> None:
    for name in "abcd":
        project.write(f"{name}.runbook.yaml", CHAIN)
    project.write("test_it.py", TESTS)

    result = project.run(".", "-n2", f"--dist={mode}", "-v")

    ran = lines_of(result)
    result.assert_outcomes(passed=24)
    for name in "abcd":
        blocks = ran[f"{name}.runbook.yaml"]
        assert len({worker for worker, _ in blocks}) == 1
        assert [name for _, name in blocks] == ["A", "B", "C", "Sweep"]


def test_each_worker_runs_all_of_it_where_that_is_asked_for(project: Project) -> None:
    project.write("a.runbook.yaml", CHAIN)

    project.run(".", "-n2", "--dist=each").assert_outcomes(passed=8)


def test_groups_of_other_tests_stay_together(project: Project) -> None:
    project.write("a.runbook.yaml", CHAIN)
    for name in ("one", "two"):
        project.write(f"test_{name}.py", TESTS.replace("def", "@pytest.mark.xdist_group('g')\ndef"))

    ran = lines_of(project.run(".", "-n2", "--dist=loadgroup", "-v"))

    assert len({worker for name in ("one", "two") for worker, _ in ran[f"test_{name}.py"]}) == 1


@pytest.mark.parametrize(("mode", "own"), [("load", "LoadScheduling"), ("worksteal", "WorkStealingScheduling")])
def test_without_runbooks_a_session_gets_the_scheduler_of_xdist(project: Project, mode: str, own: str) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_xdist_make_scheduler():
            global late
            late = yield
            return late

        def pytest_unconfigure(config):
            if not hasattr(config, "workerinput"):
                print("chosen", type(late.scheduler).__name__)
        """)  # fmt: skip
    project.write("test_it.py", TESTS)

    result = project.run(".", "-n2", f"--dist={mode}", "-s")

    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines([f"chosen {own}"])


def test_a_scheduler_of_someones_own_is_left_alone(project: Project) -> None:
    project.write("a.runbook.yaml", CHAIN)
    project.write("conftest.py", """
        import xdist.scheduler

        class Mine(xdist.scheduler.LoadFileScheduling):
            def schedule(self):
                print("mine")
                super().schedule()

        def pytest_xdist_make_scheduler(config, log):
            return Mine(config, log)
        """)  # fmt: skip

    result = project.run(".", "-n2", "-s")

    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["mine"])


def test_blocks_that_were_split_from_those_above_do_not_run(project: Project) -> None:
    project.write("a.runbook.yaml", CHAIN)
    project.write("conftest.py", """
        import xdist.scheduler

        class Split(xdist.scheduler.LoadScopeScheduling):
            def _split_scope(self, nodeid):
                return nodeid

        def pytest_xdist_make_scheduler(config, log):
            return Split(config, log)
        """)  # fmt: skip

    result = project.run(".", "-n2", "-rs")

    assert result.parseoutcomes()["skipped"] >= 1
    result.stdout.fnmatch_lines(["a.runbook.yaml:*: it was not run in this process", "  hint: * use --dist loadfile"])
    result.stdout.fnmatch_lines(["SKIPPED * block * failed: a.runbook.yaml:*"])


def test_a_worker_that_dies_takes_the_rest_of_its_runbook_along(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: First, script: 'echo once >> ran; kill -9 $PPID'}
          - {name: Second, script: echo second >> ran}
        """)  # fmt: skip
    project.write("b.runbook.yaml", CHAIN)

    result = project.run(".", "-n1", "-rs")

    result.assert_outcomes(passed=4, failed=1, skipped=1)
    assert (project.path / "ran").read_text() == "once\n"


def test_reports_of_workers_show_what_reports_show_without(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Slow, script: sleep 0.3}
          - {name: Bad, script: exit 3}
        """)  # fmt: skip

    result = project.run(".", "-n1", "--durations=0", "--junit-xml=report.xml")

    result.stdout.fnmatch_lines(
        ["a.runbook.yaml::Bad * a.runbook.yaml:4", "  kind     block", "*s call * a.runbook.yaml::Slow"]
    )
    result.stdout.fnmatch_lines(["FAILED a.runbook.yaml::Bad - block: exit code 3"])
    properties = {case.attrib["name"]: case.attrib["value"] for case in project.junit()["Bad"].iter("property")}
    assert properties["runbook_exit_code"] == "3"


def test_the_summary_puts_together_what_workers_report(project: Project) -> None:
    project.pytester.makeini("[pytest]\nrunbook_paths = books")
    project.write("elsewhere/a.runbook.yaml", CHAIN)
    project.write("books/a.runbook.yaml", """
        blocks:
          - {name: One, script: "sleep 60 & echo {{ var.read }}"}
        finally:
          - {name: Sweep, script: 'true'}
        """)  # fmt: skip

    result = project.run("-n2", "--runbook-var=read=1", "--runbook-var=unread=1", "-k", "One")

    result.stdout.fnmatch_lines_random(
        [
            "1 runbook passed over: *",
            'books/a.runbook.yaml:5: NOT CLEANED UP: block "Sweep" (script) was not run',
            "books/a.runbook.yaml: left in the background and was ended: * sleep 60",
            "--runbook-var unread was given, and nothing read it",
        ]
    )
    assert "--runbook-var read " not in result.stdout.str()


def test_nothing_that_ran_is_not_green_with_workers_either(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: One, script: 'true', skip: not today}]")

    for workers in ("-n0", "-n2"):
        result = project.run(".", workers)

        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["no block ran: 1 skipped; this is not green"])


@pytest.mark.parametrize("options", [("--reruns=3",), ("--force-reruns=3",), ("--reruns=3", "--reruns-mode=append")])
def test_blocks_are_never_run_again(project: Project, options: tuple[str, ...]) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: One, script: 'echo ran >> blocks; false'}]")
    project.write("test_it.py", """
        from pathlib import Path

        def test_it():
            with Path("tests").open("a") as file:
                file.write("ran\\n")
            assert Path("tests").read_text().count("ran") == 3
        """)  # fmt: skip

    result = project.run(".", *options)

    assert (project.path / "blocks").read_text() == "ran\n"
    assert (project.path / "tests").read_text() == "ran\n" * 3
    assert result.parseoutcomes() == {"failed": 1, "passed": 1, "rerun": 2}
