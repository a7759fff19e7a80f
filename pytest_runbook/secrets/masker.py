"""Masks secrets in text. Everything that leaves the process passes a `Masker`: messages, reports, logs, stored
contexts.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote

from ..text import shorten
from .forms import COMMON_WORDS, MIN_FORM, MIN_WRAPPED_FORM, UnwrappedText, forms_of, is_maskable, secret_parts
from .names import SensitiveNames

MASK = "***"
_MIN_DERIVED = 6
_MIN_NUMBER = 6
_MAX_TEXTS = 1000
_SHORT_TEXT = 2000
_MAX_CACHED_LENGTH = 200
_MAX_CACHED = 5000
_MAX_URI_TEXT = 1 << 13
_ELLIPSIS = re.compile(r"(?<!\.) ?\.\.\. ?(?!\.)|…")
_MAX_ELLIPSES = 200
_WITHOUT_TEXT = frozenset({int, float, bool, type(None)})

# user:password@ in any URI. The user and the rest stay readable.
_URI_PASSWORD = re.compile(r"(?P<head>\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s/:@'\"<>]*:)(?P<secret>[^\s/'\"<>]+)(?=@)")
# Parameters of a URI with the name of a secret. The names stay readable.
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
# "name": "value" as in JSON and Python; below, NAME=value as in shells and connection strings.
_MEMBER = re.compile(
    r"(?P<head>(?P<q>[\"'])(?P<name>[\w.-]{1,64})(?P=q)[ \t]*:[ \t]*(?P<v>[\"']))(?P<secret>(?:\\.|(?!(?P=v)).)+)"
)
_QUOTED_SETTING = re.compile(
    r"(?P<head>(?<![\w.$])(?P<name>[A-Za-z_][\w.-]{0,63})=(?P<v>[\"']))(?P<secret>(?:\\.|(?!(?P=v)).)+)"
)
_SETTING = re.compile(r"(?P<head>(?<![\w.$])(?P<name>[A-Za-z_][\w.-]{0,63})=)(?P<secret>[^\s'\"=&;,][^\s'\"&;,]*)")
# A reference such as $TOKEN or {{ secret.token }} is no secret.
_NO_VALUES = ("$", "{{")
_MAY_BE_MEMBER = re.compile(r"=|[\"'][ \t]*:")
# host=db user=me password=secret, which drivers accept in place of a URI; also with semicolons.
_CONNECTION = re.compile(r"\b(?:host|server|hostaddr|dbname|database|data source)\s*=", re.IGNORECASE)
_CONNECTION_PASSWORD = re.compile(r"(?:^|[\s;])(?:password|pwd)\s*=\s*(?:'((?:\\.|[^'])*)'|([^\s;]+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SecretMatch:
    """The position of a secret in a text. name: how reports call the secret; never its value."""

    start: int
    end: int
    name: str


class Masker:
    """Masks secrets with ``***``. It is safe to use from several threads.

    A masker knows two kinds of secrets. Values that were added (`add`) are found in every form of `forms_of`, also
    across line breaks and where a text was cut short. Other credentials are found by their surroundings: passwords in
    URIs, authorization headers, cookies, and values behind names such as ``password`` or ``api_key``. A run has one
    masker, and values become secret for all of the run when they are added.

    names: the names that mark a value as a secret.
    unmaskable: names of secrets that are too short or too common to be masked without damaging every report.
    """

    def __init__(self, names: SensitiveNames | None = None) -> None:
        self.names = SensitiveNames() if names is None else names
        self.unmaskable: set[str] = set()
        self._lock = threading.Lock()
        self._forms: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._added: set[str] = set()
        self._max_form_length = 0
        # Short texts without secrets: hosts, paths and names are masked again and again. `add` empties it.
        self._clean: set[str] = set()

    # Adding secrets

    def add(self, value: str, name: str) -> None:
        """Add a secret value, with every form in which it may appear. name: how reports call it."""
        secret = value.strip()
        if not secret or value in self._added:
            return
        if not is_maskable(secret):
            self.unmaskable.add(name)
            return
        parts = {part for part in secret_parts(value) if is_maskable(part.strip())}
        forms = dict.fromkeys((form for part in parts for form in forms_of(part)), name)
        with self._lock:
            self._added.add(value)
            # A new dict and a new set, not updates: other threads may be using the old ones without the lock.
            self._forms = {**forms, **self._forms}
            self._max_form_length = max(map(len, self._forms))
            self._pattern = None
            self._clean = set()
        if secret.startswith("{"):
            self._add_json_members(secret, name)
        self.add_uri_passwords(value, name)

    def add_data(self, value: object, name: str) -> None:
        """Add every text and number in a value as a secret."""
        for text in islice(_texts(value), _MAX_TEXTS):
            self.add(text, name)

    def add_derived_secret(self, text: str, name: str) -> None:
        """Add a text that was made from a secret, unless it is too short to reveal anything."""
        secret = text.strip()
        if len(secret) >= _MIN_DERIVED and is_maskable(secret):
            self.add(text, name)

    def add_if_sensitive(self, name: str, value: object, prefix: str = "") -> bool:
        """Add a value if its name marks it as a secret, and the passwords in it if it is a URI. Return True if it is a
        secret.

        prefix: what the name belongs to, for reports: ``var.``.
        """
        if not isinstance(value, str):
            return False
        self.add_uri_passwords(value, f"{prefix}{name}")
        text = value.strip()
        is_number = text.isdigit() and len(text) < _MIN_NUMBER
        is_secret = bool(text) and not is_number and text.casefold() not in COMMON_WORDS and self.names.match(name)
        if is_secret:
            self.add(value, f"{prefix}{name}")
        return is_secret

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """Add the secrets of an environment. Those that can't be masked are not reported as `unmaskable`."""
        # The environment is not part of the runbook, so that a short password in it is not worth a warning.
        known = set(self.unmaskable)
        for name, value in environment.items():
            self.add_if_sensitive(name, value, "env.")
        self.unmaskable = known

    def add_uri_passwords(self, text: str, name: str) -> None:
        """Add the passwords of the URIs and connection strings in a text. name: how reports call the text."""
        for secret in _uri_passwords(text[:_MAX_URI_TEXT]):
            if is_maskable(secret):
                self.add(secret, f"the password in {name}")

    def _add_json_members(self, text: str, name: str) -> None:
        """Add the members of a secret JSON text that have names of secrets, such as the private key of a service
        account.
        """
        try:
            members = json.loads(text)
        except ValueError:
            return
        for key, value in _members(members):
            if self.names.match(key):
                self.add(value, name)

    # Masking

    def mask(self, text: str) -> str:
        """Return a text without its secrets."""
        # Kept in a local variable: `add` replaces the set, and a text that was masked before must not enter the new
        # one.
        clean = self._clean
        if text in clean:
            return text
        masked = self._mask_patterns(_mask_spans(text, self._spans(text)))
        if masked == text and len(text) <= _MAX_CACHED_LENGTH:
            if len(clean) >= _MAX_CACHED:
                clean.clear()
            clean.add(text)
        return masked

    def mask_fragment(self, text: str) -> str:
        """Return a piece of a longer text without its secrets. It may begin with the rest of a secret, and end with
        half of one.
        """
        text = self.mask(text)
        begins, ends = (self._is_part_of_secret(piece) for piece in (text[:MIN_FORM], text[-MIN_FORM:]))
        start = max(_suffix_overlap(form, text) for form in self._forms) if begins else 0
        end = max(_overlap(text, form) for form in self._forms) if ends else 0
        start, end = (size if size >= MIN_FORM else 0 for size in (start, end))
        if start + end > len(text):
            return MASK
        return MASK * bool(start) + text[start : len(text) - end] + MASK * bool(end)

    def excerpt(self, text: str, limit: int) -> str:
        """Return a text masked and on one line, its middle left out if it is longer than limit characters."""
        return shorten(self.mask(text), limit)

    def mask_data(self, data: object) -> object:
        """Return JSON-like data with all texts in it masked, keys included.
        Data without secrets is returned as it is.
        """
        if isinstance(data, str):
            return self.mask(data)
        # One search over all texts joined: most data has no secret.
        texts: list[str] = []
        _collect_texts(data, texts)
        text = "\n".join(texts)
        return self._masked_value(data) if self.names.may_be_in(text.lower()) or self.holds_secret(text) else data

    def _masked_value(self, data: object) -> object:
        if isinstance(data, str):
            return self.mask(data)
        if isinstance(data, dict):
            return {self.mask(str(key)): self._masked_member(str(key), value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self._masked_value(value) for value in data]
        return data

    def _masked_member(self, key: str, value: object) -> object:
        if isinstance(value, str) and is_maskable(value) and self.names.match(key):
            return MASK
        return self._masked_value(value)

    @property
    def names_of_secrets(self) -> Iterable[str]:
        """The names of the secrets that were added."""
        return tuple(self._forms.values())

    def holds_secret(self, text: str) -> bool:
        """Return True if masking would change a text."""
        return self.mask(text) != text

    def find(self, text: str) -> Iterator[SecretMatch]:
        """Yield the positions of the secrets that were added, in any form."""
        unwrapped = UnwrappedText(text)
        # For short texts, one search for all forms is the fastest way to see that there is none.
        if len(text) < _SHORT_TEXT and not any(map(self._compiled().search, {text, unwrapped.text})):
            return
        for form, name in self._forms.items():
            haystack = unwrapped.text if len(form) >= MIN_WRAPPED_FORM else text
            at = haystack.find(form)
            while at >= 0:
                start, end = (at, at + len(form)) if haystack is text else unwrapped.source_span(at, at + len(form))
                yield SecretMatch(start, end, name)
                at = haystack.find(form, at + 1)

    def _compiled(self) -> re.Pattern[str]:
        """Return a pattern that matches any form."""
        with self._lock:
            if self._pattern is None:
                self._pattern = re.compile("|".join(map(re.escape, self._forms)))
            return self._pattern

    def _is_part_of_secret(self, piece: str) -> bool:
        """Return True if a piece of text of `MIN_FORM` characters is in a form of a secret."""
        return len(piece) == MIN_FORM and any(piece in form for form in self._forms)

    def stream(self) -> StreamMasker:
        """Return a masker for text that arrives in pieces."""
        return StreamMasker(self)

    def safe_length(self, text: str) -> int:
        """Return how many characters of an unfinished text can be shown. The rest may be the beginning of a secret."""
        line = text.rfind("\n") + 1
        cut = line if self._may_match_pattern(text[line:]) else len(text)
        if not self._forms:
            return cut
        unwrapped = UnwrappedText(text, is_partial=True)
        cut = min(cut, unwrapped.source_index(len(unwrapped.text)), self._possible_start(text, unwrapped))
        return next((start for start, end in self._exact_spans(text) if start < cut < end), cut)

    def _possible_start(self, text: str, unwrapped: UnwrappedText) -> int:
        """Return the start of the longest end of a text that may be the beginning of a secret."""
        start = len(text)
        for form in self._forms:
            if len(form) >= MIN_WRAPPED_FORM:
                size = _overlap(unwrapped.text, form)
                start = min(start, unwrapped.source_index(len(unwrapped.text) - size)) if size else start
            else:
                start = min(start, len(text) - _overlap(text, form))
        return start

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of secrets, and of the parts of secrets in a text that was cut short."""
        if not self._forms:
            return []
        spans = self._exact_spans(text)
        if "..." in text or "…" in text:
            spans = _merged([*spans, *self._truncated_spans(text)])
        return spans

    def _exact_spans(self, text: str) -> list[tuple[int, int]]:
        spans = [(match.start, match.end) for match in self.find(text)]
        return _merged(spans) if spans else spans

    def _truncated_spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of beginnings of secrets in front of an ellipsis, and of ends of secrets behind it."""
        for number, match in enumerate(_ELLIPSIS.finditer(text)):
            if number == _MAX_ELLIPSES:
                return
            before = text[max(match.start() - self._max_form_length, 0) : match.start()]
            after = text[match.end() : match.end() + self._max_form_length]
            size = max((_overlap(before, form) for form in self._forms), default=0)
            if size >= MIN_FORM:
                yield match.start() - size, match.start()
            size = max((_suffix_overlap(form, after) for form in self._forms), default=0)
            if size >= MIN_FORM:
                yield match.end(), match.end() + size

    def _mask_patterns(self, text: str) -> str:
        if "://" in text:
            text = _URI_PARAMETER.sub(_mask_secret, _URI_PASSWORD.sub(_mask_secret, text))
        lowered = text.lower()
        if _may_hold_header(lowered):
            text = _COOKIE.sub(_mask_secret, _HEADER.sub(_mask_secret, text))
            lowered = text.lower()
        if ("=" in text or ":" in text) and self.names.may_be_in(lowered):
            text = self._mask_named_values(text, lowered)
        return text

    def _mask_named_values(self, text: str, lowered: str) -> str:
        """Return a text without the values behind names of secrets.
        Only lines that may hold such a name are searched.
        """
        # Some characters become two in lower case, which moves all positions behind them.
        if len(lowered) != len(text) or "" in self.names.cores:
            return self._mask_named_in_line(text)
        pieces: list[str] = []
        at = 0
        for start, end in self._named_lines(lowered):
            pieces += (text[at:start], self._mask_named_in_line(text[start:end]))
            at = end
        return "".join((*pieces, text[at:]))

    def _named_lines(self, lowered: str) -> list[tuple[int, int]]:
        """Return the spans of the lines that may hold the name of a secret."""
        lines = set()
        for core in self.names.cores:
            at = lowered.find(core)
            while at >= 0:
                end = lowered.find("\n", at)
                end = len(lowered) if end < 0 else end
                lines.add((lowered.rfind("\n", 0, at) + 1, end))
                at = lowered.find(core, end)
        return sorted(lines)

    def _mask_named_in_line(self, line: str) -> str:
        if ":" in line:
            line = _MEMBER.sub(self._mask_named_match, line)
        if "=" in line:
            line = _SETTING.sub(self._mask_named_match, _QUOTED_SETTING.sub(self._mask_named_match, line))
        return line

    def _mask_named_match(self, match: re.Match[str]) -> str:
        secret = match["secret"]
        is_value = MASK not in secret and not secret.startswith(_NO_VALUES) and is_maskable(secret)
        if is_value and self.names.match(match["name"]):
            return f"{match['head']}{MASK}"
        return match[0]

    def _may_match_pattern(self, text: str) -> bool:
        lowered = text.lower()
        if "://" in text or _may_hold_header(lowered):
            return True
        return _MAY_BE_MEMBER.search(text) is not None and self.names.may_be_in(lowered)


class StreamMasker:
    """Masks text that arrives in pieces, also secrets that are split over two of them.

    Only text that may be the beginning of a secret is held back. All other text is passed on at once.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._pending = ""

    def feed(self, text: str) -> str:
        """Add a piece of text. Return the text that can be shown now."""
        pending = self._pending + text
        cut = self._masker.safe_length(pending)
        self._pending = pending[cut:]
        return self._masker.mask(pending[:cut])

    def finish(self) -> str:
        """Return the rest of the text."""
        rest, self._pending = self._masker.mask(self._pending), ""
        return rest


def _collect_texts(data: object, texts: list[str]) -> None:
    """Add all texts in JSON-like data to a list, keys included. The data is no text itself."""
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
            _collect_texts(value, texts)


def _mask_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with a mask in place of each span."""
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += (text[at:start], MASK)
        at = end
    return "".join((*pieces, text[at:])) if pieces else text


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans in order, with overlapping ones merged."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


@lru_cache(maxsize=256)
def _uri_passwords(text: str) -> tuple[str, ...]:
    """Return the passwords of the URIs and connection strings in a text."""
    passwords: list[str] = []
    if "://" in text:
        for match in _URI_PASSWORD.finditer(text):
            passwords += (match["secret"], unquote(match["secret"]))
    if "=" in text and _CONNECTION.search(text):
        passwords += (match[1] or match[2] or "" for match in _CONNECTION_PASSWORD.finditer(text))
    return tuple(passwords)


def _texts(value: object) -> Iterator[str]:
    match value:
        case Mapping():
            for inner in value.values():
                yield from _texts(inner)
        case list() | tuple():
            for inner in value:
                yield from _texts(inner)
        case None | bool():
            pass
        case _:
            yield str(value)


def _members(value: object) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, inner in value.items():
                if isinstance(inner, str):
                    yield key, inner
                else:
                    yield from _members(inner)
        case list():
            for inner in value:
                yield from _members(inner)


def _overlap(text: str, secret: str) -> int:
    """Return the length of the longest end of the text that is a beginning of the secret, but not all of it."""
    start = text.find(secret[0], max(0, len(text) - len(secret) + 1)) if secret else -1
    while start >= 0 and not secret.startswith(text[start:]):
        start = text.find(secret[0], start + 1)
    return len(text) - start if start >= 0 else 0


def _suffix_overlap(secret: str, text: str) -> int:
    """Return the length of the longest end of the secret that is a beginning of the text."""
    # `_overlap` leaves out a full match. The NUL keeps a match with all of the text from being one.
    return _overlap(secret, f"{text}\0")


def _may_hold_header(lowered: str) -> bool:
    return "authorization" in lowered or "cookie" in lowered


def _mask_secret(match: re.Match[str]) -> str:
    return f"{match['head']}{MASK}"
