"""Small things about text."""

from __future__ import annotations

import pytest

from pytest_runbook.text import duration_seconds, escape_controls, nearest, shorten, show_limit, show_seconds

DURATIONS = [("500ms", 0.5), ("90s", 90), ("1.5s", 1.5), ("2m", 120), ("1h", 3600), ("1h30m", 5400), ("1d", 86400)]


@pytest.mark.parametrize(("text", "seconds"), DURATIONS)
def test_durations(text: str, seconds: float) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 fortnights", "s", "1m 30s x", "-5s", "0s", "1e3s", "٣s٣"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        duration_seconds(text)


@pytest.mark.parametrize("text", ["417d", "10001h", f"{'9' * 400}d", f"{'9' * 5000}ms"])
def test_what_is_longer_than_anybody_waits(text: str) -> None:
    with pytest.raises(ValueError, match="is longer than 10000 h"):
        duration_seconds(text)


SHOWN = [
    (0.0, "0 ms", "0 ms"),
    (0.084, "84 ms", "84 ms"),
    (5, "5.0 s", "5 s"),
    (5.25, "5.2 s", "5.2 s"),
    (90, "1 m 30 s", "1 m 30 s"),
    (125, "2 m 05 s", "2 m 05 s"),
    (600, "10 m", "10 m"),
    (3720, "1 h 02 m", "1 h 02 m"),
    (7200, "2 h", "2 h"),
]


@pytest.mark.parametrize(("seconds", "measured", "chosen"), SHOWN)
def test_seconds_for_people(seconds: float, measured: str, chosen: str) -> None:
    assert (show_seconds(seconds), show_limit(seconds)) == (measured, chosen)


def test_just_below_a_unit_is_shown_in_the_next() -> None:
    assert [show_seconds(seconds) for seconds in (0.9996, 59.97, 3599.6)] == ["1.0 s", "1 m", "1 h"]


NEAREST = [("sript", "script"), ("host_select", "host-select"), ("SCRIPT", "script"), ("zebra", None)]


@pytest.mark.parametrize(("value", "known"), NEAREST)
def test_the_nearest_known_name(value: str, known: str | None) -> None:
    assert nearest(value, ["script", "host-select", "env"]) == known


def test_what_turns_text_around_is_escaped() -> None:
    assert escape_controls("a\u202eb\u2066c\u2028d") == "a\\u202eb\\u2066c\\u2028d"


def test_controls_are_escaped_and_newlines_and_tabs_are_text() -> None:
    assert escape_controls("a\x1b[31m\tb\r\n\x00\x85\ud800\ufffe") == "a\\x1b[31m\tb\\x0d\n\\x00\\x85\\ud800\\ufffe"


@pytest.mark.parametrize(("text", "limit", "short"), [("a\n  b", 10, "a b"), ("x" * 20, 12, "xxxxxx...xxx")])
def test_shorten(text: str, limit: int, short: str) -> None:
    assert shorten(text, limit) == short
