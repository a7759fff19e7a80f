"""Keys and certificates to log in with, in the order in which `ssh` tries them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from anyio import to_thread
from asyncssh.public_key import CERT_TYPE_USER, SSHOpenSSHCertificate

from ....errors import Unreachable
from ....messages.events import EventKind
from ..config.options import HostOptions
from ..target import Credentials

CertificateListener = Callable[[EventKind, str], object]
_HEADER = "-----BEGIN"
_CERTIFICATE_FAULTS = {
    "Certificate expired": EventKind.SSH_CERTIFICATE_EXPIRED,
    "Certificate not yet valid": EventKind.SSH_CERTIFICATE_NOT_YET_VALID,
}


@dataclass(slots=True)
class Identities:
    """Keys to try.

    names: their names for the report. problems: one line for each key that can't be tried.
    """

    keys: list[asyncssh.SSHKeyPair] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    agent: asyncssh.SSHAgentClient | None = None

    async def aclose(self) -> None:
        if self.agent is not None:
            self.agent.close()
            await self.agent.wait_closed()


class IdentityLoader:
    """Collects the keys for one host."""

    def __init__(
        self, options: HostOptions, credentials: Credentials, on_certificate_problem: CertificateListener
    ) -> None:
        self._options = options
        self._credentials = credentials
        self._on_certificate_problem = on_certificate_problem
        self._found = Identities()

    async def load(self) -> Identities:
        """Return the keys.

        :raises Unreachable: if a key that the runbook itself names can't be used.
        """
        if "publickey" not in self._options.methods:
            return self._found
        if self._credentials.identity is not None:
            await self._add_runbook_key(self._credentials.identity)
            if self._credentials.is_only:
                return self._found
        try:
            await self._add_all()
        except BaseException:
            await self._found.aclose()
            raise
        return self._found

    async def _add_runbook_key(self, identity: str) -> None:
        is_pasted = identity.lstrip().startswith(_HEADER)
        path = None if is_pasted else _path(identity)
        name = "the given key" if path is None else str(path)
        try:
            key = await self._import_key(identity.strip() + "\n" if path is None else _read(path))
        except OSError as error:
            raise Unreachable(
                f"the key {name} can't be read: {error.strerror}", hint="a path, or the key's text"
            ) from error
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise Unreachable(
                f"the key can't be used: {name}: {_key_error_reason(error)}", hint=_hint(error)
            ) from error
        self._add(key, name, self._certificate_of(path, key))

    async def _add_all(self) -> None:
        from_agent = await self._agent_keys()
        named_blobs = {blob for path in self._options.identity_files if (blob := _read_public_key(path))}
        named = [key for key in from_agent if key.public_data in named_blobs]
        others = [] if self._options.identities_only else [key for key in from_agent if key not in named]
        for key in (*named, *others):
            self._found.keys.append(key)
            self._found.names.append(f"{key.get_comment()} (agent)")
        in_agent = {key.public_data for key in from_agent}
        for path in self._options.identity_files:
            if _read_public_key(path) not in in_agent:
                await self._add_file(path)

    async def _agent_keys(self) -> Sequence[asyncssh.SSHKeyPair]:
        if self._options.identity_agent is None:
            return ()
        try:
            agent = self._found.agent = await asyncssh.connect_agent(self._options.identity_agent)
            return await agent.get_keys()
        except (OSError, ValueError, asyncssh.Error) as error:
            self._found.problems.append(f"the agent at {self._options.identity_agent} does not answer: {error}")
            return ()

    async def _add_file(self, path: Path) -> None:
        try:
            key = await self._import_key(_read(path))
        except FileNotFoundError:
            if not self._options.is_default_identity:
                self._found.problems.append(f"{path} does not exist")
        except OSError as error:
            self._found.problems.append(f"{path}: {os.strerror(error.errno or 0)}")
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            self._found.problems.append(f"{path}: {_key_error_reason(error)}")
        else:
            self._add(key, str(path), self._certificate_of(path, key))

    async def _import_key(self, data: str) -> asyncssh.SSHKey:
        """Parse a private key, in a thread, because decrypting one is slow by design."""
        passphrase = self._credentials.passphrase
        encoded = data.encode(errors="surrogateescape")
        return await to_thread.run_sync(lambda: asyncssh.import_private_key(encoded, passphrase))

    def _add(self, key: asyncssh.SSHKey, name: str, certificate: asyncssh.SSHCertificate | None) -> None:
        pairs = asyncssh.load_keypairs([(key, certificate) if certificate is not None else key])
        for pair in pairs:
            self._found.keys.append(pair)
            self._found.names.append(f"{name} with its certificate" if pair.has_cert else name)

    def _certificate_of(self, path: Path | None, key: asyncssh.SSHKey) -> asyncssh.SSHCertificate | None:
        """Return the certificate for a key: the given one, else a configured one, else the file beside the key."""
        from_runbook = self._credentials.certificate
        if from_runbook is not None and "-cert-v01@" in from_runbook:
            return self._valid_certificate(from_runbook.encode(), "the given certificate", key, must_match=True)
        named = self._options.certificate_files if from_runbook is None else (_path(from_runbook),)
        for file in named:
            if certificate := self._certificate_file(file, key, must_match=from_runbook is not None):
                return certificate
        sibling = None if path is None else path.with_name(f"{path.name}-cert.pub")
        has_sibling = from_runbook is None and sibling is not None and sibling.exists()
        return self._certificate_file(sibling, key, must_match=True) if sibling is not None and has_sibling else None

    def _certificate_file(
        self, file: Path, key: asyncssh.SSHKey, *, must_match: bool
    ) -> asyncssh.SSHCertificate | None:
        try:
            return self._valid_certificate(file.read_bytes(), str(file), key, must_match=must_match)
        except OSError as error:
            self._on_certificate_problem(EventKind.SSH_CERTIFICATE_LOAD_FAILED, f"{file}: {error.strerror}")
            return None

    def _valid_certificate(
        self, data: bytes, name: str, key: asyncssh.SSHKey, *, must_match: bool
    ) -> asyncssh.SSHCertificate | None:
        """Return the certificate if it is valid now and belongs to the key; else None, and the plain key is used."""
        try:
            certificate = asyncssh.import_certificate(data)
            if not isinstance(certificate, SSHOpenSSHCertificate):
                raise ValueError("it is no certificate of OpenSSH's kind")
            if certificate.key.public_data == key.public_data:
                certificate.validate(CERT_TYPE_USER, None)
                return certificate
            if must_match:
                raise ValueError("it belongs to another key")
        except ValueError as error:
            self._on_certificate_problem(
                _CERTIFICATE_FAULTS.get(str(error), EventKind.SSH_CERTIFICATE_LOAD_FAILED), f"{name}: {error}"
            )
        return None


def _path(text: str) -> Path:
    return Path(text.strip()).expanduser()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _read_public_key(path: Path) -> bytes | None:
    """Return the public key of an identity file, from the ``.pub`` file beside it or the file itself."""
    for file in (path.with_name(f"{path.name}.pub"), path):
        try:
            return asyncssh.read_public_key(file).public_data
        except (OSError, asyncssh.KeyImportError):
            continue
    return None


def _key_error_reason(error: Exception) -> str:
    text = str(error)
    if "Passphrase must be specified" in text:
        return "it is encrypted, and no passphrase is given"
    return "the passphrase is wrong" if isinstance(error, asyncssh.KeyEncryptionError) else text


def _hint(error: Exception) -> str:
    if "assphrase" in str(error) or isinstance(error, asyncssh.KeyEncryptionError):
        return 'give it from a secret: passphrase: "{{ secret.KEY_PASSPHRASE }}"'
    return "a private key as OpenSSH or PEM has it, begin and end lines included"
