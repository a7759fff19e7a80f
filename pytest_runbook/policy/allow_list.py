"""The allow list: patterns of the block types, interpreters, hosts and URLs that a run may use.

It is checked where a block is about to start a program or open a connection, so that no other path avoids it.
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
MAX_LISTED = 5
"""The most patterns that an error message lists."""
ANY = "*"
DEFAULT_PORTS: Mapping[str, int] = {
    "http": 80,
    "https": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mariadb": 3306,
}
# Query parameters of a database's URI that override the host in it.
_LOCATION_PARAMETERS = frozenset({"host", "hostaddr", "port", "service", "unix_socket", "socket", "proxy"})
_ENV_PROGRAMS = frozenset({"env", "/usr/bin/env", "/bin/env"})
_URL = re.compile(r"(?P<scheme>[\w.+*-]+)://(?P<host>\[[^\]]*\]|[^/:]*)(?::(?P<port>\d+|\*))?(?P<path>/.*)?")
_FILE = re.compile(r"(?P<scheme>sqlite):(?!//)(?P<path>.+)")


@dataclass(frozen=True, slots=True)
class UrlPattern:
    """A pattern for URLs, matched part by part, so that a ``*`` never matches across parts.

    port: "*" matches any; "" means the default port of the scheme.
    """

    written: str
    scheme: str
    host: str
    port: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a pattern such as ``https://*.corp/*`` or ``sqlite:/srv/*``.

        :raises ValueError: if the text is no pattern.
        """
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
    """The allow list of a run. If it has no pattern of a kind, everything of that kind is allowed."""

    types: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    urls: tuple[UrlPattern, ...] = ()

    @classmethod
    def of(cls, lines: Iterable[str], types: Mapping[str, str]) -> Self:
        """Parse lines such as ``type: script, http``. types: the block types by each of their names.

        :raises ValueError: if a line is invalid.
        """
        found: dict[str, list[str]] = {kind: [] for kind in RULE_KINDS}
        for line in lines:
            kind, colon, patterns_text = line.partition(":")
            kind = kind.strip()
            patterns = [pattern.strip() for pattern in patterns_text.split(",")]
            if kind not in found:
                near = nearest(kind, RULE_KINDS)
                hint = f"did you mean {near}?" if near else f"one of {', '.join(RULE_KINDS)}"
                raise ValueError(f'"{line}": {hint}')
            if not colon or not all(patterns):
                raise ValueError(f'"{line}" lacks a pattern: {kind}: PATTERN, PATTERN')
            found[kind] += patterns
        return cls(
            types=tuple(_known_type(name, types) for name in found["type"]),
            interpreters=tuple(found["interpreter"]),
            hosts=tuple(host.lower() for host in found["host"]),
            urls=tuple(map(UrlPattern.parse, found["url"])),
        )

    def check_type(self, name: str, shown: str) -> None:
        """Check a block type. shown: its name in the error.

        :raises Refused: if blocks of the type may not run.
        """
        if self.types and name not in self.types:
            raise _refused("type", shown, self.types)

    def check_interpreter(self, words: tuple[str, ...]) -> None:
        """Check the command that interprets a script.

        :raises Refused: if it may not be used.
        """
        commands = {" ".join(words)}
        # `env python3` is also looked up as python3, unless env has options or sets variables.
        if words[0] in _ENV_PROGRAMS and len(words) > 1 and not re.search("^-|=", words[1]):
            commands.add(" ".join(words[1:]))
        if self.interpreters and not _any_matches(commands, self.interpreters):
            raise _refused("interpreter", " ".join(words), self.interpreters)

    def check_host(self, *names: str) -> None:
        """Check a host under all of its names. One that is allowed is enough.

        :raises Refused: if none of them is.
        """
        if self.hosts and not _any_matches({name.lower().strip("[]") for name in names}, self.hosts):
            raise _refused("host", " = ".join(dict.fromkeys(names)), self.hosts)

    @property
    def url_check(self) -> Callable[[str], None] | None:
        """`check_url`; None if it would allow everything, so that the caller need not build a URL."""
        return self.check_url if self.hosts or self.urls else None

    def check_url(self, url: str) -> None:
        """Check a URL or the URI of a database, and the host in it.

        :raises Refused: if it may not be used.
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
    """Return the refusal that a check raises; None if it raises none."""
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
    """Return scheme, host, port and path of a URL as clients understand them.

    :raises Refused: if the host or the path is not certain.
    """
    if url.startswith("sqlite:"):
        return "sqlite", "", ANY, url.removeprefix("sqlite:")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"{ALLOW_SETTING}: it is not clear where the URL leads: {error}") from None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    is_http = scheme in ("http", "https")
    location_parameters = {
        name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)
    } & _LOCATION_PARAMETERS
    # Drivers of databases accept several hosts, and parameters that replace the host. Some clients read a backslash as
    # a slash, others do not.
    if not host or "," in parts.netloc.rpartition("@")[2] or "\\" in url or (location_parameters and not is_http):
        raise Refused(f"{ALLOW_SETTING}: it is not clear from the URI which host it leads to")
    path = unquote(parts.path or "/")
    # Servers resolve the dots: /public/../admin is /admin.
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
    more = f", ... ({len(known)})" if len(known) > MAX_LISTED else ""
    return Refused(f"{ALLOW_SETTING} has no {kind} {shown}; it has {', '.join(known[:MAX_LISTED])}{more}")
