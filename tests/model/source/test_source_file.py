"""Files that can't be opened, decoded or parsed, and those that look odd but can."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_runbook.errors import UnreadableFile
from pytest_runbook.model import load_runbook
from pytest_runbook.model.source.source_file import FILE_SIZE_LIMIT

GOOD = "blocks: [{script: echo ä}]\n"


def fault_of(path: Path) -> str:
    with pytest.raises(UnreadableFile) as caught:
        load_runbook(path, display_path=path.name)
    return str(caught.value)


UNREADABLE = [
    (b"", "x.runbook.yaml: the file is empty"),
    (b" \n\n", "x.runbook.yaml: the file is empty"),
    (b"# nothing\n", "x.runbook.yaml: the file is empty"),
    (b"null\n", "x.runbook.yaml: the file is empty"),
    (GOOD.encode("utf-16"), "x.runbook.yaml:1: encoded as UTF-16\n  hint: save it as UTF-8"),
    (b"name: x\n" + GOOD.encode("latin-1"), "x.runbook.yaml:2: byte 0xe4 is not UTF-8\n  hint: save the file as UTF-8"),
    (
        b"name: x\nblocks:\x00 []\n",
        "x.runbook.yaml:2: control character U+0000, which YAML does not allow\n"
        '  hint: in double quotes it can be written: "\\x00"',
    ),
]


@pytest.mark.parametrize(("content", "said"), UNREADABLE, ids=[row[1][14:40] for row in UNREADABLE])
def test_content_that_is_no_text(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.runbook.yaml"
    path.write_bytes(content)

    assert fault_of(path) == said


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.runbook.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())

    assert load_runbook(path).blocks[0].props["code"] == "echo ä"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "x.atrb") == "x.atrb: can't be read: No such file or directory"


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.atrb").mkdir()

    assert fault_of(tmp_path / "x.atrb") == "x.atrb: is a folder, not a file"


def test_a_path_that_can_not_exist() -> None:
    said = fault_of(Path("a\0b.atrb"))

    assert ".atrb: can't be read: " in said
    assert "embedded null" in said  # Pythons word the rest differently


def test_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "x.atrb").symlink_to("x.atrb")

    assert fault_of(tmp_path / "x.atrb") == "x.atrb: can't be read: Too many levels of symbolic links"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.atrb"
    with path.open("wb") as file:
        file.truncate(FILE_SIZE_LIMIT + 1)

    assert fault_of(path) == "x.atrb: too large for a runbook: 50,000,001 bytes; at most 50,000,000 are read"


def test_ten_thousand_blocks(tmp_path: Path) -> None:
    (tmp_path / "x.runbook.yaml").write_text("blocks:\n" + "- script: echo hello\n" * 10_000)

    assert len(load_runbook(tmp_path / "x.runbook.yaml").blocks) == 10_000


def test_all_faults_of_a_file_are_reported_in_its_order(faults: Callable[..., list[str]]) -> None:
    reported = faults("blocks:\n- script: 1\n- http: 2\nversion: 3\nname: 4\n")

    assert [line.split(": ")[0] for line in reported] == [f"x.runbook.yaml:{line}" for line in (2, 3, 4, 5)]
