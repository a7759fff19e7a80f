"""The output of a process: both streams in the order of arrival, exact, in bounded memory.

One store holds the bytes of both streams one after the other, and a list of segments records which stream each part
belongs to. The streams are views of it. It lives in memory up to a limit and in an unlinked temporary file beyond it.
"""

from __future__ import annotations

import codecs
import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import BlockFailed

MEMORY_LIMIT = 1 << 20
EXCERPT_LIMIT = 1 << 16
_PIECE = 1 << 20
_RESERVE = 1 << 26  # bytes that are allocated ahead in the temporary file
_CONTINUATION = bytes(range(0x80, 0xC0))
_utf8_decoder = codecs.getincrementaldecoder("utf-8")


class Stream(IntEnum):
    """A standard stream of a process."""

    STDOUT = 0
    STDERR = 1


class CapturedOutput:
    """The output of one process, as text for display and expressions, and as bytes.

    Text is decoded as UTF-8, and invalid bytes are replaced. It is decoded when it is first read, and kept.
    memory_limit: bytes; beyond it everything goes to a temporary file, which `close` or the garbage collector removes.
    """

    def __init__(self, *, memory_limit: int = MEMORY_LIMIT) -> None:
        self._memory_limit = memory_limit
        self._memory = bytearray()  # the newest bytes, up to _filled; never shrinks
        self._filled = 0
        self._spool: _Spool | None = None
        self._segments = array("Q")  # length << 1 | stream: 8 bytes each, however many there are
        self._sizes = [0, 0]
        self._texts: dict[Stream | None, str] = {}

    def append(self, stream: Stream, data: bytes) -> None:
        """Add bytes that have arrived.

        :raises BlockFailed: if they can't be written to the temporary file.
        """
        if self._filled + len(data) > self._memory_limit:
            self._move_to_file()
        self._memory[self._filled : self._filled + len(data)] = data
        self._filled += len(data)
        self._record_segment(stream, len(data))
        self._texts.clear()

    @property
    def stdout(self) -> str:
        return self._text(Stream.STDOUT)

    @property
    def stderr(self) -> str:
        return self._text(Stream.STDERR)

    @property
    def combined(self) -> str:
        """Both streams in the order of arrival.

        A character that arrived in pieces stands where its last piece arrived.
        """
        return self._text(None)

    @property
    def chunks(self) -> Iterator[tuple[Stream, bytes]]:
        """The bytes in the order of arrival, at most 1 MiB at a time."""
        start = 0
        for segment in self._segments:
            end = start + (segment >> 1)
            for at in range(start, end, _PIECE):
                yield Stream(segment & 1), self._read(at, min(at + _PIECE, end))
            start = end

    @property
    def is_in_memory(self) -> bool:
        return self._spool is None

    def size(self, stream: Stream | None = None) -> int:
        """Return the number of bytes of one stream, or of both."""
        return sum(self._sizes) if stream is None else self._sizes[stream]

    def head(self, stream: Stream | None = None, *, lines: int | None = None, limit: int = EXCERPT_LIMIT) -> str:
        """Return the first lines of one stream, or of both: at most `limit` bytes of them, cut between characters."""
        is_all = self.size(stream) <= limit
        text = _utf8_decoder("replace").decode(self._first_bytes(stream, limit), final=is_all)
        return text if lines is None else _first_lines(text, lines)

    def tail(self, stream: Stream | None = None, *, lines: int | None = None, limit: int = EXCERPT_LIMIT) -> str:
        """Return the last lines of one stream, or of both: at most `limit` bytes of them, cut between characters."""
        data = self._last_bytes(stream, limit)
        if self.size(stream) > limit:
            data = data[:3].lstrip(_CONTINUATION) + data[3:]  # a character has three continuation bytes at most
        text = data.decode("utf-8", "replace")
        return text if lines is None else _last_lines(text, lines)

    def close(self) -> None:
        """Remove the temporary file, if there is one. Text that has been read before stays readable."""
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "memory" if self.is_in_memory else "a file"
        return f"<CapturedOutput stdout={self._sizes[0]} stderr={self._sizes[1]} bytes in {where}>"

    def _record_segment(self, stream: Stream, length: int) -> None:
        self._sizes[stream] += length
        if self._segments and self._segments[-1] & 1 == stream:
            self._segments[-1] += length << 1
        else:
            self._segments.append(length << 1 | stream)

    def _move_to_file(self) -> None:
        if self._spool is None:
            self._spool = _Spool()
        self._spool.append(memoryview(self._memory)[: self._filled])
        self._filled = 0

    def _read(self, start: int, end: int) -> bytes:
        """Return the bytes from start to end; the oldest are in the file, the newest in memory."""
        if self._spool is None:
            return bytes(self._memory[start:end])
        moved = self._spool.size
        in_file = self._spool.read(start, max(start, min(end, moved)))
        return in_file + self._memory[max(start - moved, 0) : max(end - moved, 0)]

    def _text(self, stream: Stream | None) -> str:
        if stream not in self._texts:
            self._texts[stream] = "".join(self._decode(stream))
        return self._texts[stream]

    def _decode(self, selected: Stream | None) -> Iterator[str]:
        decoders = [_utf8_decoder("replace") for _ in Stream]
        for stream, data in self.chunks:
            if selected in (None, stream):
                yield decoders[stream].decode(data)
        for decoder in decoders:
            yield decoder.decode(b"", final=True)

    def _first_bytes(self, selected: Stream | None, limit: int) -> bytes:
        found = bytearray()
        for stream, data in self.chunks:
            if selected in (None, stream):
                found += data[: limit - len(found)]
            if len(found) == limit:
                break
        return bytes(found)

    def _last_bytes(self, selected: Stream | None, limit: int) -> bytes:
        found: list[bytes] = []
        end = self.size()
        for segment in reversed(self._segments):
            start = end - (segment >> 1)
            if selected in (None, segment & 1):
                found.append(self._read(max(start, end - limit), end))
                limit -= len(found[-1])
            if limit == 0:
                break
            end = start
        return b"".join(reversed(found))


class _Spool:
    """An unlinked temporary file, closed by `close` or the garbage collector."""

    def __init__(self) -> None:
        try:
            self._file, name = tempfile.mkstemp(prefix="runbook-output-")
        except OSError as error:
            raise _spool_error(error) from error
        Path(name).unlink()
        self.close = weakref.finalize(self, os.close, self._file)
        self.size = 0
        self._reserved = 0

    def append(self, data: memoryview) -> None:
        self._reserve(self.size + len(data))
        try:
            while data:
                written = os.pwrite(self._file, data, self.size)
                self.size += written
                data = data[written:]
        except OSError as error:
            raise _spool_error(error) from error

    def read(self, start: int, end: int) -> bytes:
        if not self.close.alive:
            raise ValueError("this output was closed")
        return os.pread(self._file, end - start, start)

    def _reserve(self, size: int) -> None:
        """Allocate space well ahead: writing into allocated space takes a third of the time."""
        if size > self._reserved and hasattr(os, "posix_fallocate"):
            self._reserved = size + _RESERVE
            with suppress(OSError):  # if there is no space, the write itself fails
                os.posix_fallocate(self._file, self.size, self._reserved - self.size)


def _spool_error(error: OSError) -> BlockFailed:
    return BlockFailed(
        f"the output can't be kept: {tempfile.gettempdir()}: {error.strerror}",
        hint="make room there or set TMPDIR to a folder with more; or send the output to a file in the script",
    )


def _first_lines(text: str, lines: int) -> str:
    parts = text.split("\n", lines)
    return text if len(parts) <= lines else "".join(f"{line}\n" for line in parts[:lines])


def _last_lines(text: str, lines: int) -> str:
    parts = text.removesuffix("\n").rsplit("\n", lines)
    return text if len(parts) <= lines else text[len(parts[0]) + 1 :]
