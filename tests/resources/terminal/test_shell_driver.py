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


def typist(*lines: str) -> ShellDriver:
    return ShellDriver(lines, MARK)


def test_nothing_is_typed_before_the_first_prompt() -> None:
    assert typist("a").next_input(LATER) is None


def test_a_line_is_typed_at_each_prompt_and_then_the_end() -> None:
    someone = typist("a", "b")
    typed = []

    for number in (1, 2, 3):
        someone.feed_data(prompt(number, status=number))
        typed.append(someone.next_input(LOOK))
        assert someone.next_input(LOOK) is None

    assert typed == [b"a" + ENTER, b"b" + ENTER, END]
    assert someone.status == 3


def test_a_prompt_that_is_painted_again_is_none() -> None:
    someone = typist("a", "b")
    someone.feed_data(prompt(1))
    someone.next_input(LOOK)

    someone.feed_data(prompt(1))

    assert someone.next_input(LOOK) is None


def test_a_program_that_asks_gets_the_next_line_soon() -> None:
    someone = typist("repl", "1 + 1")
    someone.feed_data(prompt(1))
    someone.next_input(LOOK)
    someone.feed_data(mark("C") + b">>> ")

    assert someone.next_input(TerminalSnapshot(silence=0.2)) is None
    assert someone.next_input(TerminalSnapshot(silence=0.2, awaits_input=True)) == b"1 + 1" + ENTER


def test_nothing_is_typed_on_top_of_what_nobody_has_read() -> None:
    someone = typist("sleep 9", "b", "c")
    someone.feed_data(prompt(1))
    someone.next_input(LOOK)
    someone.feed_data(mark("C"))
    someone.next_input(LATER)

    assert someone.next_input(TerminalSnapshot(silence=5.0, has_unread_input=True)) is None


def test_a_shell_that_takes_what_was_typed_ahead_is_not_told_the_end() -> None:
    someone = typist("sleep 2", "read x")
    someone.feed_data(prompt(1))
    someone.next_input(LOOK)
    someone.feed_data(mark("C"))
    someone.next_input(LATER)

    someone.feed_data(prompt(2) + mark("C"))

    assert someone.next_input(LATER) is None


def test_a_shell_without_marks_before_commands_counts_by_who_has_the_terminal() -> None:
    someone = typist("sleep 2", "sudo -s")
    someone.feed_data(prompt(1))
    someone.next_input(LOOK)
    someone.next_input(LATER)
    someone.feed_data(prompt(2))

    assert someone.next_input(TerminalSnapshot(silence=5.0, is_shell_in_foreground=False)) is None
    assert someone.next_input(LATER) == END


def test_a_program_that_took_a_line_leaves_the_shell_ready() -> None:
    someone = typist("cat", "text")
    someone.feed_data(prompt(1))
    someone.next_input(LOOK)
    someone.feed_data(mark("C"))
    someone.next_input(LATER)

    someone.feed_data(b"text\r\n" + prompt(2))

    assert someone.next_input(LATER) == END


def test_a_shell_that_stays_is_told_again_and_then_in_words() -> None:
    someone = typist()
    typed = []

    for number in (1, 2, 3):
        someone.feed_data(prompt(number))
        typed.append(someone.next_input(LOOK))

    assert typed == [END, END, b"exit" + ENTER]


def test_the_status_is_that_of_the_first_prompt_after_the_code() -> None:
    someone = typist()
    someone.feed_data(prompt(1, status=4))
    someone.next_input(LOOK)

    someone.feed_data(b"there are stopped jobs\r\n" + prompt(2, status=1))

    assert someone.status == 4


def test_a_shell_that_wants_more_at_the_end_is_a_problem() -> None:
    someone = typist("echo '")
    someone.feed_data(prompt(1))
    someone.next_input(LOOK)

    someone.feed_data(mark("2") + b"> ")

    assert someone.problem is not None


def test_a_program_without_marks_gets_its_lines_when_it_is_silent_and_no_end() -> None:
    someone = ShellDriver(["1 + 1"], None)

    assert someone.next_input(LOOK) is None
    assert someone.next_input(LATER) == b"1 + 1" + ENTER
    assert someone.next_input(LATER) is None


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_marks_are_found_and_hidden_however_they_arrive(size: int) -> None:
    said = prompt(1) + b"echo \x1b[1mx\r\n" + mark("C") + b"x\x1b]0;title\x07\r\n" + prompt(2)
    someone = typist("echo", "more")

    shown = b"".join(someone.feed_data(said[at : at + size]) for at in range(0, len(said), size))

    assert shown == b"$ echo \x1b[1mx\r\nx\x1b]0;title\x07\r\n$ "


@pytest.mark.parametrize(
    ("said", "shown"),
    [(b"exit\r\n", b""), (b"\r\n", b""), (b"", b""), (b"bye\r\n", b"bye\r\n"), (b"exit\r\nbye\r\n", b"bye\r\n")],
)
def test_the_last_prompt_is_not_shown_and_what_the_shell_says_on_leaving_is(said: bytes, shown: bytes) -> None:
    someone = typist()
    before = someone.feed_data(prompt(1))
    before += someone.feed_data(said)

    assert before + someone.feed_eof() == shown


def test_another_terminals_marks_are_just_output() -> None:
    someone = typist("a")

    assert someone.feed_data(b"\x1b]7770;other;P;1;0\x07") == b"\x1b]7770;other;P;1;0\x07"
    assert someone.next_input(LATER) is None
