"""Contenders take turns on one machine in the same minutes; medians are compared, so that its mood cancels out."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a contender; the last two are those of the process and all that it waited for, 0 where it was none.

    peak_bytes: the largest resident set among them.
    """

    seconds: float
    processor_seconds: float = 0.0
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """All runs of one contender."""

    samples: tuple[Sample, ...]

    @property
    def median(self) -> float:
        """In seconds."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def processor_median(self) -> float:
        """In seconds: steadier than the time on the wall, where nothing is waited for."""
        return statistics.median(sample.processor_seconds for sample in self.samples)

    @property
    def peak_megabytes(self) -> float:
        return max(sample.peak_bytes for sample in self.samples) / 1e6

    def __str__(self) -> str:
        seconds = [sample.seconds for sample in self.samples]
        return f"min {min(seconds):8.3f}  median {self.median:8.3f}  max {max(seconds):8.3f} s"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a benchmark found, beside what it should be.

    is_met: None where there is no target.
    """

    claim: str
    found: str
    is_met: bool | None = None

    def __str__(self) -> str:
        word = {True: "met", False: "MISSED", None: "told"}[self.is_met]
        return f"{word:<8}{self.found:<14}{self.claim}"


def take_turns(rounds: int, contenders: dict[str, Callable[[], Sample]]) -> dict[str, Series]:
    """Run each contender once in every round, after a round that warms up, and print what they took.

    Every other round goes backwards: nobody always runs in the wake of the same neighbour.
    """
    orders = [list(contenders), list(reversed(contenders))]
    turns = [{name: contenders[name]() for name in orders[number % 2]} for number in range(rounds + 1)]
    series = {name: Series(tuple(turn[name] for turn in turns[1:])) for name in contenders}
    for name, times in series.items():
        print(f"  {name:<44}{times}", flush=True)
    return series


def ratio(claim: str, ours: float, theirs: float, at_most: float | None = None) -> Verdict:
    found = ours / theirs
    return Verdict(claim, f"{found:.2f}", None if at_most is None else found <= at_most)


def pytest_process(folder: Path, *arguments: str, plugins: str = "pytest_runbook.plugin") -> Callable[[], Sample]:
    """A pytest of its own in that folder.

    plugins: modules with a comma between them; no other plugins are loaded.

    :raises subprocess.CalledProcessError: when it is run and does not pass; its output is in the error.
    """
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": plugins}
    return lambda: _process(argv, folder, env)


def python_process(code: str) -> Callable[[], Sample]:
    """A Python of its own that runs this code, from where the benchmarks were started."""
    return lambda: _process((sys.executable, "-c", code), Path.cwd(), dict(os.environ))


def program(folder: Path, *argv: str) -> Callable[[], Sample]:
    """A program of its own, run in that folder.

    :raises subprocess.CalledProcessError: when it is run and fails; its output is in the error.
    """
    return lambda: _process(argv, folder, dict(os.environ))


def in_process(work: Callable[[], object]) -> Callable[[], Sample]:
    """Work that is timed within the benchmark's own process; what that holds already is nothing to collect."""

    def run() -> Sample:
        gc.collect()
        gc.freeze()
        started = time.perf_counter()
        work()
        seconds = time.perf_counter() - started
        gc.unfreeze()
        return Sample(seconds)

    return run


def _process(argv: Sequence[str], folder: Path, env: dict[str, str]) -> Sample:
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(argv, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            raise subprocess.CalledProcessError(process.returncode, argv, output.read())
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT)
