"""HTTP: one set of connections a runbook, kept over its blocks, with its cookies.

Requests are made by httpx2, the maintained continuation of httpx; its errors are translated here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import responses
from http.cookiejar import CookieJar
from importlib.metadata import version
from pathlib import Path
from ssl import SSLContext, SSLError
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx2

from ...errors import BlockFailed, InvalidValue, RedirectRefused, Refused
from ...text import shorten, show_seconds
from ..tls import TlsSettings, days_until_expiry
from .errors import translate_http_error

MAX_REDIRECTS = 10
MAX_BODY_SIZE = 64 * 1024 * 1024
KEEP_ALIVE_SECONDS = 60.0
LONGEST_URL = 300
CLOSE_GRACE = 2.0
CHECK_EXTENSION = "pytest-runbook-check"
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be sent twice. Source: RFC 9110, section 9.2.2."""


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


class HttpPool:
    """The HTTP connections of all runbooks of a run.

    A runbook has its own, so that it shares neither cookies nor connections with another; TLS settings that cost time
    to load are shared by all.
    """

    def __init__(self) -> None:
        self._clients: dict[str, dict[tuple[TlsSettings, str | None], httpx2.AsyncClient]] = {}
        self._cookies: dict[str, CookieJar] = {}
        self._ssl_contexts: dict[TlsSettings, SSLContext] = {}

    async def aclose(self) -> None:
        """Close all connections."""
        for run_id in tuple(self._clients):
            await self.end_run(run_id)

    async def end_run(self, run_id: str) -> None:
        """Close a runbook's connections and forget its cookies."""
        self._cookies.pop(run_id, None)
        for client in self._clients.pop(run_id, {}).values():
            with anyio.move_on_after(CLOSE_GRACE, shield=True):
                await client.aclose()

    async def perform(self, exchange: HttpExchange, run_id: str) -> None:
        """Send the request and receive all of its answer; what has come so far is in the exchange at any time.

        :raises RunbookError: if that fails: unreachable, timed out, failed. `Refused`: if nothing may be asked there.
        """
        if exchange.request.check is not None:
            exchange.request.check(str(exchange.request.url))
        client = self._client(run_id, exchange.request.tls, exchange.request.proxy)
        try:
            response = await _sent(client, exchange.request)
            try:
                exchange.begin(response)
                async for chunk in response.aiter_bytes():
                    exchange.receive_chunk(chunk)
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, SSLError) as error:  # what writing finds of TLS comes as it is
            raise translate_http_error(error, exchange) from error
        exchange.finish()

    def _client(self, run_id: str, tls: TlsSettings, proxy: str | None) -> httpx2.AsyncClient:
        clients = self._clients.setdefault(run_id, {})
        if (tls, proxy) not in clients:
            cookies = self._cookies.setdefault(run_id, CookieJar())
            clients[tls, proxy] = self._new_client(cookies, self._ssl_context(tls), proxy)
        return clients[tls, proxy]

    def _new_client(self, cookies: CookieJar, context: SSLContext, proxy: str | None) -> httpx2.AsyncClient:
        try:
            return httpx2.AsyncClient(
                http2=True,
                verify=context,
                proxy=proxy,
                cookies=cookies,
                headers={"user-agent": f"pytest-runbook/{version('pytest-runbook')}"},
                max_redirects=MAX_REDIRECTS,
                event_hooks={"request": [_check_redirect]},
                limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE_SECONDS),
            )
        except (ValueError, httpx2.InvalidURL) as error:
            hint = "look at HTTP_PROXY, HTTPS_PROXY and ALL_PROXY in the environment"
            raise BlockFailed(f"a proxy's address makes no sense: {error}", hint=hint) from error

    def _ssl_context(self, tls: TlsSettings) -> SSLContext:
        if tls not in self._ssl_contexts:
            self._ssl_contexts[tls] = tls.ssl_context() or httpx2.create_ssl_context()
        return self._ssl_contexts[tls]


async def _sent(client: httpx2.AsyncClient, request: HttpRequest) -> httpx2.Response:
    """The response, its body still to come.

    A kept connection may have been closed by the server just then: what may be sent twice is.
    """
    trace = _ConnectTrace()
    try:
        return await _sent_once(client, request, trace)
    except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
        if trace.has_connected or request.method not in IDEMPOTENT_METHODS:
            raise
    return await _sent_once(client, request, trace)


async def _sent_once(client: httpx2.AsyncClient, request: HttpRequest, trace: _ConnectTrace) -> httpx2.Response:
    message = client.build_request(
        request.method,
        request.url,
        headers=[(name.encode(), value.encode()) for name, value in request.headers],
        timeout=httpx2.Timeout(request.read_timeout, connect=request.connect_timeout, pool=None),
        extensions={"trace": trace, CHECK_EXTENSION: request.check},
        **request.body,
    )
    return await client.send(
        message,
        stream=True,
        auth=request.auth or httpx2.USE_CLIENT_DEFAULT,
        follow_redirects=request.follow_redirects,
    )


async def _check_redirect(request: httpx2.Request) -> None:
    """Look at every request on the way; the first one has passed already.

    :raises RedirectRefused: if a redirect leads to where nothing may be asked.
    """
    check = request.extensions.get(CHECK_EXTENSION)
    try:
        if check is not None:
            check(str(request.url))
    except Refused as refusal:
        raise RedirectRefused(f"redirected to {without_credentials(request.url)}: {refusal.message}") from refusal


class _ConnectTrace:
    """Notices whether a request made a new connection."""

    def __init__(self) -> None:
        self.has_connected = False

    async def __call__(self, event: str, details: Mapping[str, object]) -> None:
        self.has_connected = self.has_connected or event == "connection.connect_tcp.complete"


@lru_cache(maxsize=64)
def parse_url(text: str) -> httpx2.URL:
    """The URL of a text, which may end in a newline, as what programs print does.

    :raises InvalidValue: if it is none of HTTP's.
    """
    text = text.strip()
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise InvalidValue(f'"{text}" is no URL: {error}', hint="like https://shop.example/health") from error
    if url.scheme not in ("http", "https"):
        what = f'its scheme is "{url.scheme}"' if url.scheme else "it has no scheme"
        raise InvalidValue(f'"{text}" is no URL of HTTP: {what}', hint="it begins with http:// or https://")
    if not url.host:
        raise InvalidValue(f'"{text}" names no host', hint="like https://shop.example/health")
    if url.port is not None and not 0 < url.port <= 65_535:
        raise InvalidValue(f'"{text}": {url.port} is no port', hint="like https://shop.example:8443/health")
    return url


def with_query(url: httpx2.URL, parameters: Sequence[tuple[str, str]]) -> httpx2.URL:
    """The URL with further parameters behind those that it has, which stay as they are written."""
    if not parameters:
        return url
    return url.copy_with(query=b"&".join(filter(None, (url.query, urlencode(parameters).encode()))))


def without_credentials(url: httpx2.URL) -> str:
    return str(url.copy_with(userinfo=b"") if url.userinfo else url)
