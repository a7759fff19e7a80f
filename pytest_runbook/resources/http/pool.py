"""Pool of HTTP connections: one client a runbook and TLS setting, kept over its blocks, with the runbook's cookies.

httpx2, the maintained continuation of httpx, makes the requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import CookieJar
from importlib.metadata import version
from ssl import SSLContext, SSLError

import anyio
import httpx2

from ...errors import BlockFailed, RedirectRefused, Refused
from ..tls import TlsSettings
from .errors import translate_http_error
from .exchange import MAX_REDIRECTS, HttpExchange, HttpRequest
from .url import without_credentials

KEEP_ALIVE_SECONDS = 60.0
CLOSE_GRACE = 2.0
CHECK_EXTENSION = "pytest-runbook-check"
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods of requests that may be sent again after a failed connection. Source: RFC 9110, section 9.2.2."""


class HttpPool:
    """The HTTP connections of all runbooks of a run.

    Each runbook has its own, so that runbooks share neither cookies nor connections. All share the TLS contexts, which
    take time to load.
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
        """Send the request and receive all of the response; the exchange holds what has arrived at any time.

        :raises RunbookError: if the server is unreachable, a timeout passed, or the exchange failed.
        :raises Refused: if the URL may not be requested.
        """
        if exchange.request.check is not None:
            exchange.request.check(str(exchange.request.url))
        client = self._client(run_id, exchange.request.tls, exchange.request.proxy)
        try:
            response = await _send(client, exchange.request)
            try:
                exchange.begin(response)
                async for chunk in response.aiter_bytes():
                    exchange.receive_chunk(chunk)
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, SSLError) as error:  # SSLError: not wrapped while writing
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


async def _send(client: httpx2.AsyncClient, request: HttpRequest) -> httpx2.Response:
    """Send the request and return the response, whose body is still to come.

    The server may have closed a kept connection just then, so a request that may be sent twice is sent again.
    """
    trace = _ConnectTrace()
    try:
        return await _send_once(client, request, trace)
    except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
        if trace.has_connected or request.method not in IDEMPOTENT_METHODS:
            raise
    return await _send_once(client, request, trace)


async def _send_once(client: httpx2.AsyncClient, request: HttpRequest, trace: _ConnectTrace) -> httpx2.Response:
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
    """Check every request on the way. The first one has been checked already.

    :raises RedirectRefused: if a redirect leads to a URL that may not be requested.
    """
    check = request.extensions.get(CHECK_EXTENSION)
    try:
        if check is not None:
            check(str(request.url))
    except Refused as refusal:
        raise RedirectRefused(f"redirected to {without_credentials(request.url)}: {refusal.message}") from refusal


class _ConnectTrace:
    """An httpx2 trace that records whether a request opened a new connection."""

    def __init__(self) -> None:
        self.has_connected = False

    async def __call__(self, event: str, details: Mapping[str, object]) -> None:
        self.has_connected = self.has_connected or event == "connection.connect_tcp.complete"
