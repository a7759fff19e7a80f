"""An HTTP request with its limits, and its exchange: what has been received so far."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from pathlib import Path
from typing import Any

import anyio
import httpx2

from ...errors import BlockFailed
from ...text import shorten, show_seconds
from ..tls import TlsSettings, days_until_expiry
from .url import without_credentials

MAX_BODY_SIZE = 64 * 1024 * 1024
MAX_REDIRECTS = 10
LONGEST_URL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request to send, and its limits.

    body: one argument of httpx2: content, json, data or files. auth: user and password.
    connect_timeout, read_timeout: seconds until connected, and between two pieces of the response. None: no limit.
    max_body: the most bytes of the response's body, decompressed.
    proxy: its URL; None: as the environment says.
    check: called with the URL of each request, redirects included; raises `Refused` if the URL may not be requested.
    """

    method: str
    url: httpx2.URL
    headers: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    tls: TlsSettings = field(default_factory=TlsSettings)
    follow_redirects: bool = True
    connect_timeout: float | None = 10.0
    read_timeout: float | None = 30.0
    max_body: int = MAX_BODY_SIZE
    proxy: str | None = None
    check: Callable[[str], None] | None = field(default=None, repr=False, compare=False)

    @property
    def shown_url(self) -> str:
        return shorten(without_credentials(self.url), LONGEST_URL)

    @property
    def target(self) -> str:
        """The server and the way to it, as a key for `Reachability`."""
        return str((f"{self.url.scheme}://{self.url.netloc.decode()}", self.tls, self.proxy))


class HttpExchange:
    """A request and what has been received for it so far.

    response: status and headers, once they are here. body: what has arrived, decompressed.
    headers_seconds, seconds: from the start to the end of the headers, and of the body.
    certificate: the server's, in DER; None without TLS.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.response: httpx2.Response | None = None
        self.body = bytearray()
        self.headers_seconds = 0.0
        self.seconds: float | None = None
        self.certificate: bytes | None = None
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def status(self) -> int:
        return self.received_response.status_code

    @property
    def received_response(self) -> httpx2.Response:
        """The response, for callers that know that it is here."""
        assert self.response is not None
        return self.response

    @property
    def reason(self) -> str:
        """The server's reason phrase; the standard one if the server sent none, as in HTTP/2."""
        phrase = self.received_response.extensions.get("reason_phrase", b"").decode("latin-1")
        return phrase or responses.get(self.status, "")

    @property
    def url(self) -> str:
        """The URL that the response came from, after redirects."""
        return without_credentials(self.received_response.url)

    @property
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; of several with one name, the last."""
        return {name.lower(): value for name, value in self.received_response.headers.multi_items()}

    @property
    def tls_expiry_days(self) -> int | None:
        return None if self.certificate is None else days_until_expiry(self.certificate)

    @property
    def charset(self) -> str:
        """The encoding that the server declares for the body.

        UTF-8 if it declares none, or one that decodes no text.
        """
        name = self.received_response.charset_encoding or "utf-8"
        try:
            b"a".decode(name, "replace")
        except (LookupError, UnicodeError):
            name = "utf-8"
        return "utf-8-sig" if name.lower() in ("utf-8", "utf8") else name

    def summary(self) -> str:
        """Return the exchange on one line, as far as it went: ``GET https://shop/health -> 200 in 84 ms``."""
        request_line = f"{self.request.method} {self.request.shown_url}"
        if self.response is None:
            return request_line
        redirected = f" from {self.url}" if self.response.history else ""
        if self.seconds is None:
            return f"{request_line} -> {self.status}{redirected}, {len(self.body):,} bytes of its body"
        return f"{request_line} -> {self.status}{redirected} in {show_seconds(self.seconds)}"

    def begin(self, response: httpx2.Response) -> None:
        """Record status, headers and certificate."""
        self.response = response
        self.headers_seconds = self.elapsed
        if response.url.scheme == "https":
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            self.certificate = tls.getpeercert(binary_form=True)

    def receive_chunk(self, chunk: bytes) -> None:
        """Add a piece of the body.

        :raises BlockFailed: if the body becomes larger than `max_body`.
        """
        self.body += chunk
        if len(self.body) > self.request.max_body:
            hint = "raise max_body, or ask for less: HEAD, a Range header"
            raise BlockFailed(f"the body is larger than {self.request.max_body:,} bytes", hint=hint)

    def finish(self) -> None:
        self.seconds = self.elapsed


class FileBody:
    """A file as a request's body: read while it is sent, and again if a redirect repeats the request."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        remaining = self.size  # no more than the Content-Length, should the file grow
        async with await anyio.open_file(self.path, "rb") as file:
            while chunk := await file.read(min(remaining, 65_536)):
                remaining -= len(chunk)
                yield chunk
        if remaining:
            raise BlockFailed(f"{self.path} became shorter while it was sent")
