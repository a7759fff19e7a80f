"""A project of its own, run by pytest inside a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from time import monotonic

import psutil
import pytest

REPORTERS = ("html", "metadata", "pytest_jsonreport", "allure_pytest", "pytest_github_actions_annotate_failures")
"""Plugins that write reports, by the names that pytest knows them by; only those who look at them load them."""
WITHOUT_REPORTERS = tuple(word for name in REPORTERS for word in ("-p", f"no:{name}"))
QUIET = ("-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:random_order", *WITHOUT_REPORTERS)
WAIT = 60.0
"""Seconds for what takes a tenth of one."""

# Runs in this process find these imported: nothing is torn out between two of them, and all is imported once. Some is
# written in C that crashes the process when it is imported a second time.
for module in ("plugin.session", "plugin.python_tests", "plugin.xdist", "blocks.script", "blocks.sql.postgres"):
    import_module(f"pytest_runbook.{module}")


class Project:
    """A folder with runbooks and tests, and pytest on it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self._started: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def run(self, *arguments: object) -> pytest.RunResult:
        """Run pytest in this process: nothing is quicker."""
        return self.pytester.runpytest_inprocess(*QUIET, *map(str, arguments))

    def collected(self, *arguments: object) -> list[str]:
        """The node ids that pytest would run."""
        return [line for line in self.run("--collect-only", "-q", *arguments).outlines if "::" in line]

    def start(self, *arguments: object, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Start pytest as a terminal does: leading a process group of its own. prefix: what runs it."""
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "pytest", *QUIET, *map(str, arguments)],
            cwd=self.path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self._started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> pytest.RunResult:
        """Wait for its end."""
        started = monotonic()
        output, _ = process.communicate(timeout=WAIT)
        assert isinstance(process.returncode, int)
        return pytest.RunResult(process.returncode, output.splitlines(), [], monotonic() - started)

    def wait_for(self, name: str) -> str:
        """Wait until a program has written a file of that name; gives its text."""
        path, deadline = self.path / name, monotonic() + WAIT
        while not (path.exists() and path.read_text().endswith("\n")):
            assert monotonic() < deadline, f"no {name}"
            os.sched_yield()
        return path.read_text().strip()

    def junit(self) -> dict[str, ElementTree.Element]:
        """The test cases of ``report.xml`` by their names."""
        root = ElementTree.parse(self.path / "report.xml").getroot()
        return {case.attrib["name"]: case for case in root.iter("testcase")}

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()


def processes_at(folder: Path) -> list[psutil.Process]:
    """The processes that run in a folder, this one apart."""
    return [process for process in psutil.process_iter() if _is_at(process, folder)]


def _is_at(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.cwd() == str(folder)
    except psutil.Error:
        return False
