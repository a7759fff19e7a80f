"""TLS as a client sees it: whom to trust, who we are, and how long the other side's certificate lasts."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..errors import BlockFailed

_UTC_TIME = 0x17
_VERSION = 0xA0
_FIELDS_BEFORE_VALIDITY = 3
_LONG_FORM = 0x80
_SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """What a block says about TLS. Files hold PEM.

    verify: False takes any certificate. ca: a file with the certificates to trust; None: those of the system.
    cert, key, key_password: who we are; the key may be in the certificate's file.
    """

    verify: bool = True
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)

    def ssl_context(self) -> ssl.SSLContext | None:
        """The settings as the ssl module takes them; None where they are the defaults.

        :raises BlockFailed: if a file can't be read or used.
        """
        if self == TlsSettings():
            return None
        context = self._trusting_context()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert is not None:
            self._load_client_certificate(context, self.cert)
        return context

    def _trusting_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # ssl.SSLError is one
            hint = "`ca` names a PEM file with one or more certificates"
            raise BlockFailed(f"no certificates to trust in {self.ca}: {_reason(error)}", hint=hint) from error

    def _load_client_certificate(self, context: ssl.SSLContext, cert: str) -> None:
        password = self.key_password
        try:
            # A function: for an encrypted key without a password, OpenSSL would ask the terminal.
            context.load_cert_chain(cert, self.key, password=lambda: password or "")
        except OSError as error:
            which = cert if self.key is None else f"{cert} with the key {self.key}"
            hint = "`cert` and `key` name PEM files that belong together; `key_password` opens an encrypted key"
            raise BlockFailed(f"no client certificate in {which}: {_reason(error)}", hint=hint) from error


class _NamedContext(ssl.SSLContext):
    """Looks for a name in the server's certificate, wherever the connection itself is made to.

    server: the name.
    """

    server: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.server, session)


def ssl_context_for(server: str, ca: str | None) -> ssl.SSLContext:
    """A context that verifies a server of this name behind a tunnel, whose near end has another one.

    ca: a file with the certificates to trust; None: those of the system.

    :raises OSError: if that can't be read.
    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server = server
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca)
    return context


def path_in_folder(folder: Path, file: str) -> str:
    """The path of a file that is named relative to a folder; ~ is somebody's home."""
    return str(folder / Path(file).expanduser())


def days_until_expiry(certificate: bytes) -> int:
    """Whole days until a certificate (DER) expires, negative once it has."""
    return math.floor((_not_after(certificate).timestamp() - time.time()) / _SECONDS_OF_A_DAY)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM").replace("_", " ").lower()
    return error.strerror or str(error)


def _not_after(certificate: bytes) -> datetime:
    """When a certificate expires. The ssl module tells it only of certificates that it verified.

    Source: RFC 5280, section 4.1: Certificate > TBSCertificate > validity > notAfter.
    """
    signed = next(_elements(next(_elements(certificate))[1]))[1]
    fields = (element for element in _elements(signed) if element[0] != _VERSION)
    validity = [content for _, content in fields][_FIELDS_BEFORE_VALIDITY]
    _, (kind, text) = _elements(validity)
    written = text.decode("ascii").rstrip("Z")
    if kind == _UTC_TIME:
        written = ("20" if int(written[:2]) < 50 else "19") + written
    return datetime.strptime(written, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element of a DER sequence's content."""
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & _LONG_FORM:
            length = size & ~_LONG_FORM
            size = int.from_bytes(data[at : at + length])
            at += length
        yield tag, data[at : at + size]
        at += size
