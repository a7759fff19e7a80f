"""Hosts whose temporary folder is full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.resources.ssh.conftest import Home
from tests.run_book import Block, run_book
from tests.servers.sshd import Sshd, sshd

HOST = {"host": "web"}
FULL = "head -c 1M /dev/zero >$TMPDIR/fill; true"
LONG = "true\n" * 20_000
SPACE = "No space left on device"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A host with a temporary folder of 64 KB and eight files."""
    folder = tmp_path_factory.mktemp("small")
    disk = folder / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=64k,nr_inodes=8 tmpfs {disk} && exec "$@"'
    settings = [f"SetEnv HOME={folder}/server/home TMPDIR={disk}"]
    with sshd(folder / "server", settings=settings, prefix=["unshare", "--mount", "sh", "-c", mount, "sh"]) as server:
        yield server


@pytest.fixture
def web(home: Home, small: Sshd) -> Iterator[Home]:
    home.has_alias(small)
    home.knows(small)
    yield home
    run_book(home.path, HOST, {"script": "rm -rf $TMPDIR/fill*"})


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([{"script": LONG}], "the code can't be written to"),
        ([{"script": FULL}, {"script": LONG}], "the code can't be written to"),
        ([{"script": FULL}, {"terminal": f"echo '{'x' * 3000}'"}], "can't be written on web"),
        ([{"script": "touch $TMPDIR/fill{1,2,3,4,5,6,7}; true"}, {"script": "echo"}], "no file for output variables"),
    ],
    ids=["code", "code on what is full", "terminal", "variables"],
)
def test_what_finds_no_room_is_reported(tmp_path: Path, blocks: list[Block], message: str) -> None:
    result = run_book(tmp_path, HOST, *blocks).result

    assert message in (result.message or "")
    assert "web" in (result.message or "")
    assert "/tmp" in (result.hint or "")
    assert SPACE in str(result.message) + str(result.sections)


@pytest.mark.usefixtures("web")
def test_variables_that_find_no_room_fail_their_script(tmp_path: Path) -> None:
    ran = run_book(tmp_path, HOST, {"script": FULL}, {"script": f"printf 'a={'x' * 5000}' >> $RUNBOOK_OUTPUT_VARS"})

    assert ran.result.message == "exit code 1"
    assert SPACE in str(ran.output["stderr"])


@pytest.mark.usefixtures("web")
def test_a_folder_that_finds_no_room_is_reported(tmp_path: Path, small: Sshd) -> None:
    inside = ["nsenter", "--mount", "--target", str(small.process.pid)]
    fill = f"cd {small.folder.parent}/disk && touch fill1 fill2 fill3 fill4 fill5 fill6 fill7"
    subprocess.run([*inside, "sh", "-c", fill], check=True)
    result = run_book(tmp_path, HOST, {"script": "echo"}).result
    subprocess.run([*inside, "sh", "-c", f"rm {small.folder.parent}/disk/fill*"], check=True)

    assert (result.message or "").startswith("no folder for scripts can be made on web: mkdir:")
    assert SPACE in (result.message or "")
    assert "/tmp" in (result.hint or "")
