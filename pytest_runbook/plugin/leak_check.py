"""Searches everything that a run wrote for known secrets: `--runbook-verify-secrets`."""

from __future__ import annotations

import html
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..secrets.masker import Masker

LEAKS_KEY = "runbook_leaks"
REPORT_OPTIONS = (
    "xmlpath",
    "htmlpath",
    "json_report_file",
    "allure_report_dir",
    "report_log",
    "log_file",
    "csv_path",
    "md_report_output",
    "ctrf",
)
"""Options of pytest and its plugins that name a report's file or folder."""
_MAX_SHOWN_LEAKS = 20
_MTIME_TOLERANCE = 2.0


class LeakCheck:
    """The plugin object that searches for secrets, and fails the run if it finds one."""

    def __init__(self, config: pytest.Config, masker: Masker) -> None:
        self._config = config
        self._masker = masker
        self._started_at = time.time()
        self._leaks: dict[str, None] = {}
        self._worker_secrets: set[str] = set()
        self._report_count = 0
        self._terminal_output: list[str] = []
        if not hasattr(config, "workerinput"):
            self._record_terminal(config.get_terminal_writer())

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._search_report(report, f"the report of {report.nodeid} ({report.when})")

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._search_report(report, f"the report of collecting {report.nodeid}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_to_serializable(self, report: Any) -> Generator[None, Any, Any]:
        data = yield
        self._search("what a worker sends of a report", "\n".join(_texts(data)), getattr(report, "nodeid", ""))
        return data

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        worker_leaks = getattr(node, "workeroutput", {}).get(LEAKS_KEY, {})
        self._leaks |= dict.fromkeys(worker_leaks.get("leaks", ()))
        self._worker_secrets.update(worker_leaks.get("secrets", ()))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        if not hasattr(self._config, "workerinput"):
            files = list(self._written_files())
            self._search("the terminal's output", "".join(self._terminal_output))
            for path in files:
                self._search(self._file_label(path), path.read_bytes().decode("utf-8", "replace"))
            self._report(session, files)
        return result

    def finish_worker(self, output: dict[str, Any]) -> None:
        """Add the leaks that a worker found to its output, after a search of that output, too."""
        self._search("what a worker sends at its end", "\n".join(_texts(output)))
        output[LEAKS_KEY] = {"leaks": list(self._leaks), "secrets": list(self._secret_names)}

    @property
    def _secret_names(self) -> set[str]:
        """The names of the secrets that were searched for, here and by workers."""
        return {*self._masker.names_of_secrets, *self._worker_secrets}

    def _record_terminal(self, writer: Any) -> None:
        write = writer.write

        def recording_write(text: str, **options: Any) -> None:
            self._terminal_output.append(text)
            write(text, **options)

        writer.write = recording_write

    def _search_report(self, report: Any, where: str) -> None:
        self._report_count += 1
        known = vars(report)
        sections = known.get("sections", ())
        rest = {
            name: value for name, value in known.items() if name not in ("sections", "longrepr", "keywords", "result")
        }
        for title, text in (*sections, ("text", report.longreprtext), ("properties", "\n".join(_texts(rest)))):
            self._search(where, text, title)

    def _search(self, where: str, text: str, part: str = "") -> None:
        for form in {text, html.unescape(text)}:
            for secret in self._masker.find(form):
                line = form.count("\n", 0, secret.start) + 1
                location = f"{where}, {part}" if part else f"{where}, line {line}"
                self._leaks[f"{secret.name} is in {location}"] = None

    def _written_files(self) -> Iterator[Path]:
        """Yield the files that the run wrote, as far as options and ini settings name them."""
        config = self._config
        named = [config.getoption(name, None) for name in REPORT_OPTIONS]
        named += [config.getini("log_file"), config.getini("cache_dir")]
        for report_path in filter(None, named):
            path = (
                config.rootpath / report_path
                if report_path == config.getini("cache_dir")
                else config.invocation_params.dir / report_path
            )
            for file in path.rglob("*") if path.is_dir() else (path,):
                if file.is_file() and file.stat().st_mtime >= self._started_at - _MTIME_TOLERANCE:
                    yield file

    def _file_label(self, path: Path) -> str:
        folder = self._config.invocation_params.dir
        return f"the file {path.relative_to(folder) if path.is_relative_to(folder) else path}"

    def _report(self, session: pytest.Session, files: list[Path]) -> None:
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        secrets = len(self._secret_names)
        where = f"the terminal's output, {self._report_count} reports and {len(files)} files"
        if not self._leaks:
            reporter.write_line(f"secrets: none of {secrets} is in {where}")
            return
        reporter.write_line(f"SECRETS GOT OUT: looked for {secrets} in {where}", red=True, bold=True)
        for leak in list(self._leaks)[:_MAX_SHOWN_LEAKS]:
            reporter.write_line(f"  {leak}", red=True)
        if len(self._leaks) > _MAX_SHOWN_LEAKS:
            reporter.write_line(f"  and {len(self._leaks) - _MAX_SHOWN_LEAKS} more places", red=True)
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _texts(data: object) -> Iterator[str]:
    """Yield every text in plain data."""
    match data:
        case str():
            yield data
        case Mapping():
            for key, value in data.items():
                yield from (*_texts(key), *_texts(value))
        case list() | tuple():
            for value in data:
                yield from _texts(value)
