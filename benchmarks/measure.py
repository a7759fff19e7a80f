"""Runs contenders in turns on one machine and compares their medians, so that changes of its load cancel out."""

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
    """One run of a contender.

    processor_seconds: of its process and the children that this waited for; 0 if it ran in the benchmark's process.
    peak_bytes: the largest resident set among these processes; 0 likewise.
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
        """In seconds. Steadier than wall clock time for work that does not wait."""
        return statistics.median(sample.processor_seconds for sample in self.samples)

    @property
    def peak_megabytes(self) -> float:
        return max(sample.peak_bytes for sample in self.samples) / 1e6

    def __str__(self) -> str:
        seconds = [sample.seconds for sample in self.samples]
        return f"min {min(seconds):8.3f}  median {self.median:8.3f}  max {max(seconds):8.3f} s"


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured value beside its target.

    claim: what was measured, with the target. passed: None if there is no target.
    """

    claim: str
    found: str
    passed: bool | None = None

    def __str__(self) -> str:
        word = {True: "ok", False: "MISSED", None: "info"}[self.passed]
        return f"{word:<8}{self.found:<14}{self.claim}"


def run_rounds(rounds: int, contenders: dict[str, Callable[[], Sample]]) -> dict[str, Series]:
    """Run each contender once in every round, after a warm-up round, and print their times."""
    # Every other round runs in reverse, so that no contender always follows the same one.
    orders = [list(contenders), list(reversed(contenders))]
    samples = [{name: contenders[name]() for name in orders[number % 2]} for number in range(rounds + 1)]
    series = {name: Series(tuple(sample[name] for sample in samples[1:])) for name in contenders}
    for name, times in series.items():
        print(f"  {name:<44}{times}", flush=True)
    return series


def ratio(claim: str, ours: float, theirs: float, at_most: float | None = None) -> Finding:
    found = ours / theirs
    return Finding(claim, f"{found:.2f}", None if at_most is None else found <= at_most)


def pytest_process(folder: Path, *arguments: str, plugins: str = "pytest_runbook.plugin") -> Callable[[], Sample]:
    """Return a contender that runs pytest in a process of its own in that folder.

    plugins: modules, separated by commas; no other plugins are loaded.

    The contender raises `subprocess.CalledProcessError`, with the output, if pytest does not pass.
    """
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": plugins}
    return lambda: _process(argv, folder, env)


def python_process(code: str) -> Callable[[], Sample]:
    """Return a contender that runs the code in a new Python process, in the current directory."""
    return lambda: _process((sys.executable, "-c", code), Path.cwd(), dict(os.environ))


def program(folder: Path, *argv: str) -> Callable[[], Sample]:
    """Return a contender that runs a program in that folder.

    The contender raises `subprocess.CalledProcessError`, with the output, if the program fails.
    """
    return lambda: _process(argv, folder, dict(os.environ))


def in_process(work: Callable[[], object]) -> Callable[[], Sample]:
    """Return a contender that does the work in the benchmark's own process."""

    def run() -> Sample:
        # Objects that are already there are frozen, so that the collector does not traverse them in the timed part.
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
