"""The one place where secrets are taken out of text.

Whatever leaves the process - messages, reports, logs, stored contexts - passes a `Masker`. It knows the values that a
run declared to be secret, and the shapes in which credentials stand in any text: in URIs, in headers, behind names.
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

# user:password@ in any URI; the user and the rest stay readable.
_URI_PASSWORD = re.compile(r"(?P<head>\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s/:@'\"<>]*:)(?P<secret>[^\s/'\"<>]+)(?=@)")
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
# "name": "value" as JSON and Python write it, and NAME=value as shells and connection strings do.
_MEMBER = re.compile(
    r"(?P<head>(?P<q>[\"'])(?P<name>[\w.-]{1,64})(?P=q)[ \t]*:[ \t]*(?P<v>[\"']))(?P<secret>(?:\\.|(?!(?P=v)).)+)"
)
_QUOTED_SETTING = re.compile(
    r"(?P<head>(?<![\w.$])(?P<name>[A-Za-z_][\w.-]{0,63})=(?P<v>[\"']))(?P<secret>(?:\\.|(?!(?P=v)).)+)"
)
_SETTING = re.compile(r"(?P<head>(?<![\w.$])(?P<name>[A-Za-z_][\w.-]{0,63})=)(?P<secret>[^\s'\"=&;,][^\s'\"&;,]*)")
_NO_VALUES = ("$", "{{")
_MAY_BE_MEMBER = re.compile(r"=|[\"'][ \t]*:")
# host=db user=me password=secret, as drivers take it in place of an address; also with semicolons.
_CONNECTION = re.compile(r"\b(?:host|server|hostaddr|dbname|database|data source)\s*=", re.IGNORECASE)
_CONNECTION_PASSWORD = re.compile(r"(?:^|[\s;])(?:password|pwd)\s*=\s*(?:'((?:\\.|[^'])*)'|([^\s;]+))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SecretMatch:
    """Where a secret stands in a text. name: what it is called, never its value."""

    start: int
    end: int
    name: str


class Masker:
    """Replaces what is secret by ``***``. Safe to use from several threads.

    names: those that say of what they stand for that it is a secret.
    unmaskable: names of secrets too short or too common to be masked without masking half of every report.
    """

    def __init__(self, names: SensitiveNames | None = None) -> None:
        self.names = SensitiveNames() if names is None else names
        self.unmaskable: set[str] = set()
        self._lock = threading.Lock()
        self._forms: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self._added: set[str] = set()
        self._max_form_length = 0
        # Short texts that hold no secret. Hosts, places and names come again and again; another secret starts it anew.
        self._clean: set[str] = set()

    # What is secret

    def add(self, value: str, name: str) -> None:
        """Declare a value secret, in every form in which it may appear."""
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
            self._forms = {**forms, **self._forms}
            self._max_form_length = max(map(len, self._forms))
            self._pattern = None
            self._clean = set()
        if secret.startswith("{"):
            self._add_json_members(secret, name)
        self.add_uri_passwords(value, name)

    def add_data(self, value: object, name: str) -> None:
        """Declare every text and number in a value secret."""
        for text in islice(_texts(value), _MAX_TEXTS):
            self.add(text, name)

    def add_derived_secret(self, text: str, name: str) -> None:
        """Declare secret what was made from a secret, unless it is too little to tell anything of it."""
        secret = text.strip()
        if len(secret) >= _MIN_DERIVED and is_maskable(secret):
            self.add(text, name)

    def add_if_sensitive(self, name: str, value: object, where: str = "") -> bool:
        """Look at a value with its name: True if that says that it is a secret; a password in an address is one, too.

        where: what the name belongs to, for people: ``var.``.
        """
        if not isinstance(value, str):
            return False
        self.add_uri_passwords(value, f"{where}{name}")
        text = value.strip()
        is_number = text.isdigit() and len(text) < _MIN_NUMBER
        is_secret = bool(text) and not is_number and text.casefold() not in COMMON_WORDS and self.names.match(name)
        if is_secret:
            self.add(value, f"{where}{name}")
        return is_secret

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """Look at all that stands in an environment; nothing is said of what can't be masked there."""
        known = set(self.unmaskable)
        for name, value in environment.items():
            self.add_if_sensitive(name, value, "env.")
        self.unmaskable = known

    def add_uri_passwords(self, text: str, name: str) -> None:
        """The passwords in the addresses of a text are secret, wherever else they stand."""
        for secret in _uri_passwords(text[:_MAX_URI_TEXT]):
            if is_maskable(secret):
                self.add(secret, f"the password in {name}")

    def _add_json_members(self, text: str, name: str) -> None:
        """What stands in a secret of JSON under names of secrets is one alone, as a private key is."""
        try:
            members = json.loads(text)
        except ValueError:
            return
        for key, value in _members(members):
            if self.names.match(key):
                self.add(value, name)

    # What is taken out

    def mask(self, text: str) -> str:
        """The text without its secrets."""
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
        """The same for a piece of a longer text: it may begin with the rest of a secret, and end with half of one."""
        text = self.mask(text)
        begins, ends = (self._is_part_of_secret(piece) for piece in (text[:MIN_FORM], text[-MIN_FORM:]))
        start = max(_suffix_overlap(form, text) for form in self._forms) if begins else 0
        end = max(_overlap(text, form) for form in self._forms) if ends else 0
        start, end = (size if size >= MIN_FORM else 0 for size in (start, end))
        if start + end > len(text):
            return MASK
        return MASK * bool(start) + text[start : len(text) - end] + MASK * bool(end)

    def excerpt(self, text: str, limit: int) -> str:
        """The text on one line without its secrets, its middle left out where it is longer than limit characters."""
        return shorten(self.mask(text), limit)

    def mask_data(self, data: object) -> object:
        """The same JSON-like data with every text in it redacted, keys included."""
        if isinstance(data, str):
            return self.mask(data)
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
        """What the secrets are called that are looked for."""
        return tuple(self._forms.values())

    def holds_secret(self, text: str) -> bool:
        """True if the text would come out changed."""
        return self.mask(text) != text

    def find(self, text: str) -> Iterator[SecretMatch]:
        """Where secrets stand that are known by their values, in any form."""
        unwrapped = UnwrappedText(text)
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
        """Finds any of the forms: for short texts the quickest way to know that there is none."""
        with self._lock:
            if self._pattern is None:
                self._pattern = re.compile("|".join(map(re.escape, self._forms)))
            return self._pattern

    def _is_part_of_secret(self, piece: str) -> bool:
        """True if a secret holds a piece of text that is as long as what counts as a part of one."""
        return len(piece) == MIN_FORM and any(piece in form for form in self._forms)

    def stream(self) -> StreamMasker:
        """A masker for text that arrives in pieces."""
        return StreamMasker(self)

    def safe_length(self, text: str) -> int:
        """How much of a text can be shown: what follows may be the beginning of a secret that goes on later."""
        line = text.rfind("\n") + 1
        cut = line if self._may_match_pattern(text[line:]) else len(text)
        if not self._forms:
            return cut
        unwrapped = UnwrappedText(text, is_partial=True)
        cut = min(cut, unwrapped.source_index(len(unwrapped.text)), self._possible_start(text, unwrapped))
        return next((start for start, end in self._exact_spans(text) if start < cut < end), cut)

    def _possible_start(self, text: str, unwrapped: UnwrappedText) -> int:
        """Where the longest end of the text begins with which a secret may begin."""
        start = len(text)
        for form in self._forms:
            if len(form) >= MIN_WRAPPED_FORM:
                size = _overlap(unwrapped.text, form)
                start = min(start, unwrapped.source_index(len(unwrapped.text) - size)) if size else start
            else:
                start = min(start, len(text) - _overlap(text, form))
        return start

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand, and what is left of them where somebody cut a text short."""
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
        """Beginnings of secrets in front of three dots, and ends of them behind."""
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
        """The text without what stands behind names of secrets; looks only at lines that may hold one."""
        if len(lowered) != len(text) or "" in self.names.cores:
            return self._mask_named_in_line(text)
        pieces: list[str] = []
        at = 0
        for start, end in self._named_lines(lowered):
            pieces += (text[at:start], self._mask_named_in_line(text[start:end]))
            at = end
        return "".join((*pieces, text[at:]))

    def _named_lines(self, lowered: str) -> list[tuple[int, int]]:
        """The lines in which a name of a secret may be."""
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
    """Redacts text that arrives in chunks: a secret split over two of them is found all the same.

    Only what may be the beginning of a secret is held back, so that a line is seen as soon as it was written.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._pending = ""

    def feed(self, text: str) -> str:
        """What can be shown now."""
        pending = self._pending + text
        cut = self._masker.safe_length(pending)
        self._pending = pending[cut:]
        return self._masker.mask(pending[:cut])

    def finish(self) -> str:
        """The rest."""
        rest, self._pending = self._masker.mask(self._pending), ""
        return rest


def _collect_texts(data: object, texts: list[str]) -> None:
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
            _collect_texts(value, texts)


def _mask_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with a mask in place of each span."""
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += (text[at:start], MASK)
        at = end
    return "".join((*pieces, text[at:])) if pieces else text


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


@lru_cache(maxsize=256)
def _uri_passwords(text: str) -> tuple[str, ...]:
    """Those in the addresses of a text."""
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
    """The length of the longest end of the text with which the secret begins, without all of it."""
    start = text.find(secret[0], max(0, len(text) - len(secret) + 1)) if secret else -1
    while start >= 0 and not secret.startswith(text[start:]):
        start = text.find(secret[0], start + 1)
    return len(text) - start if start >= 0 else 0


def _suffix_overlap(secret: str, text: str) -> int:
    """The length of the longest end of the secret with which the text begins."""
    return _overlap(secret, f"{text}\0")


def _may_hold_header(lowered: str) -> bool:
    return "authorization" in lowered or "cookie" in lowered


def _mask_secret(match: re.Match[str]) -> str:
    return f"{match['head']}{MASK}"
