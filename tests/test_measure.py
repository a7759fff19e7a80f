"""Tests of what all benchmarks measure with."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

import pytest

from benchmarks.measure import Sample, pytest_process, ratio, run_rounds


def test_contenders_alternate_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []

    def contender(name: str) -> Sample:
        calls.append(name)
        return Sample(seconds=len(calls))

    series_by_name = run_rounds(2, {name: partial(contender, name) for name in "ab"})

    assert "".join(calls) == "abbaab"
    assert [sample.seconds for sample in series_by_name["a"].samples] == [4, 5]


def test_session_that_fails_is_an_error_and_no_time(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): assert False")

    with pytest.raises(subprocess.CalledProcessError) as caught:
        pytest_process(tmp_path, plugins="")()

    assert b"1 failed" in caught.value.output


def test_session_has_its_time_and_memory(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass")

    sample = pytest_process(tmp_path, plugins="")()

    assert sample.seconds > 0
    assert sample.processor_seconds > 0
    assert sample.peak_bytes > 10_000_000


@pytest.mark.parametrize(("ours", "passed"), [(1.0, True), (1.25, True), (1.26, False)])
def test_target_is_met_up_to_its_limit(ours: float, passed: bool) -> None:
    assert ratio("claim", ours, 1.0, at_most=1.25).passed is passed
