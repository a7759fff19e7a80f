"""The map that keeps every version."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runbook.context.persistent_map import PersistentMap


class Colliding(str):
    """A name that has its hash in common with many others."""

    __slots__ = ()

    def __hash__(self) -> int:
        return len(self) % 3

    __eq__ = str.__eq__


NAMES = st.text("abc", max_size=4)


@given(steps=st.lists(st.tuples(NAMES, st.integers())) | st.lists(st.tuples(NAMES.map(Colliding), st.integers())))
def test_every_version_is_as_a_dict_was_at_its_time(steps: list[tuple[str, int]]) -> None:
    versions: list[tuple[PersistentMap[int], dict[str, int]]] = [(PersistentMap(), {})]
    for name, value in steps:
        current, expected = versions[-1]
        versions.append((current.set(name, value), {**expected, name: value}))

    for version, expected in versions:
        assert list(version.items()) == list(expected.items())
        assert len(version) == len(expected)
        assert all(version[name] == value for name, value in expected.items())


def test_what_is_not_there_is_a_key_error() -> None:
    values = PersistentMap({"a": 1})

    assert "b" not in values
    with pytest.raises(KeyError, match="b"):
        values["b"]


def test_it_begins_with_what_it_is_given() -> None:
    assert dict(PersistentMap({"a": 1, "b": 2})) == {"a": 1, "b": 2}


def branches(values: PersistentMap[int]) -> set[int]:
    found: set[int] = set()
    waiting: list[Any] = [values._root]
    while waiting:
        branch = waiting.pop()
        found.add(id(branch))
        waiting += [below for below in branch if isinstance(below, tuple)]
    return found


def test_a_version_shares_all_but_a_few_branches_with_the_one_before() -> None:
    before = PersistentMap({f"v{number}": number for number in range(10_000)})
    after = before.set("v5000", 0)

    assert len(branches(before)) > 1_000
    assert len(branches(after) - branches(before)) < 8
