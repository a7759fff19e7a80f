"""SSH destinations: ``[user@]host[:port]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ....errors import BlockFailed
from ....text import escape_controls, shorten

_FORM = "[user@]host[:port]; an IPv6 address with a port: [2001:db8::1]:2222"
# Special characters of the shell that runs a ProxyCommand, and a first character that makes an option.
_UNSAFE = re.compile(r"""[\s'"`$\\;&<>|(){}\x00-\x20\x7f]|^-""")
_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]+)\](?::(?P<port>.*))?")


@dataclass(frozen=True, slots=True)
class Destination:
    """A host to connect to. host: a name, an address without brackets, or an alias of ssh_config."""

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Parse ``[user@]host[:port]``. The last ``@`` separates the user, as in `ssh`.

        :raises BlockFailed: if the text is not valid.
        """
        written = text.strip()
        user, at, rest = written.removeprefix("ssh://").rpartition("@")
        host, port = _host_and_port(rest)
        if at and not user:
            raise _host_error(written, "the user before @ is empty")
        _check(user, host, written)
        return cls(host, user or None, None if port is None else _port(port, written))

    @classmethod
    def of(cls, host: str, user: str | None, port: int | None) -> Destination:
        """Return a destination with these parts. host: may be in brackets.

        :raises BlockFailed: if a part is not valid.
        """
        bare = host.strip().removeprefix("[").removesuffix("]")
        _check(user or "", bare, host)
        return cls(bare, user, port)

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        if not self.port:
            return f"{user}{self.host}"
        return f"{user}[{self.host}]:{self.port}" if ":" in self.host else f"{user}{self.host}:{self.port}"


def _check(user: str, host: str, written: str) -> None:
    if not host:
        raise _host_error(written, "the host is empty")
    for part in (user, host):
        if found := _UNSAFE.search(part):
            raise _host_error(written, f"{found[0]!r} can't stand in it")


def _host_and_port(text: str) -> tuple[str, str | None]:
    """Split a text. More than one colon without brackets is an IPv6 address without a port, as in `ssh`."""
    if bracketed := _BRACKETED.fullmatch(text):
        return bracketed["host"], bracketed["port"]
    if text.count(":") != 1:
        return text, None
    host, _, port = text.partition(":")
    return host, port


def _port(text: str, written: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 1 << 16):
        raise _host_error(written, f'"{text}" is no port: 1 to 65535')
    return int(text)


def _host_error(written: str, reason: str) -> BlockFailed:
    return BlockFailed(f'"{escape_controls(shorten(written, 80))}" is no host: {reason}', hint=_FORM)
