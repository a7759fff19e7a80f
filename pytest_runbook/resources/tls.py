"""TLS for clients: trusted certificates, the client's own certificate, and the expiry of the server's."""

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
    """The TLS settings of a block. Files are in PEM format.

    verify: False accepts any certificate. ca: a file with the certificates to trust; None: those of the system.
    cert, key, key_password: the client's certificate; the key may be in the certificate's file.
    """

    verify: bool = True
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the settings as an SSL context; None if they are the defaults.

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
            # Without a password function, OpenSSL would ask for the password of an encrypted key on the terminal.
            context.load_cert_chain(cert, self.key, password=lambda: password or "")
        except OSError as error:
            which = cert if self.key is None else f"{cert} with the key {self.key}"
            hint = "`cert` and `key` name PEM files that belong together; `key_password` opens an encrypted key"
            raise BlockFailed(f"no client certificate in {which}: {_reason(error)}", hint=hint) from error


class _NamedContext(ssl.SSLContext):
    """A context that verifies the server's certificate for this name, whatever address is connected to.

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
    """Return a context that verifies a server behind a tunnel by the server's own name.

    The near end of the tunnel has another name.
    ca: a file with the certificates to trust; None: those of the system.
    :raises OSError: if the file can't be read.
    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server = server
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca)
    return context


def path_in_folder(folder: Path, file: str) -> str:
    """Return the path of a file that is named relative to a folder; ``~`` is a home directory."""
    return str(folder / Path(file).expanduser())


def days_until_expiry(certificate: bytes) -> int:
    """Return the whole days until a certificate (DER) expires; negative once it has expired."""
    return math.floor((_not_after(certificate).timestamp() - time.time()) / _SECONDS_OF_A_DAY)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM").replace("_", " ").lower()
    return error.strerror or str(error)


def _not_after(certificate: bytes) -> datetime:
    """Return when a certificate expires.

    It is parsed here because the ssl module gives the fields only of certificates that it has verified.
    Source: RFC 5280, section 4.1: Certificate > TBSCertificate > validity > notAfter.
    """
    signed = next(_elements(next(_elements(certificate))[1]))[1]
    fields = (element for element in _elements(signed) if element[0] != _VERSION)
    validity = [content for _, content in fields][_FIELDS_BEFORE_VALIDITY]
    _, (kind, text) = _elements(validity)
    written = text.decode("ascii").rstrip("Z")
    if kind == _UTC_TIME:
        written = ("20" if int(written[:2]) < 50 else "19") + written  # RFC 5280, section 4.1.2.5.1
    return datetime.strptime(written, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element in the content of a DER sequence."""
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
