"""What fuzzing found stays mended, and its seeds are what they say."""

from __future__ import annotations

import pytest

from .findings import folder_of
from .seeds import seeds
from .targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_once_is_fixed(target: str) -> None:
    for found in sorted(folder_of(target).glob("*")):
        TARGETS[target](found.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_targets_take_what_is_right(target: str) -> None:
    inputs = list(seeds(target))

    assert len(inputs) >= 5
    for data in inputs:
        TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_targets_take_any_bytes(target: str) -> None:
    for data in (b"", b"\0", bytes(range(256)), b"\xff" * 40):
        TARGETS[target](data)
