"""The forms in which a secret appears in text: plain, encoded, escaped, quoted, wrapped over lines."""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MIN_FORM = 4
"""The shortest form that is masked, in characters."""
MIN_WRAPPED_FORM = 6
"""The shortest form that is searched for across line breaks, in characters.

A shorter one might be found where two numbers of a table happen to follow each other.
"""
_MIN_LINE = 8
"""The shortest line of a secret that is secret by itself, in characters."""

COMMON_WORDS = frozenset(
    (
        *("true", "false", "none", "null", "undefined", "unknown", "empty", "default", "required", "optional"),
        *("enabled", "disabled", "missing", "password", "passwd", "passphrase", "secret", "token", "username", "user"),
        *("admin", "root", "guest", "test", "example", "changeme", "localhost", "postgres", "mysql", "public"),
        *("private", "basic", "bearer", "production", "staging", "development", "local", "main", "latest"),
    )
)
"""Words that appear in every report. Masking them would hide much and protect nothing."""

# Characters that terminals, encoders and formatters put into the middle of a text: a line end, also an escaped one,
# with the indent of the next line; a colour; the backslash with which shells and others escape characters.
_BREAK = re.compile(r"(?:\r?\n|\r)[ \t]*|(?:\\r)?\\n|(?:\x1b|\\x1b)\[[0-9;?]*[ -/]*[@-~]|\\")
# The beginning of such a break at the end of a text that may go on.
_UNFINISHED = re.compile(r"(?:\x1b|\\x1b|\\x1|\\x)(?:\[[0-9;?]*[ -/]*)?\Z|\\r?\Z|\\r\\\Z")
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def is_maskable(secret: str) -> bool:
    """Return False for a text that is too short or too common to be masked without damaging every report."""
    return len(secret) >= MIN_FORM and secret.casefold() not in COMMON_WORDS


def secret_parts(value: str) -> Iterator[str]:
    """Yield the parts of a secret that are as secret as the whole: a report may show only a few lines of it."""
    yield value
    if "\n" in value.strip():
        for line in value.splitlines():
            # Lines like -----BEGIN PRIVATE KEY----- are the same in every key.
            if len(line.strip()) >= _MIN_LINE and not line.startswith("-----"):
                yield line


def forms_of(value: str) -> Iterator[str]:
    """Yield every form of a secret, without the characters that wrap lines."""
    for form in _forms(value):
        unwrapped = unwrap(form)
        if len(unwrapped) >= MIN_WRAPPED_FORM:
            yield unwrapped
        elif len(form) >= MIN_FORM:
            yield form


def bytes_of(text: str) -> bytes:
    """Return the bytes that programs get for a text."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        # JSON may hold half of a surrogate pair, which UTF-8 can't encode.
        return text.encode(errors="surrogatepass")


def unwrap(text: str) -> str:
    """Return a text without the characters that wrap its lines."""
    if "\\" in text or "\r" in text or "\x1b" in text:
        return _BREAK.sub("", text)
    # Plain text, by far the most frequent, needs no regular expression.
    if "\n" not in text:
        return text
    first, *rest = text.split("\n")
    return first + "".join([line.lstrip(" \t") for line in rest])


def _forms(value: str) -> Iterator[str]:
    for text in {value, value.strip()}:
        yield text
        yield from _in_uris(text)
        yield from _in_json(text)
        yield from _in_shells(text)
        yield from _in_html(text)
        yield repr(text)[1:-1]
    secret = bytes_of(value.strip())
    yield from _in_base64(secret)
    yield secret.hex()
    yield secret.hex().upper()


def _in_uris(text: str) -> Iterator[str]:
    data = bytes_of(text)
    for quoted in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield quoted
        yield _PERCENT.sub(lambda match: match[0].lower(), quoted)


def _in_json(text: str) -> Iterator[str]:
    for ascii_only in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield escaped
        yield json.dumps(escaped, ensure_ascii=ascii_only)[1:-1]
        for character in "<>&'":
            escaped = escaped.replace(character, f"\\u{ord(character):04x}")
        yield escaped


def _in_shells(text: str) -> Iterator[str]:
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")


def _in_html(text: str) -> Iterator[str]:
    escaped = html.escape(text)
    yield html.escape(text, quote=False)
    yield escaped
    yield escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield escaped.replace("&#x27;", "&apos;")
    yield escaped.replace("&#x27;", "'")


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield the part of a base64 text that depends on the secret alone, for each of the three alignments."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret).decode().rstrip("=")
        stable = encoded[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6]
        yield stable
        yield stable.replace("+", "-").replace("/", "_")


class UnwrappedText:
    """A text without the characters that wrap its lines, with the original position of each character.

    is_partial: True if more of the text may follow. What may be the beginning of a break at its end is then removed.
    """

    def __init__(self, source: str, *, is_partial: bool = False) -> None:
        self._source = source
        self._end = len(source)
        if is_partial and (unfinished := _UNFINISHED.search(source)):
            self._end = unfinished.start()
        self.text = unwrap(source[: self._end])
        self._offsets: tuple[list[int], list[int]] | None = None

    def source_index(self, index: int) -> int:
        """Return the original position of a character."""
        if len(self.text) == self._end:
            return index
        if self._offsets is None:
            self._offsets = self._compute_offsets()
        starts, removed = self._offsets
        return index + removed[bisect_right(starts, index) - 1]

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the original start and end of a part of the text."""
        return self.source_index(start), self.source_index(end - 1) + 1

    def _compute_offsets(self) -> tuple[list[int], list[int]]:
        starts, removed = [0], [0]
        for match in _BREAK.finditer(self._source, 0, self._end):
            total = removed[-1] + match.end() - match.start()
            starts.append(match.start() - removed[-1])
            removed.append(total)
        return starts, removed
