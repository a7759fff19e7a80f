"""What blocks ask the person at the terminal, and that nobody is asked where nobody is."""

from __future__ import annotations

import ctypes
import platform
import signal

import psutil
import pytest

from tests.plugin.project import Project
from tests.plugin.terminal import at_terminal

BOOK = """
    blocks:
      - local-var: token
      - dropdown: {name: region, fixedOptions: "EU:eu-west-1, US:us-east-1"}
      - name: Show
        script: echo "{{ var.region }} {{ var.token | length }}" > shown
      - pause: {}
      - {name: Last, script: touch last}
    """
TGKILL = {"x86_64": 234, "aarch64": 131}
"""Linux's number, by machine, of the call that sends a signal to one thread."""
ONLY_PAUSE = "blocks: [{name: Wait, pause: {}}, {name: Last, script: touch last}]\n"


def test_a_person_chooses_types_in_secret_and_decides(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)
    with at_terminal(project.path, "-s", "a.runbook.yaml") as terminal:
        terminal.shows("token: Value of token\n(not shown) ")
        terminal.types("geheim")
        shown = terminal.shows("number or text, nothing to cancel: ")
        terminal.types("2")
        terminal.shows("continue or stop (y/n): ")
        terminal.types("y")
        status, _ = terminal.end()

    assert status == 0
    assert "region: Choose a value for region\n  1  EU (eu-west-1)\n  2  US (us-east-1)\n" in shown
    assert "geheim" not in shown
    assert (project.path / "shown").read_text() == "us-east-1 6\n"
    assert (project.path / "last").exists()


@pytest.mark.parametrize(("typed", "region"), [("EU", "eu-west-1"), ("us-east-1", "us-east-1"), ("1", "eu-west-1")])
def test_a_choice_is_a_label_a_value_or_a_number(project: Project, typed: str, region: str) -> None:
    project.write("a.runbook.yaml", BOOK)
    arguments = ("-s", "a.runbook.yaml", "--runbook-answer", "token=x", "--runbook-answer", "pause#1=stop")
    with at_terminal(project.path, *arguments) as terminal:
        terminal.shows("nothing to cancel: ")
        terminal.types("3")
        terminal.shows("that is none of them\nnumber or text, nothing to cancel: ")
        terminal.types(typed)
        terminal.end()

    assert (project.path / "shown").read_text() == f"{region} 1\n"


def test_a_choice_that_is_cancelled_fails_the_block(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)
    with at_terminal(project.path, "-s", "a.runbook.yaml", "--runbook-answer", "token=x") as terminal:
        terminal.shows("nothing to cancel: ")
        terminal.types("")
        status, shown = terminal.end()

    assert status == 1
    assert "no answer; options: eu-west-1 (EU), us-east-1 (US)" in shown


def test_no_stops_the_run(project: Project) -> None:
    project.write("a.runbook.yaml", ONLY_PAUSE)
    with at_terminal(project.path, "-s", "a.runbook.yaml") as terminal:
        terminal.shows("(y/n): ")
        terminal.types("what?")
        terminal.shows("(y/n): ")
        terminal.types("n")
        status, shown = terminal.end()

    assert status == 0
    assert "1 passed, 1 skipped" in shown
    assert not (project.path / "last").exists()


def test_ctrl_c_ends_a_question(project: Project) -> None:
    project.write("a.runbook.yaml", ONLY_PAUSE)
    with at_terminal(project.path, "-s", "a.runbook.yaml") as terminal:
        terminal.shows("(y/n): ")
        terminal.press(b"\x03")
        status, shown = terminal.end()

    assert status == 2
    assert "cancelled by Ctrl-C" in shown


def test_ctrl_c_ends_a_question_whichever_thread_gets_it(project: Project) -> None:
    project.write("a.runbook.yaml", ONLY_PAUSE)
    with at_terminal(project.path, "-s", "a.runbook.yaml") as terminal:
        terminal.shows("(y/n): ")
        pid = terminal.process.pid
        other = next(thread.id for thread in psutil.Process(pid).threads() if thread.id != pid)
        ctypes.CDLL(None).syscall(TGKILL[platform.machine()], pid, other, signal.SIGINT)
        status, shown = terminal.end()

    assert status == 2
    assert "cancelled by Ctrl-C" in shown


def test_a_deadline_ends_a_question(project: Project) -> None:
    project.write("a.runbook.yaml", "blocks: [{name: Wait, pause: {}, timeout: 300ms}]\n")
    with at_terminal(project.path, "-s", "a.runbook.yaml") as terminal:
        status, shown = terminal.end()

    assert status == 1
    assert "timed out after 300 ms" in shown


def test_the_terminal_shows_what_is_typed_again_after_a_secret(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)
    with at_terminal(project.path, "-s", "a.runbook.yaml") as terminal:
        terminal.shows("(not shown) ")
        terminal.press(b"\x03")
        terminal.end()

        assert terminal.echoes


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(("a.runbook.yaml",), {}), (("-s", "a.runbook.yaml"), {"CI": "true"}), (("-s", "-n1", "a.runbook.yaml"), {})],
    ids=["captured", "CI", "worker"],
)
def test_nobody_is_asked_where_nobody_is(project: Project, arguments: tuple[str, ...], env: dict[str, str]) -> None:
    project.write("a.runbook.yaml", ONLY_PAUSE)
    with at_terminal(project.path, *arguments, env=env) as terminal:
        status, shown = terminal.end()

    assert status == 1
    assert "paused, and there is no answer" in shown


def test_nobody_is_asked_without_a_terminal(project: Project) -> None:
    project.write("a.runbook.yaml", ONLY_PAUSE)

    result = project.finish(project.start("-s", "a.runbook.yaml"))

    result.stdout.fnmatch_lines(["*paused, and there is no answer*"])


SAVED = """
    id: x
    name: x
    version: 1
    content:
    - id: d
      type: dropdown
      props: {name: region, value: b, optionsType: fixed, fixedOptions: "a, b", variableOptions: "",
              commandOptions: "", interpreter: bash}
    - {id: s, type: script, props: {name: Show, code: "test {{ var.region }} = b"}}
    """


@pytest.mark.parametrize("arguments", [("--runbook-saved-answers",), ("-o", "runbook_saved_answers=true")])
def test_saved_answers_count_where_that_is_wanted(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("a.atrb", SAVED)

    project.run("a.atrb", *arguments).assert_outcomes(passed=2)
    project.run("a.atrb").assert_outcomes(failed=1, skipped=1)


def test_who_has_nothing_to_show_is_not_waited_for(project: Project) -> None:
    """Ctrl-D: a value that is needed is missing, a choice is cancelled, a pause ends the run."""
    text = (
        "blocks: [{local-var: token}, {name: Use, script: 'echo {{ var.token }}', on_failure: continue}, {pause: {}}]\n"
    )
    project.write("a.runbook.yaml", text)
    with at_terminal(project.path, "-s", "a.runbook.yaml") as terminal:
        terminal.shows("(not shown) ")
        terminal.press(b"\x04")
        terminal.shows("continue or stop (y/n): ")
        terminal.press(b"\x04")
        status, shown = terminal.end()

    assert status == 1
    assert "var.token is undefined" in shown or "has no answer" in shown
    assert "1 failed, 1 passed" in shown
