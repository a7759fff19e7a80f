"""Ctrl-C, SIGTERM, -x: what runs is ended, clean-ups run, all of it is reported, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
from time import monotonic

import pytest

from tests.plugin.project import Project

pytestmark = pytest.mark.usefixtures("nothing_left")

BOOK = """
    blocks:
      - {name: Begin, script: mktemp -d, capture: folder}
      - name: Wait
        script: |
          sleep 600 & sleep 600 &
          echo up > started
          wait
      - {name: After, script: 'touch after'}
    finally:
      - {name: Sweep, script: 'rmdir {{ var.folder }} && echo swept > swept'}
    """
STUBBORN = """
    blocks:
      - {name: Begin, script: mktemp -d, capture: folder}
      - name: Wait
        script:
          interpreter: python3
          code: |
            import os, pathlib, signal, time
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: None)
            os.fork()
            pathlib.Path("started").write_text("up\\n")
            while True:
                time.sleep(600)
    finally:
      - {name: Sweep, script: 'rmdir {{ var.folder }} && echo swept > swept'}
    """
CTRL_C = "*Interrupted: interrupted by Ctrl-C*"


def interrupt(process: subprocess.Popen[str]) -> None:
    """What a terminal does: all of its foreground group gets it."""
    os.killpg(process.pid, signal.SIGINT)


@pytest.mark.parametrize("workers", [(), ("-n0",)])
def test_ctrl_c_ends_the_block_runs_the_clean_up_and_reports_both(project: Project, workers: tuple[str, ...]) -> None:
    project.write("a.runbook.yaml", BOOK)
    project.write("b.runbook.yaml", BOOK)

    process = project.start(".", "-v", "--junit-xml=report.xml", *workers)
    project.wait_for("started")
    interrupt(process)
    result = project.finish(process)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "a.runbook.yaml::Begin PASSED *",
            "a.runbook.yaml::Wait FAILED *",
            "a.runbook.yaml::Sweep PASSED *",
            "  kind     cancelled",
            "  error    cancelled by Ctrl-C",
            CTRL_C,
        ]
    )
    assert "INTERNALERROR" not in result.stdout.str()
    assert set(project.junit()) == {"Begin", "Wait", "Sweep"}
    assert not (project.path / "after").exists()


def test_the_process_alone_can_be_reported(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)

    process = project.start(".")
    project.wait_for("started")
    process.send_signal(signal.SIGINT)
    result = project.finish(process)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.wait_for("swept") == "swept"


def test_sigterm_is_ctrl_c_with_its_own_exit_code(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)

    process = project.start(".", "--junit-xml=report.xml")
    project.wait_for("started")
    process.terminate()
    result = project.finish(process)

    assert result.ret == 143
    result.stdout.fnmatch_lines(["  error    cancelled by SIGTERM", "*Interrupted: interrupted by SIGTERM*"])
    assert project.wait_for("swept") == "swept"
    assert set(project.junit()) == {"Begin", "Wait", "Sweep"}


def test_what_ignores_every_signal_is_gone_within_the_budget_and_clean_ups_run(project: Project) -> None:
    project.write("a.runbook.yaml", STUBBORN)

    process = project.start(".")
    project.wait_for("started")
    started = monotonic()
    interrupt(process)
    project.finish(process)

    assert monotonic() - started < 7.0
    assert project.wait_for("swept") == "swept"


def test_a_second_ctrl_c_ends_the_clean_ups(project: Project) -> None:
    project.write(
        "a.runbook.yaml",
        BOOK.replace("rmdir {{ var.folder }}", "rmdir {{ var.folder }}; echo up > sweeping; sleep 600"),
    )

    process = project.start(".", "-v")
    project.wait_for("started")
    interrupt(process)
    project.wait_for("sweeping")
    started = monotonic()
    interrupt(process)
    result = project.finish(process)

    assert monotonic() - started < 6  # the budget is 7 s
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["a.runbook.yaml::Sweep FAILED *"])
    assert "INTERNALERROR" not in result.stdout.str()


def test_the_budget_is_a_setting(project: Project) -> None:
    project.pytester.makeini("[pytest]\nrunbook_shutdown = 4s")
    project.write("a.runbook.yaml", BOOK.replace("rmdir {{ var.folder }}", "rmdir {{ var.folder }}; sleep 600"))

    process = project.start(".", "-v")
    project.wait_for("started")
    started = monotonic()
    interrupt(process)
    result = project.finish(process)

    assert monotonic() - started < 6.5  # the usual budget is 7 s
    result.stdout.fnmatch_lines(["a.runbook.yaml::Sweep FAILED *", "*shutting down within 4 s*"])


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_stopping_at_the_first_failure_still_cleans_up_with_what_the_run_knows(project: Project, option: str) -> None:
    project.write("a.runbook.yaml", BOOK.replace("sleep 600 & sleep 600 &", "exit 3"))
    project.write("b.runbook.yaml", BOOK)

    result = project.run(".", option, "-v", "--junit-xml=report.xml")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["a.runbook.yaml::Wait FAILED *", "a.runbook.yaml::Sweep PASSED *", "*stopping after 1 failures*"]
    )
    assert set(project.junit()) == {"Begin", "Wait", "Sweep"}
    assert project.wait_for("swept") == "swept"


def test_fixtures_of_clean_ups_are_set_up_again(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        @pytest.fixture(scope="session")
        def place():
            yield "here"
            print("torn down")
        """)  # fmt: skip
    project.write("a.runbook.yaml", """
        fixtures: [place]
        blocks: [{name: Bad, script: "test {{ fixture.place }} = there"}]
        finally: [{name: Sweep, script: "test {{ fixture.place }} = here"}]
        """)  # fmt: skip

    project.run(".", "-x").assert_outcomes(failed=1, passed=1)


def test_a_failing_clean_up_fails_and_the_others_run(project: Project) -> None:
    project.write("a.runbook.yaml", """
        blocks: [{name: Bad, script: exit 3}]
        finally: [{name: One, script: exit 4}, {name: Two, script: 'true'}]
        """)  # fmt: skip

    project.run(".", "-x").assert_outcomes(failed=2, passed=1)


PHASES = {
    "set up": """
        import pytest, time
        from pathlib import Path

        @pytest.fixture
        def slow():
            Path("started").write_text("up\\n")
            time.sleep(600)
        """,
    "torn down": """
        import pytest, time
        from pathlib import Path

        @pytest.fixture
        def slow():
            yield
            Path("started").write_text("up\\n")
            time.sleep(600)
        """,
}


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_in_a_fixture_of_a_block_is_reported_and_clean_ups_run(project: Project, phase: str) -> None:
    project.write("conftest.py", PHASES[phase])
    project.write("a.runbook.yaml", """
        blocks:
          - {name: Begin, script: 'true'}
          - {name: Wait, script: 'true', fixtures: [slow]}
        finally:
          - {name: Sweep, script: 'echo swept > swept'}
        """)  # fmt: skip

    process = project.start(".", "-v", "--junit-xml=report.xml")
    project.wait_for("started")
    interrupt(process)
    result = project.finish(process)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["a.runbook.yaml::Wait ERROR *", "a.runbook.yaml::Sweep PASSED *", CTRL_C])
    result.stdout.fnmatch_lines(
        [
            f"a.runbook.yaml:4: block *: cancelled by Ctrl-C while its fixtures were {phase}",
            "ERROR *Wait - cancelled: *",
        ]
    )
    assert "INTERNALERROR" not in result.stdout.str()
    assert set(project.junit()) == {"Begin", "Wait", "Sweep"}


def test_ctrl_c_between_two_items_still_cleans_up(project: Project) -> None:
    project.write("conftest.py", """
        import os, signal

        def pytest_runtest_logfinish(nodeid):
            if nodeid.endswith("Begin"):
                os.kill(os.getpid(), signal.SIGINT)
        """)  # fmt: skip
    project.write("a.runbook.yaml", BOOK)

    result = project.finish(project.start(".", "-v"))

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["a.runbook.yaml::Sweep PASSED *", "*KeyboardInterrupt*"])
    assert "INTERNALERROR" not in result.stdout.str()
    assert not (project.path / "started").exists()


def test_ctrl_c_in_a_python_test_cleans_up_the_runbook_before_it(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK.replace("sleep 600 & sleep 600 &", "exit 0"))
    project.write("conftest.py", """
        def pytest_collection_modifyitems(items):
            items.sort(key=lambda item: ["Begin", "Wait", "After", "test_it", "Sweep"].index(item.name))
        """)  # fmt: skip
    project.write("test_it.py", """
        import os, signal, time

        def test_it():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(600)
        """)  # fmt: skip

    result = project.finish(project.start("a.runbook.yaml", "test_it.py", "-v"))

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "INTERNALERROR" not in result.stdout.str()
    assert project.wait_for("swept") == "swept"


def test_a_python_test_that_expects_an_interrupt_is_not_taken_for_one(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: One, script: 'true'}]")
    project.write("test_it.py", """
        import os, signal
        import pytest

        def test_it(runbook):
            assert runbook.run("a.runbook.yaml").passed
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
            assert runbook.run("a.runbook.yaml").passed
        """)  # fmt: skip

    project.run("test_it.py").assert_outcomes(passed=1)


def test_pytest_exit_in_the_middle_cleans_up(project: Project) -> None:
    project.write("conftest.py", """
        import pytest

        def pytest_runtest_logfinish(nodeid):
            if nodeid.endswith("Begin"):
                pytest.exit("enough", returncode=9)
        """)  # fmt: skip
    project.write("a.runbook.yaml", BOOK)

    result = project.run(".", "-v")

    assert result.ret == 9
    result.stdout.fnmatch_lines(["a.runbook.yaml::Sweep PASSED *"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("whole_group", [True, False])
def test_with_workers_everything_ends_and_clean_ups_run(
    project: Project, number: signal.Signals, whole_group: bool
) -> None:
    project.write("a.runbook.yaml", BOOK)
    project.write("b.runbook.yaml", BOOK.replace("> started", "> started-too").replace("> swept", "> swept-too"))

    process = project.start(".", "-n2")
    for name in ("started", "started-too"):
        project.wait_for(name)
    (os.killpg if whole_group else os.kill)(process.pid, number)
    result = project.finish(process)

    assert result.ret == (143 if number is signal.SIGTERM else pytest.ExitCode.INTERRUPTED)
    for name in ("swept", "swept-too"):
        assert project.wait_for(name) == "swept"
    assert "INTERNALERROR" not in result.stdout.str()


def test_ctrl_c_in_a_called_runbook_ends_the_session(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)
    project.write("test_it.py", "def test_it(runbook): runbook.run('a.runbook.yaml')\ndef test_then(): pass")

    process = project.start("test_it.py")
    project.wait_for("started")
    interrupt(process)
    result = project.finish(process)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert project.wait_for("swept") == "swept"
    assert "passed" not in result.stdout.str()
