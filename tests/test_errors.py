"""Errors: what, where, how to fix, one line each."""

from __future__ import annotations

import pytest

from pytest_runbook.errors import BlockFailed, Location, RunbookError, TimedOut, unknown_name_message

PLACE = Location("a.yaml", 42)
SHOWN = [
    (RunbookError("it broke"), "it broke"),
    (RunbookError("it broke", location=PLACE), "a.yaml:42: it broke"),
    (RunbookError("it broke", location=Location("a.yaml"), block="block 1"), "a.yaml: block 1: it broke"),
    (RunbookError("it broke", location=PLACE, hint="mend it"), "a.yaml:42: it broke\n  hint: mend it"),
]


@pytest.mark.parametrize(("error", "text"), SHOWN)
def test_what_where_and_how_to_fix(error: RunbookError, text: str) -> None:
    assert str(error) == text


def test_who_knows_the_place_adds_it_and_what_was_known_stays() -> None:
    cause = OSError("gone")
    error = BlockFailed("it broke", block="mine", hint="mend it", detail="no")
    error.__cause__ = cause

    located = error.with_location(PLACE, "other")

    assert (located.location, located.block, located.hint, located.detail) == (PLACE, "mine", "mend it", "no")
    assert located.__cause__ is cause
    assert error.location is None
    assert isinstance(located, BlockFailed)


def test_places_move_with_their_lines() -> None:
    assert [str(place) for place in (PLACE.shifted(3), PLACE.at(1), PLACE.at(None), Location("a").shifted(3))] == [
        "a.yaml:45",
        "a.yaml:1",
        "a.yaml",
        "a",
    ]


def test_every_error_has_its_kind() -> None:
    assert [TimedOut("x").kind, BlockFailed("x").kind] == ["timeout", "block"]


UNKNOWN = [("sript", ("script", "env"), "did you mean script?"), ("zebra", ("script", "env"), "known: script, env")]


@pytest.mark.parametrize(("value", "known", "hint"), UNKNOWN)
def test_an_unknown_name_hints_at_what_there_is(value: str, known: tuple[str, ...], hint: str) -> None:
    assert unknown_name_message("block type", value, known) == (f'unknown block type "{value}"', hint)


def test_a_text_of_json_stands_on_one_line() -> None:
    assert Location("a.json", 3).shifted(5) == Location("a.json", 3)
