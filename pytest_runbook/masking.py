"""The one place where secrets are taken out of text.

Whatever leaves the process - messages, reports, logs, stored contexts - passes a `Redactor`. It knows the values that a
run declared to be secret, and the shapes in which credentials stand in any text: in URIs and in headers.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
_WITHOUT_TEXT = frozenset({int, float, bool, type(None)})
SHORTEST_MASKABLE = 4

# user:password@ in any URI; the user and the rest stay readable.
_URI_PASSWORD = re.compile(r"(?P<head>\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s/:@'\"<>]*):(?P<secret>[^\s/'\"<>]+)(?=@)")
# Parameters of a URI whose names say that they are secret; the names stay readable.
_URI_PARAMETER = re.compile(
    r"(?P<head>[?&](?:[\w.-]*(?:token|secret|passw(?:or)?d|signature|api[_-]?key)|sig)=)(?P<secret>[^\s&#'\"<>]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<head>\b(?:proxy-)?authorization\b['\"]?\s*[:=]\s*['\"]?(?:(?:basic|bearer|token|digest|negotiate)\s+)?)"
    r"(?P<secret>[^\s'\",;]+)",
    re.IGNORECASE,
)
_COOKIE = re.compile(r"(?P<head>\b(?:set-)?cookie\b['\"]?\s*:\s*['\"]?)(?P<secret>[^\r\n'\"]+)", re.IGNORECASE)


class Redactor:
    """Replaces what is secret by ``***``. Safe to use from several threads.

    unmaskable: names of secrets too short to be masked without masking half of every report.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.unmaskable: set[str] = set()

    def add(self, value: str, name: str) -> None:
        """Declare a value secret, in every form in which it may appear."""
        secret = value.strip()
        if len(secret) < SHORTEST_MASKABLE:
            if secret:
                self.unmaskable.add(name)
            return
        with self._lock:
            forms = {form for form in _forms(value, secret) if len(form) >= SHORTEST_MASKABLE}
            if forms <= self._forms:
                return
            self._forms |= forms
            self._pattern = None

    def redact(self, text: str) -> str:
        """The text without its secrets."""
        if self._forms:
            text = self._compiled().sub(MASK, text)
        if "://" in text:
            text = _URI_PARAMETER.sub(_mask_secret, _URI_PASSWORD.sub(_mask_secret, text))
        if _may_hold_header(text):
            text = _COOKIE.sub(_mask_secret, _HEADER.sub(_mask_secret, text))
        return text

    def redact_data(self, data: object) -> object:
        """The same JSON-like data with every text in it redacted, keys included."""
        if isinstance(data, str):
            return self.redact(data)
        texts: list[str] = []
        _gather(data, texts)
        return self._redacted(data) if self.holds_secret("\n".join(texts)) else data

    def _redacted(self, data: object) -> object:
        if isinstance(data, str):
            return self.redact(data)
        if isinstance(data, dict):
            return {self.redact(str(key)): self._redacted(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self._redacted(value) for value in data]
        return data

    def holds_secret(self, text: str) -> bool:
        """True if the text would come out changed."""
        return self.redact(text) != text

    def stream(self) -> StreamRedactor:
        """A redactor for text that arrives in pieces."""
        return StreamRedactor(self)

    def _compiled(self) -> re.Pattern[str]:
        with self._lock:
            if self._pattern is None:
                longest_first = sorted(self._forms, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            return self._pattern

    def decided(self, text: str) -> int:
        """How much of a text can be shown: what follows may be the beginning of a secret that goes on later."""
        line = text.rfind("\n") + 1
        if "://" in text[line:] or _may_hold_header(text[line:]):
            cut = line
        else:
            cut = len(text) - max((_overlap(text, form) for form in self._forms), default=0)
        if not self._forms:
            return cut
        spans = (match.span() for match in self._compiled().finditer(text))
        return next((start for start, end in spans if start < cut < end), cut)


class StreamRedactor:
    """Redacts text that arrives in chunks: a secret split over two of them is found all the same.

    Only what may be the beginning of a secret is held back, so that a line is seen as soon as it was written.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be shown now."""
        pending = self._held + text
        cut = self._redactor.decided(pending)
        self._held = pending[cut:]
        return self._redactor.redact(pending[:cut])

    def finish(self) -> str:
        """The rest."""
        rest, self._held = self._redactor.redact(self._held), ""
        return rest


def _gather(data: object, texts: list[str]) -> None:
    """Add every text in JSON-like data that is no text itself, keys included."""
    values: Iterable[object] = ()
    if isinstance(data, dict):
        texts += map(str, data)
        values = data.values()
    elif isinstance(data, list | tuple):
        values = data
    for value in values:
        if isinstance(value, str):
            texts.append(value)
        elif type(value) not in _WITHOUT_TEXT:
            _gather(value, texts)


def _forms(value: str, secret: str) -> Iterator[str]:
    for text in {value, secret}:
        yield text
        yield quote(text, safe="")
        yield quote_plus(text)
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield text.replace("'", "'\\''")
    yield from _base64_forms(secret.encode())


def _base64_forms(secret: bytes) -> Iterator[str]:
    """The part of a base64 text that the secret alone determines, at each of the three alignments."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret).decode().rstrip("=")
        stable = encoded[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6]
        if len(stable) >= 2 * SHORTEST_MASKABLE:
            yield stable
            yield stable.replace("+", "-").replace("/", "_")


def _overlap(text: str, secret: str) -> int:
    """The length of the longest end of the text with which the secret begins, without all of it."""
    start = text.find(secret[0], max(0, len(text) - len(secret) + 1))
    while start >= 0 and not secret.startswith(text[start:]):
        start = text.find(secret[0], start + 1)
    return len(text) - start if start >= 0 else 0


def _may_hold_header(text: str) -> bool:
    folded = text.casefold()
    return "authorization" in folded or "cookie" in folded


def _mask_secret(match: re.Match[str]) -> str:
    return f"{match['head']}{':' if match.re is _URI_PASSWORD else ''}{MASK}"
