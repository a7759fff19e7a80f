"""The clock jumps in the middle of a run: deadlines and durations are those of the time that has really passed."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

from tests.plugin.project import Project

BOOK = """
    on_failure: continue
    blocks:
      - {name: Forward, script: 'echo +10d > clock; date +%s > ahead; sleep 0.3', timeout: 20s}
      - {name: Back, script: 'echo -10d > clock; date +%s > behind; sleep 1000', timeout: 500ms}
      - name: Waits
        script: 'echo +$RANDOM"d" > clock; exit 1'
        retry: {every: 50ms, within: 500ms}
      - {name: After, script: 'echo +0 > clock', timeout: 20s}
    """
DAYS = 86_400


@pytest.fixture
def clock(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that says how far the clock of all programs is off."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("no libfaketime on this machine: sudo apt-get install faketime")
    clock = project.write("clock", "+0\n")
    monkeypatch.setenv("LD_PRELOAD", str(found[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    return clock


@pytest.mark.usefixtures("clock", "nothing_left")
def test_deadlines_and_durations_follow_no_clock_that_jumps(project: Project) -> None:
    project.write("a.runbook.yaml", BOOK)
    started = monotonic()

    result = project.finish(project.start(".", "-v", "--junit-xml=report.xml"))

    assert monotonic() - started < 20
    result.stdout.fnmatch_lines(
        ["*::Forward PASSED*", "*::Back FAILED*", "*::Waits FAILED*", "*::After PASSED*", "*timed out after 5??*"]
    )
    ahead, behind = (int((project.path / name).read_text()) for name in ("ahead", "behind"))
    assert ahead - behind > 19 * DAYS
    assert [case for case in project.junit().values() if not 0 <= float(case.attrib["time"]) < 20] == []
