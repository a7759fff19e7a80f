"""Lines of known_hosts files: the keys of hosts, and where each stands.

Source: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ....errors import BlockFailed, Location
from ..config.host_patterns import matches_list


class Marker(StrEnum):
    """The marker of a line. HOST: a line without a marker."""

    HOST = ""
    AUTHORITY = "@cert-authority"
    REVOKED = "@revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHost:
    """One line. hosts: patterns, or one hashed name. blob: the public key in SSH's wire format."""

    marker: Marker
    hosts: str
    algorithm: str
    blob: bytes
    location: Location

    def is_for(self, name: str) -> bool:
        if not self.hosts.startswith("|"):
            return matches_list(name, self.hosts.split(","))
        try:
            _, magic, salt, digest = self.hosts.split("|")
            return magic == "1" and hmac.compare_digest(
                _hash_name(name, base64.b64decode(salt)), base64.b64decode(digest)
            )
        except (ValueError, binascii.Error):
            return False


class KnownHosts:
    """All lines of some files, or of a text in place of them."""

    def __init__(self, lines: Iterable[KnownHost]) -> None:
        self._lines = tuple(lines)

    @classmethod
    def of_files(cls, paths: Iterable[Path]) -> KnownHosts:
        """Read files. A file that does not exist has no lines.

        :raises BlockFailed: if a file can't be read.
        """
        return cls(line for path in paths for line in _read_lines(path))

    @classmethod
    def of_text(cls, text: str, label: str) -> KnownHosts:
        return cls(_parse_lines(text, label))

    def matching(self, name: str, port: int) -> tuple[KnownHost, ...]:
        """Return the lines for a host; for a port other than 22 those with the port, else those without one."""
        names = (name,) if port == 22 else (f"[{name}]:{port}", name)
        for written in names:
            found = tuple(line for line in self._lines if line.is_for(written.lower()))
            if any(line.marker is not Marker.REVOKED for line in found):
                return found + tuple(line for line in self._revoked(names) if line not in found)
        return tuple(self._revoked(names))

    def _revoked(self, names: tuple[str, ...]) -> Iterator[KnownHost]:
        revoked = (line for line in self._lines if line.marker is Marker.REVOKED)
        return (line for line in revoked if any(line.is_for(name.lower()) for name in names))


def add_known_host(path: Path, name: str, port: int, algorithm: str, blob: bytes, *, hashed: bool) -> None:
    """Append the key of a host to a file.

    :raises OSError: if the file can't be written.
    """
    host = (name if port == 22 else f"[{name}]:{port}").lower()
    if hashed:
        salt = secrets.token_bytes(20)
        host = "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, _hash_name(host, salt)))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = f"{host} {algorithm} {base64.b64encode(blob).decode()}\n".encode()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(file).st_size
        is_open = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        os.write(file, b"\n" * is_open + line)
    finally:
        os.close(file)


def _hash_name(name: str, salt: bytes) -> bytes:
    return hmac.new(salt, name.encode(errors="surrogateescape"), hashlib.sha1).digest()


def _read_lines(path: Path) -> Iterator[KnownHost]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BlockFailed(f"{path} can't be read: {error.strerror}", hint="correct its permissions") from error
    yield from _parse_lines(text, str(path))


def _parse_lines(text: str, label: str) -> Iterator[KnownHost]:
    """Yield the valid lines. Others are ignored, as `ssh` does."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in tuple(Marker):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except binascii.Error:
            continue
        yield KnownHost(
            marker=Marker(marker), hosts=words[0], algorithm=words[1], blob=blob, location=Location(label, number)
        )
