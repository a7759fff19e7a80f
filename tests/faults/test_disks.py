"""A disk that is full, or that nobody may write to: said, with nothing half written, and never an error of ours."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.plugin.project import Project

GREEN = """
    blocks:
      - {name: One, script: 'echo one', capture: x}
      - {name: Two, script: 'test {{ var.x }} = one'}
    """


@pytest.fixture
def disk(project: Project) -> Iterator[Path]:
    """A disk of its own, of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk: run the tests as root, in a container")
    path = project.path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture
def temporary_files_there(project: Project, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files go to that disk, those of pytest itself left aside: it does not start without."""
    monkeypatch.setattr("tempfile.tempdir", tempfile.gettempdir())
    project.write("conftest.py", f"import tempfile\ntempfile.tempdir = {str(disk)!r}")


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


@pytest.mark.parametrize(("spoil", "is_first"), [(fill, True), (make_read_only, True), (make_read_only, False)])
@pytest.mark.filterwarnings("ignore:could not create cache path", "ignore:cache could not write")
def test_a_cache_that_can_not_be_written_costs_a_note(
    project: Project, disk: Path, spoil: Callable[[Path], None], is_first: bool
) -> None:
    project.write("a.runbook.yaml", GREEN)
    cache = disk / "cache"
    options = ("a.runbook.yaml", "--runbook-store=yes", "-o", f"cache_dir={cache}")
    if not is_first:
        project.run(*options).assert_outcomes(passed=2)
    spoil(disk)

    result = project.run(*options)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["what blocks left could not be kept: *"])
    assert "INTERNALERROR" not in result.stdout.str()
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix[1:].isdigit()]


@pytest.mark.usefixtures("temporary_files_there")
def test_output_that_finds_no_room_fails_its_block_alone(project: Project, disk: Path) -> None:
    project.write("a.runbook.yaml", """
        on_failure: continue
        blocks:
          - {name: Flood, script: 'head -c 200M /dev/zero'}
          - {name: After, script: 'echo after', assert: 'output.stdout == "after\\n"'}
        """)  # fmt: skip

    result = project.run(".")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"  error    *{disk}*", "  hint     *TMPDIR*"])


@pytest.mark.usefixtures("temporary_files_there")
def test_a_folder_for_temporary_files_that_takes_none_is_reported(project: Project, disk: Path) -> None:
    project.write("a.runbook.yaml", GREEN)
    make_read_only(disk)

    result = project.run(".")

    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines([f"  error    {disk}/runbook-*: Read-only file system*", "  hint     *TMPDIR*"])
    assert "Traceback" not in result.stdout.str()


def test_checks_files_are_written_whole_or_stay_as_they_were(project: Project, disk: Path) -> None:
    book = (
        '{"id": "d", "name": "d", "version": 1, "content": [{"id": "b1", "type": "script", "props": {"name": "New"}}]}'
    )
    project.write("disk/a.atrb", book)
    checks = project.write("disk/a.checks.yaml", "blocks:\n  Old: {id: b1, timeout: 5s}\n")
    before = checks.read_bytes()
    fill(disk)

    result = project.run("disk/a.atrb", "--runbook-update-checks")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*a.checks.yaml can't be written, and is as it was: No space left on device"])
    assert checks.read_bytes() == before
    assert {path.name for path in disk.iterdir()} == {"a.atrb", "a.checks.yaml", "ballast"}
