"""What may run here: block types, interpreters, hosts and URLs, by patterns of the person who owns the place.

Asked where something is about to be started or connected to, so that no way leads around it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import Refused
from ..text import nearest

ALLOW_SETTING = "runbook_allow"
RULE_KINDS = ("type", "interpreter", "host", "url")
LONGEST_LISTING = 5
ANY = "*"
DEFAULT_PORTS: Mapping[str, int] = {
    "http": 80,
    "https": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
}
# Parameters of a database's URI that say where it is, in place of the URI itself.
_LOCATION_PARAMETERS = frozenset({"host", "hostaddr", "port", "service", "unix_socket", "socket", "proxy"})
_ENV_PROGRAMS = frozenset({"env", "/usr/bin/env", "/bin/env"})
_URL = re.compile(r"(?P<scheme>[\w.+*-]+)://(?P<host>\[[^\]]*\]|[^/:]*)(?::(?P<port>\d+|\*))?(?P<path>/.*)?")
_FILE = re.compile(r"(?P<scheme>sqlite):(?!//)(?P<path>.+)")


@dataclass(frozen=True, slots=True)
class UrlPattern:
    """A pattern of URLs, part by part: no ``*`` reaches from one part into the next. port: "*" is any, "" the usual one
    of the scheme.
    """

    written: str
    scheme: str
    host: str
    port: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """:raises ValueError: if it is none."""
        match = _FILE.fullmatch(text) or _URL.fullmatch(text)
        if match is None:
            raise ValueError(f'url "{text}" is no pattern: like https://*.corp/*, https://*:8443/, sqlite:/srv/*')
        parts = {"host": "", "port": None, **match.groupdict()}
        scheme = str(parts["scheme"]).lower()
        host, port = str(parts["host"]).lower().strip("[]"), str(parts["port"] or "")
        return cls(text, scheme, host, port, str(parts["path"] or "/*"))

    def matches(self, scheme: str, host: str, port: str, path: str) -> bool:
        pairs = ((scheme, self.scheme), (host, self.host), (port, self.port or _port(scheme)), (path, self.path))
        return all(fnmatchcase(value, pattern) for value, pattern in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """Patterns by what they are about; none of a sort allows everything of it."""

    types: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    urls: tuple[UrlPattern, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[str], types: Mapping[str, str]) -> Self:
        """What lines such as ``type: script, http`` say. types: the block types by every name that they have.

        :raises ValueError: if a line makes no sense.
        """
        found: dict[str, list[str]] = {kind: [] for kind in RULE_KINDS}
        for line in lines:
            sort, colon, patterns_text = line.partition(":")
            patterns = [pattern.strip() for pattern in patterns_text.split(",")]
            if sort.strip() not in found:
                near = nearest(sort.strip(), RULE_KINDS)
                hint = f"did you mean {near}?" if near else f"one of {', '.join(RULE_KINDS)}"
                raise ValueError(f'"{line}": {hint}')
            if not colon or not all(patterns):
                raise ValueError(f'"{line}" says nothing: {sort.strip()}: PATTERN, PATTERN')
            found[sort.strip()] += patterns
        return cls(
            types=tuple(_known_type(name, types) for name in found["type"]),
            interpreters=tuple(found["interpreter"]),
            hosts=tuple(host.lower() for host in found["host"]),
            urls=tuple(map(UrlPattern.parse, found["url"])),
        )

    def check_type(self, name: str, shown: str) -> None:
        """:raises Refused: if no block of that type may run here."""
        if self.types and name not in self.types:
            raise _refused("type", shown, self.types)

    def check_interpreter(self, words: tuple[str, ...]) -> None:
        """:raises Refused: if that command may run nothing here."""
        commands = {" ".join(words)}
        if words[0] in _ENV_PROGRAMS and len(words) > 1 and not re.search("^-|=", words[1]):
            commands.add(" ".join(words[1:]))
        if self.interpreters and not _any_matches(commands, self.interpreters):
            raise _refused("interpreter", " ".join(words), self.interpreters)

    def check_host(self, *names: str) -> None:
        """Look at a host under its names, of which one must be allowed.

        :raises Refused: if none is.
        """
        if self.hosts and not _any_matches({name.lower().strip("[]") for name in names}, self.hosts):
            raise _refused("host", " = ".join(dict.fromkeys(names)), self.hosts)

    @property
    def url_check(self) -> Callable[[str], None] | None:
        """`check_url`; None where it would refuse nothing, so that no URL need be made for it."""
        return self.check_url if self.hosts or self.urls else None

    def check_url(self, url: str) -> None:
        """Look at a URL, or a database's URI, and at the host in it.

        :raises Refused: if nothing may be asked there.
        """
        if self.url_check is None:
            return
        scheme, host, port, path = _parts(url)
        shown = f"{scheme}:{path}" if scheme == "sqlite" else f"{scheme}://{_authority(scheme, host, port)}{path}"
        if scheme != "sqlite":
            self.check_host(host)
        if self.urls and not any(pattern.matches(scheme, host, port, path) for pattern in self.urls):
            raise _refused("url", shown, [pattern.written for pattern in self.urls])


ALLOW_EVERYTHING = AllowList()


def caught_refusal(check: Callable[[], None]) -> Refused | None:
    """What a check refuses, None if it does not."""
    try:
        check()
    except Refused as refusal:
        return refusal
    return None


def _known_type(name: str, types: Mapping[str, str]) -> str:
    if name not in types:
        near = nearest(name, list(types))
        raise ValueError(f'type "{name}" is none: {f"did you mean {near}?" if near else ", ".join(types)}')
    return types[name]


def _any_matches(values: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns for value in values)


def _parts(url: str) -> tuple[str, str, str, str]:
    """Scheme, host, port and path, as those who connect understand them.

    :raises Refused: if that can't be told.
    """
    if url.startswith("sqlite:"):
        return "sqlite", "", ANY, url.removeprefix("sqlite:")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"{ALLOW_SETTING}: nobody can tell where the URL leads: {error}") from None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    is_http = scheme in ("http", "https")
    location_parameters = {
        name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)
    } & _LOCATION_PARAMETERS
    if not host or "," in parts.netloc.rpartition("@")[2] or "\\" in url or (location_parameters and not is_http):
        raise Refused(f"{ALLOW_SETTING}: nobody can tell from the URI which host it leads to")
    path = unquote(parts.path or "/")
    path = posixpath.normpath(path) + ("/" if path.endswith("/") and path != "/" else "")
    return scheme, _ascii(host), str(port or _port(scheme)), "/" + path.lstrip("/")


def _port(scheme: str) -> str:
    return str(DEFAULT_PORTS[scheme]) if scheme in DEFAULT_PORTS else ANY


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return host


def _authority(scheme: str, host: str, port: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port in (ANY, _port(scheme)) else f"{shown}:{port}"


def _refused(kind: str, shown: str, patterns: Iterable[str]) -> Refused:
    known = list(patterns)
    more = f", ... ({len(known)})" if len(known) > LONGEST_LISTING else ""
    return Refused(f"{ALLOW_SETTING} has no {kind} {shown}; it has {', '.join(known[:LONGEST_LISTING])}{more}")
