"""What is to be seen of output, and that an emulator of another house sees the same."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runbook.resources.terminal.screen import screen_text

ESC = "\x1b["


def seen(output: str, rows: int = 5, cols: int = 20) -> str:
    return screen_text(output, rows=rows, cols=cols)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("", ""),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("trailing   \r\n\r\n\r\n", "trailing\n"),
        (f"{ESC}1;31mred{ESC}0m\r\n", "red\n"),
        ("\x1b]0;a title\x07text", "text\n"),
        ("\x1b]0;a title\x1b\\text", "text\n"),
        ("10%\r20%\r100%", "100%\n"),
        (f"ab\r{ESC}4hxyz", "xyzab\n"),
        (f"0\r{ESC}2@", "  0\n"),
        ("abc\b\bX", "aXc\n"),
        ("a\tb", "a       b\n"),
        ("ab\x1bEc\x1bDd", "ab\nc\n d\n"),
        (f"abcdef{ESC}3D{ESC}K", "abc\n"),
        (f"one\r\ntwo{ESC}2J{ESC}Hthree", "three\n"),
        (f"one\r\ntwo{ESC}1;1Hthr", "thr\ntwo\n"),
        (f"{ESC}?25l{ESC}?2004h$ {ESC}>4;2mx", "$ x\n"),
        ("\x1b(0lqk\x1b(B lqk", "┌─┐ lqk\n"),
        (f"abc\r{ESC}4hX{ESC}4lY", "XYbc\n"),
        (f"abcdef\r{ESC}2P{ESC}1X", " def\n"),
        (f"one\r\ntwo\r\nthree{ESC}A{ESC}Mx", "one\nxhree\n"),
        (f"one\r\ntwo{ESC}Lx", "one\nx\ntwo\n"),
        (f"one\r\ntwo{ESC}Sx", "one\ntwo\n   x\n"),
        (f"one{ESC}Tx", "   x\none\n"),
        ("ab\x1b7cd\x1b8X\x1b8Y", "abYd\n"),
        ("日本\b\bX", "日X\n"),
        ("e\u0301 ✔\ufe0f done", "e\u0301 ✔\ufe0f done\n"),
        (f"a{ESC}", "a\n"),
        ("\x1b]0;never ended", ""),
        (f"a{ESC}99999999999999999999999Cb", "a                  b\n"),
        ("a\x00\x07\x85b", "ab\n"),
    ],
)
def test_a_person_sees(output: str, text: str) -> None:
    assert seen(output) == text


def test_what_scrolled_away_is_still_there() -> None:
    output = "".join(f"line {number}\r\n" for number in range(1000))

    assert seen(output) == output.replace("\r", "")


def test_a_line_that_only_the_screen_broke_is_whole() -> None:
    line = "abcdefghij" * 20

    assert seen(f"$ {line}\r\nnext") == f"$ {line}\nnext\n"


def test_of_more_than_the_limit_the_oldest_lines_are_left_out() -> None:
    output = "".join(f"line {number:03}\r\n" for number in range(100))

    text = screen_text(output, rows=5, cols=20, limit=100)

    assert text.startswith("[")
    assert text.endswith("line 098\nline 099\n")
    assert len(text) < 200


def test_a_full_screen_program_returns_the_screen_back() -> None:
    assert seen(f"before\r\n{ESC}?1049h{ESC}H{ESC}Jfull{ESC}?1049lafter") == "before\nafter\n"


def test_a_full_screen_program_that_still_runs_is_seen_below_what_was_before() -> None:
    assert seen(f"before\r\n{ESC}?1049h{ESC}Hfull") == "before\nfull\n"


def test_a_region_scrolls_alone() -> None:
    output = f"head\r\n{ESC}2;4r{ESC}2;1H" + "".join(f"n{number}\r\n" for number in range(6)) + f"{ESC}5;1Hfoot"

    assert seen(output) == "head\nn4\nn5\n\nfoot\n"


_TEXTS = st.text(alphabet="abcxyz 01", min_size=1, max_size=6)
# Where the other one differs from ECMA-48: ESC E stays in its column, ESC 8 works once, M moves no blank line up.
_CONTROLS = st.sampled_from(["\r", "\n", "\r\n", "\b", "\t", "\x1bD", "\x1bM"])
_SEQUENCES = (
    st.builds(
        lambda numbers, final: f"{ESC}{';'.join(map(str, numbers))}{final}",
        st.lists(st.integers(0, 6), max_size=1),
        st.sampled_from("ABCDEFGdLPX@"),
    )
    | st.builds("\x1b[{}{}".format, st.integers(0, 2), st.sampled_from("JK"))
    | st.builds(lambda y, x: f"{ESC}{y};{x}H", st.integers(0, 9), st.integers(0, 60))
)


@given(st.lists(_TEXTS | _CONTROLS | _SEQUENCES, max_size=15))
def test_another_emulator_sees_the_same(pieces: list[str]) -> None:
    output = "".join(pieces)
    screen = pyte.HistoryScreen(200, 5, history=1000)
    pyte.Stream(screen).feed(output)
    above = ["".join(line[x].data for x in range(200)) for line in screen.history.top]

    text = "\n".join(line.rstrip() for line in (*above, *screen.display)).rstrip()

    assert screen_text(output, rows=5, cols=200).rstrip() == text
