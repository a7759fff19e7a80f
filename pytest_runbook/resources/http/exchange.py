"""An HTTP request and what has come of it so far."""

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
LONGEST_URL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What is to be sent, and within which limits.

    body: as httpx2 takes it: one of content, json, data, files. auth: user and password.
    connect_timeout, read_timeout: seconds until connected, and of silence; None: as long as it takes.
    max_body: the most bytes of an answer's body, decompressed.
    proxy: its URL; None: as the environment says.
    check: looks at each URL that is asked, redirects included, and raises `Refused` if that may not be.
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
        """What has to be reached, and how, for those who count what could not be."""
        return str((f"{self.url.scheme}://{self.url.netloc.decode()}", self.tls, self.proxy))


class HttpExchange:
    """One request and what has come of it so far.

    response: status and headers, once they are here. body: as far as it has arrived, decompressed.
    headers_seconds, seconds: from the start until the headers and until the end of the body were here.
    certificate: of the server, DER; None without TLS.
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
        """The response, for those who know that it is here."""
        assert self.response is not None
        return self.response

    @property
    def reason(self) -> str:
        """The server's word for its status; the standard's where it gave none, as in HTTP/2."""
        phrase = self.received_response.extensions.get("reason_phrase", b"").decode("latin-1")
        return phrase or responses.get(self.status, "")

    @property
    def url(self) -> str:
        """Where the answer came from, after redirects."""
        return without_credentials(self.received_response.url)

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; of several with one name, the last."""
        return {name.lower(): value for name, value in self.received_response.headers.multi_items()}

    @property
    def tls_expiry_days(self) -> int | None:
        return None if self.certificate is None else days_until_expiry(self.certificate)

    @property
    def charset(self) -> str:
        """The body's encoding as the server names it; UTF-8 where it names none, or one that decodes no text."""
        name = self.received_response.charset_encoding or "utf-8"
        try:
            b"a".decode(name, "replace")
        except (LookupError, UnicodeError):
            name = "utf-8"
        return "utf-8-sig" if name.lower() in ("utf-8", "utf8") else name

    def summary(self) -> str:
        """The exchange in a line, as far as it came: ``GET https://shop/health -> 200 in 84 ms``."""
        request_line = f"{self.request.method} {self.request.shown_url}"
        if self.response is None:
            return request_line
        redirected = f" from {self.url}" if self.response.history else ""
        if self.seconds is None:
            return f"{request_line} -> {self.status}{redirected}, {len(self.body):,} bytes of its body"
        return f"{request_line} -> {self.status}{redirected} in {show_seconds(self.seconds)}"

    def begin(self, response: httpx2.Response) -> None:
        """Take status and headers."""
        self.response = response
        self.headers_seconds = self.elapsed
        if response.url.scheme == "https":
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            self.certificate = tls.getpeercert(binary_form=True)

    def receive_chunk(self, chunk: bytes) -> None:
        """Take a piece of the body.

        :raises BlockFailed: if it becomes too large.
        """
        self.body += chunk
        if len(self.body) > self.request.max_body:
            hint = "raise max_body, or ask for less: HEAD, a Range header"
            raise BlockFailed(f"the body is larger than {self.request.max_body:,} bytes", hint=hint)

    def finish(self) -> None:
        self.seconds = self.elapsed


class FileBody:
    """A file as a request's body: read when it is sent, and again if a redirect wants it again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        remaining = self.size
        async with await anyio.open_file(self.path, "rb") as file:
            while chunk := await file.read(min(remaining, 65_536)):
                remaining -= len(chunk)
                yield chunk
        if remaining:
            raise BlockFailed(f"{self.path} became shorter while it was sent")
