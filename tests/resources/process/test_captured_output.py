"""Output is kept exactly, in bounded memory, and read as text."""

from __future__ import annotations

import errno
import gc
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_runbook.errors import BlockFailed
from pytest_runbook.resources.process.captured_output import CapturedOutput, Stream

OUT, ERR = Stream.STDOUT, Stream.STDERR
IN_MEMORY, IN_A_FILE, IN_BOTH = 1000, 0, 6


@pytest.fixture(params=[IN_MEMORY, IN_A_FILE, IN_BOTH], ids=["memory", "file", "both"])
def output(request: pytest.FixtureRequest) -> Iterator[CapturedOutput]:
    with CapturedOutput(memory_limit=request.param) as output:
        yield output


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond that many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_nothing_written_is_empty_text(output: CapturedOutput) -> None:
    assert (output.stdout, output.stderr, output.combined, output.size()) == ("", "", "", 0)


def test_streams_are_distinguished_and_keep_their_order(output: CapturedOutput) -> None:
    output.append(OUT, b"one\n")
    output.append(ERR, b"two\n")
    output.append(OUT, b"three\n")

    assert output.stdout == "one\nthree\n"
    assert output.stderr == "two\n"
    assert output.combined == "one\ntwo\nthree\n"
    assert list(output.chunks) == [(OUT, b"one\n"), (ERR, b"two\n"), (OUT, b"three\n")]
    assert (output.size(OUT), output.size(ERR), output.size()) == (10, 4, 14)


def test_text_asked_for_early_grows_with_the_output(output: CapturedOutput) -> None:
    output.append(OUT, b"one")
    assert output.stdout == "one"

    output.append(OUT, b" two")

    assert output.stdout == "one two"


def test_character_that_arrives_in_pieces_is_one_character(output: CapturedOutput) -> None:
    first, second, third = (bytes([byte]) for byte in "\N{EURO SIGN}".encode())

    output.append(OUT, first)
    output.append(ERR, b"!")
    output.append(OUT, second)
    output.append(OUT, third)

    assert output.stdout == "\N{EURO SIGN}"
    assert output.combined == "!\N{EURO SIGN}"


def test_what_is_no_utf8_is_replaced_and_the_rest_is_kept(output: CapturedOutput) -> None:
    output.append(OUT, b"a\xffb\x00c\xe2")

    assert output.stdout == "a\N{REPLACEMENT CHARACTER}b\x00c\N{REPLACEMENT CHARACTER}"
    assert b"".join(data for _, data in output.chunks) == b"a\xffb\x00c\xe2"


@pytest.mark.parametrize(
    ("lines", "head", "tail"),
    [(0, "", ""), (1, "a\n", "c"), (2, "a\nb\n", "b\nc"), (3, "a\nb\nc", "a\nb\nc"), (9, "a\nb\nc", "a\nb\nc")],
)
def test_excerpt_has_whole_lines(output: CapturedOutput, lines: int, head: str, tail: str) -> None:
    output.append(OUT, b"a\nb")
    output.append(ERR, b"x\ny")
    output.append(OUT, b"\nc")

    assert output.head(OUT, lines=lines) == head
    assert output.tail(OUT, lines=lines) == tail


def test_last_line_ends_as_it_was_written(output: CapturedOutput) -> None:
    output.append(OUT, b"a\nb\n")

    assert output.tail(lines=1) == "b\n"


@pytest.mark.parametrize(
    ("limit", "head", "tail"), [(0, "", ""), (1, "a", "b"), (3, "a", "b"), (4, "a\N{EURO SIGN}", "\N{EURO SIGN}b")]
)
def test_excerpt_is_cut_between_characters(output: CapturedOutput, limit: int, head: str, tail: str) -> None:
    output.append(OUT, "a\N{EURO SIGN}\N{EURO SIGN}b".encode())

    assert output.head(limit=limit) == head
    assert output.tail(limit=limit) == tail


def test_excerpt_of_both_streams_keeps_their_order(output: CapturedOutput) -> None:
    output.append(OUT, b"one\n")
    output.append(ERR, b"two\n")
    output.append(OUT, b"three\n")

    assert output.head(lines=2) == "one\ntwo\n"
    assert output.tail(lines=2) == "two\nthree\n"


def test_large_output_leaves_memory_for_a_file_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with CapturedOutput(memory_limit=100) as output:
        output.append(OUT, b"x" * 100)
        assert output.is_in_memory

        output.append(ERR, b"y" * 100)

        assert not output.is_in_memory
        assert list(tmp_path.iterdir()) == []
        assert output.combined == "x" * 100 + "y" * 100


def test_chunk_is_no_larger_than_a_mebibyte() -> None:
    with CapturedOutput() as output:
        output.append(OUT, b"x" * (5 << 19))

        assert [len(data) for _, data in output.chunks] == [1 << 20, 1 << 20, 1 << 19]


def test_file_goes_when_the_output_is_closed() -> None:
    before = open_files()
    output = CapturedOutput(memory_limit=0)
    output.append(OUT, b"x")
    text = output.stdout

    output.close()
    output.close()

    assert open_files() == before
    assert output.stdout == text
    with pytest.raises(ValueError, match="closed"):
        output.tail()


def test_file_goes_with_an_output_that_nobody_holds() -> None:
    gc.collect()  # what other tests left
    before = open_files()
    output = CapturedOutput(memory_limit=0)
    output.append(OUT, b"x")

    del output
    gc.collect()

    assert open_files() == before


def test_full_disk_is_reported_with_the_folder() -> None:
    with CapturedOutput(memory_limit=1 << 16) as output, largest_file(1 << 15):
        output.append(OUT, b"x" * (1 << 16))
        with pytest.raises(BlockFailed) as caught:
            output.append(OUT, b"x")

    assert caught.value.message.startswith(f"the output can't be kept: {tempfile.gettempdir()}")
    assert os.strerror(errno.EFBIG) in caught.value.message
    assert caught.value.hint is not None


def test_folder_that_takes_no_file_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    output = CapturedOutput(memory_limit=0)

    with pytest.raises(BlockFailed, match="gone: No such file or directory"):
        output.append(OUT, b"x")
