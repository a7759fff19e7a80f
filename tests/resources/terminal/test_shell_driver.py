"""When the next line is typed, and what of the marks is shown."""

from __future__ import annotations

import pytest

from pytest_runbook.resources.terminal.shell_driver import ShellDriver, TerminalSnapshot

MARK = "7770;x"
LOOK = TerminalSnapshot(silence=0.0)
LATER = TerminalSnapshot(silence=5.0)
ENTER = b"\r"
END = b"\x04"


def mark(kind: str, *rest: object) -> bytes:
    return f"\x1b]{MARK};{';'.join(map(str, (kind, *rest)))}\x07".encode()


def prompt(number: int, status: int = 0) -> bytes:
    return mark("P", number, status) + b"$ "


def driver_for(*lines: str) -> ShellDriver:
    return ShellDriver(lines, MARK)


def test_nothing_is_typed_before_the_first_prompt() -> None:
    assert driver_for("a").next_input(LATER) is None


def test_a_line_is_typed_at_each_prompt_and_then_the_end() -> None:
    driver = driver_for("a", "b")
    typed = []

    for number in (1, 2, 3):
        driver.feed_data(prompt(number, status=number))
        typed.append(driver.next_input(LOOK))
        assert driver.next_input(LOOK) is None

    assert typed == [b"a" + ENTER, b"b" + ENTER, END]
    assert driver.status == 3


def test_a_prompt_that_is_painted_again_is_none() -> None:
    driver = driver_for("a", "b")
    driver.feed_data(prompt(1))
    driver.next_input(LOOK)

    driver.feed_data(prompt(1))

    assert driver.next_input(LOOK) is None


def test_a_program_that_asks_gets_the_next_line_soon() -> None:
    driver = driver_for("repl", "1 + 1")
    driver.feed_data(prompt(1))
    driver.next_input(LOOK)
    driver.feed_data(mark("C") + b">>> ")

    assert driver.next_input(TerminalSnapshot(silence=0.2)) is None
    assert driver.next_input(TerminalSnapshot(silence=0.2, awaits_input=True)) == b"1 + 1" + ENTER


def test_nothing_is_typed_on_top_of_what_nobody_has_read() -> None:
    driver = driver_for("sleep 9", "b", "c")
    driver.feed_data(prompt(1))
    driver.next_input(LOOK)
    driver.feed_data(mark("C"))
    driver.next_input(LATER)

    assert driver.next_input(TerminalSnapshot(silence=5.0, has_unread_input=True)) is None


def test_a_shell_that_takes_what_was_typed_ahead_is_not_reported_the_end() -> None:
    driver = driver_for("sleep 2", "read x")
    driver.feed_data(prompt(1))
    driver.next_input(LOOK)
    driver.feed_data(mark("C"))
    driver.next_input(LATER)

    driver.feed_data(prompt(2) + mark("C"))

    assert driver.next_input(LATER) is None


def test_a_shell_without_marks_before_commands_counts_by_who_has_the_terminal() -> None:
    driver = driver_for("sleep 2", "sudo -s")
    driver.feed_data(prompt(1))
    driver.next_input(LOOK)
    driver.next_input(LATER)
    driver.feed_data(prompt(2))

    assert driver.next_input(TerminalSnapshot(silence=5.0, is_shell_in_foreground=False)) is None
    assert driver.next_input(LATER) == END


def test_a_program_that_took_a_line_leaves_the_shell_ready() -> None:
    driver = driver_for("cat", "text")
    driver.feed_data(prompt(1))
    driver.next_input(LOOK)
    driver.feed_data(mark("C"))
    driver.next_input(LATER)

    driver.feed_data(b"text\r\n" + prompt(2))

    assert driver.next_input(LATER) == END


def test_a_shell_that_stays_is_reported_again_and_then_in_words() -> None:
    driver = driver_for()
    typed = []

    for number in (1, 2, 3):
        driver.feed_data(prompt(number))
        typed.append(driver.next_input(LOOK))

    assert typed == [END, END, b"exit" + ENTER]


def test_the_status_is_that_of_the_first_prompt_after_the_code() -> None:
    driver = driver_for()
    driver.feed_data(prompt(1, status=4))
    driver.next_input(LOOK)

    driver.feed_data(b"there are stopped jobs\r\n" + prompt(2, status=1))

    assert driver.status == 4


def test_a_shell_that_wants_more_at_the_end_is_a_problem() -> None:
    driver = driver_for("echo '")
    driver.feed_data(prompt(1))
    driver.next_input(LOOK)

    driver.feed_data(mark("2") + b"> ")

    assert driver.problem is not None


def test_a_program_without_marks_gets_its_lines_when_it_is_silent_and_no_end() -> None:
    driver = ShellDriver(["1 + 1"], None)

    assert driver.next_input(LOOK) is None
    assert driver.next_input(LATER) == b"1 + 1" + ENTER
    assert driver.next_input(LATER) is None


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_marks_are_found_and_hidden_however_they_arrive(size: int) -> None:
    output = prompt(1) + b"echo \x1b[1mx\r\n" + mark("C") + b"x\x1b]0;title\x07\r\n" + prompt(2)
    driver = driver_for("echo", "more")

    shown = b"".join(driver.feed_data(output[at : at + size]) for at in range(0, len(output), size))

    assert shown == b"$ echo \x1b[1mx\r\nx\x1b]0;title\x07\r\n$ "


@pytest.mark.parametrize(
    ("output", "shown"),
    [(b"exit\r\n", b""), (b"\r\n", b""), (b"", b""), (b"bye\r\n", b"bye\r\n"), (b"exit\r\nbye\r\n", b"bye\r\n")],
)
def test_the_last_prompt_is_not_shown_and_what_the_shell_shows_on_leaving_is(output: bytes, shown: bytes) -> None:
    driver = driver_for()
    before = driver.feed_data(prompt(1))
    before += driver.feed_data(output)

    assert before + driver.feed_eof() == shown


def test_another_terminals_marks_are_just_output() -> None:
    driver = driver_for("a")

    assert driver.feed_data(b"\x1b]7770;other;P;1;0\x07") == b"\x1b]7770;other;P;1;0\x07"
    assert driver.next_input(LATER) is None
