"""A script sets variables through a file; its grammar is that of the runbook format."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pytest_runbook.errors import BlockFailed
from pytest_runbook.resources.process.output_variables import OutputVariablesFile, parse_output_variables


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("\n\n", {}),
        ("a=1", {"a": "1"}),
        ("a=1\nb=2\n", {"a": "1", "b": "2"}),
        ("a=1\r\nb=2\r\n", {"a": "1", "b": "2"}),
        ("a=\n", {"a": ""}),
        ("url=a=b\n", {"url": "a=b"}),
        ("a=1\n\n\nb=2", {"a": "1", "b": "2"}),
        ("a=1\na=2\n", {"a": "2"}),
        ("junk\na=1\n", {"a": "1"}),
        ("#a=b\n", {"#a": "b"}),
        ("my name = my value \n", {"my name ": " my value "}),
        ('a="1"\\n\'\n', {"a": '"1"\\n\''}),
        ("a<<EOF\none\ntwo\nEOF\n", {"a": "one\ntwo"}),
        ("a<<...\none\n...\n", {"a": "one"}),
        ("a<<EOF\nEOF\n", {"a": ""}),
        ("a << EOF \none\n  EOF  \nb=1\n", {"a": "one", "b": "1"}),
        ("a<<EOF\n$VAR `date` \"x\" 'y'\nEOF\n", {"a": "$VAR `date` \"x\" 'y'"}),
        ("a<<EOF\n  one  \n\n\ttwo\nEOF\n", {"a": "  one  \n\n\ttwo"}),
        ("a<<EOF\none\r\nEOF\r\n", {"a": "one"}),
        ("a<<EOF\none\ntwo\n", {"a": "one\ntwo"}),
        ("a<<EOF\none\ntwo", {"a": "one\ntwo"}),
        ("a=1\nb<<EOF\ntwo\nEOF\nc=3\n", {"a": "1", "b": "two", "c": "3"}),
        ("a<<EOF\nnot EOF here\nEOF\n", {"a": "not EOF here"}),
        ("a<<EOF\nb=c\nEOF\n", {"a": "b=c"}),
        ("redirect=command<<input\n", {"redirect": "command<<input"}),
        ("cmd=cat f <<< 'x'\n", {"cmd": "cat f <<< 'x'"}),
        ("a<<b=c\none\nb=c\n", {"a": "one"}),
        ("<<EOF\na=1\n", {"a": "1"}),
        ("a<<\nb=1\n", {"b": "1"}),
        ("a<<EOF\n1\nEOF\na=2\n", {"a": "2"}),
        ("a=x\x0by\u2028z\n", {"a": "x\x0by\u2028z"}),
    ],
)
def test_grammar(text: str, variables: dict[str, str]) -> None:
    assert parse_output_variables(text) == variables


def test_variables_keep_their_order() -> None:
    assert list(parse_output_variables("b=1\na<<E\nE\nc=3\n")) == ["b", "a", "c"]


@pytest.mark.parametrize("line", ["=value", "  =value"])
def test_variable_without_a_name_is_an_error_that_keeps_the_value_to_itself(line: str) -> None:
    with pytest.raises(BlockFailed, match="line 2: no name") as caught:
        parse_output_variables(f"a=1\n{line}\n")

    assert "value" not in caught.value.message


@pytest.fixture
def file(tmp_path: Path) -> OutputVariablesFile:
    return OutputVariablesFile(tmp_path, size_limit=100)


def test_file_is_there_empty_and_private(file: OutputVariablesFile) -> None:
    assert file.path.stat().st_size == 0
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.read() == {}


def test_both_names_lead_to_the_file(file: OutputVariablesFile) -> None:
    assert file.environment == {"ATUIN_OUTPUT_VARS": str(file.path), "RUNBOOK_OUTPUT_VARS": str(file.path)}


def test_file_is_read_as_it_is_now(file: OutputVariablesFile) -> None:
    file.path.write_text("a=\N{EURO SIGN}\n", encoding="utf-8")

    assert file.read() == {"a": "\N{EURO SIGN}"}


def test_file_is_gone_afterwards(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), OutputVariablesFile(tmp_path):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_file_that_the_script_removed_holds_no_variables(tmp_path: Path) -> None:
    with OutputVariablesFile(tmp_path) as file:
        file.path.unlink()

        assert file.read() == {}


def test_file_that_is_too_large_is_an_error(file: OutputVariablesFile) -> None:
    file.path.write_text("a=" + "x" * 99)

    with pytest.raises(BlockFailed, match="more than 100 bytes"):
        file.read()


def test_file_of_just_the_limit_is_read(file: OutputVariablesFile) -> None:
    file.path.write_text("a=" + "x" * 98)

    assert file.read() == {"a": "x" * 98}


def test_what_is_no_utf8_is_an_error_that_names_the_line(file: OutputVariablesFile) -> None:
    file.path.write_bytes(b"a=1\nb=\xff\n")

    with pytest.raises(BlockFailed, match="line 2: byte 0xff is no UTF-8"):
        file.read()


def test_fifo_in_its_place_is_an_error_and_no_wait(file: OutputVariablesFile) -> None:
    file.path.unlink()
    os.mkfifo(file.path)

    with pytest.raises(BlockFailed, match="no file any more"):
        file.read()


def test_directory_in_its_place_is_an_error_and_goes_too(tmp_path: Path) -> None:
    with OutputVariablesFile(tmp_path) as file:
        file.path.unlink()
        file.path.mkdir()
        (file.path / "inner").touch()
        with pytest.raises(BlockFailed, match="no file any more"):
            file.read()

    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_gone_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BlockFailed, match="No such file or directory"):
        OutputVariablesFile(tmp_path / "gone")
