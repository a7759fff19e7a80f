"""Checks host keys against known_hosts, as StrictHostKeyChecking demands."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from ....errors import Unreachable
from ..config.options import HostKeyPolicy, HostOptions
from .known_hosts import KnownHost, KnownHosts, Marker, add_known_host

Trusted = tuple[list[asyncssh.SSHKey], list[asyncssh.SSHKey], list[asyncssh.SSHKey]]


class HostKeys:
    """Decides about the key of one host, and keeps the reason of a refusal.

    refusal: the error; None as long as nothing was refused.
    is_changed: the host was accepted with another key than the known one, because the user wants no check. It gets no
    password then.
    warn: called with changes of the user's known_hosts file.
    """

    def __init__(
        self, options: HostOptions, known: KnownHosts, add_to: Path | None, warn: Callable[[str], object]
    ) -> None:
        self.refusal: Unreachable | None = None
        self.is_changed = False
        self._options = options
        self._name = options.name or options.hostname
        self._port = 22 if options.name else options.port
        self._add_to = add_to
        self._warn = warn
        self._lines = known.matching(self._name, self._port)

    def trusted(self, host: str, address: str, port: int | None) -> Trusted:
        """Return the keys that are known for the host: its own, those of authorities, and revoked ones."""
        host_keys, authorities, revoked = (
            self._keys(marker) for marker in (Marker.HOST, Marker.AUTHORITY, Marker.REVOKED)
        )
        return host_keys, authorities, revoked

    def algorithms(self) -> Sequence[str]:
        """Return the key algorithms to ask for, in order.

        Certificates come first if an authority is known for the host, then the algorithms of known keys, then all
        others.
        """
        is_signed = any(line.marker is Marker.AUTHORITY for line in self._lines)
        known = [algorithm for key in self._keys(Marker.HOST) for algorithm in key.sig_algorithms]
        algorithms = [*(get_default_certificate_algs() if is_signed else ()), *known, *get_default_public_key_algs()]
        return [algorithm.decode() for algorithm in dict.fromkeys(algorithms)]

    def accepts(self, key: asyncssh.SSHKey) -> bool:
        """Return True if a key that is not known for the host is accepted."""
        known = self._known_host_lines()
        if self._options.policy is HostKeyPolicy.OFF:
            self.is_changed = bool(known)
        elif known:
            self.refusal = self._changed_key_error(key, known)
            return False
        elif self._options.policy is HostKeyPolicy.STRICT:
            self.refusal = self._unknown_key_error(key)
            return False
        if not known:
            self._add_to_known_hosts(key)
        return True

    def explain_refusal(self, reason: str) -> Unreachable:
        """Return the error for a host key that asyncssh refused."""
        if self.refusal is not None:
            return self.refusal
        where = next((line.location for line in self._lines if line.marker is Marker.REVOKED), None)
        if "revoked" in reason and where is not None:
            message = f"the host key of {self._options.address} is revoked: {where}"
            return Unreachable(message, hint="ask who revoked it; the host needs a new key")
        authority = next((line.location for line in self._lines if line.marker is Marker.AUTHORITY), None)
        trusted = f" (trusted: {authority})" if authority else ""
        message = f"the certificate of {self._options.address} is not accepted: {reason}{trusted}"
        return Unreachable(message, hint="ssh-keygen -L -f on the host's ..-cert.pub shows its names, dates and signer")

    def _known_host_lines(self) -> list[KnownHost]:
        return [line for line in self._lines if line.marker is Marker.HOST]

    def _keys(self, marker: Marker) -> list[asyncssh.SSHKey]:
        keys = []
        for line in self._lines:
            if line.marker is marker:
                with suppress(asyncssh.KeyImportError):  # asyncssh does not know the type, so no host can use it
                    keys.append(asyncssh.import_public_key(f"{line.algorithm} {base64.b64encode(line.blob).decode()}"))
        return keys

    def _unknown_key_error(self, key: asyncssh.SSHKey) -> Unreachable:
        port = "" if self._port == 22 else f"-p {self._port} "
        file = self._add_to or "the known_hosts of this run"
        return Unreachable(
            f"the host key of {self._options.address} is not known: {_key_fingerprint(key)}",
            hint=f"compare it with the host's own, then: ssh-keyscan {port}{self._name} >> {file} "
            "(or in ssh_config: StrictHostKeyChecking accept-new)",
        )

    def _changed_key_error(self, key: asyncssh.SSHKey, known: Sequence[KnownHost]) -> Unreachable:
        locations = ", ".join(str(line.location) for line in known[:3])
        name = self._name if self._port == 22 else f"[{self._name}]:{self._port}"
        return Unreachable(
            f"the host key of {self._options.address} has changed: it is {_key_fingerprint(key)} now, "
            f"and {locations} has another",
            hint=f"was the host set up anew? Then: ssh-keygen -R '{name}' -f {known[0].location.path}. "
            "If not, this may be a man-in-the-middle attack",
        )

    def _add_to_known_hosts(self, key: asyncssh.SSHKey) -> None:
        if self._add_to is None:
            return
        data = key.public_data
        try:
            add_known_host(self._add_to, self._name, self._port, key.get_algorithm(), data,
                           hashed=self._options.hash_known_hosts)  # fmt: skip
        except OSError as error:
            self._warn(f"ssh: the key of {self._options.address} can't be added to {self._add_to}: {error.strerror}")
        else:
            self._warn(
                f"ssh: the key of {self._options.address} was new and is now in {self._add_to}: {_key_fingerprint(key)}"
            )


def _key_fingerprint(key: asyncssh.SSHKey) -> str:
    digest = base64.b64encode(hashlib.sha256(key.public_data).digest()).decode().rstrip("=")
    return f"{key.get_algorithm()} SHA256:{digest}"
