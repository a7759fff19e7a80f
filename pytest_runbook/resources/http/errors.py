"""Translates errors of httpx2 and TLS into errors of this package, each with a hint."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from urllib.request import getproxies, proxy_bypass

import httpx2

from ...errors import BlockFailed, RunbookError, TimedOut, Unreachable
from ...text import shorten, show_limit
from .exchange import MAX_REDIRECTS, HttpExchange

_SLOW = "is a firewall in between? Raise connect_timeout if it is slow to answer"
_PROXIES = "HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment say which one is used"
_IS_IT_UP = "is the server up, and are host and port right?"
_TRUST = "name the certificates to trust with `ca`, or accept any with `verify: false`"
_CLIENT_CERTIFICATE = "the server requires a client certificate: `cert` and `key`"
_OLD_TLS = "the server speaks no version of TLS that is still safe"

# By OpenSSL's X509_V_ERR_* code.
_UNTRUSTED = {
    9: ("its certificate is not valid yet", "look at the clocks of both sides"),
    10: ("its certificate has expired", "renew it; `verify: false` accepts it all the same"),
    18: ("its certificate is signed by itself", _TRUST),
    19: ("its certificate is signed by an unknown authority", _TRUST),
    20: ("its certificate is signed by an unknown authority", _TRUST),
    21: ("its certificate is signed by an unknown authority", _TRUST),
    23: ("its certificate has been revoked", "it needs another one"),
    62: ("its certificate is for another host", "use the name that is in the certificate"),
    64: ("its certificate is for another address", "use the name that is in the certificate"),
}
# By OpenSSL's reason for a failed handshake.
_HANDSHAKE = {
    "WRONG_VERSION_NUMBER": ("it speaks no TLS", "is it http://, or another port?"),
    "RECORD_LAYER_FAILURE": ("it speaks no TLS", "is it http://, or another port?"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": ("it refused the TLS handshake", _CLIENT_CERTIFICATE),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": ("it refused the TLS handshake", _CLIENT_CERTIFICATE),
    "SSLV3_ALERT_BAD_CERTIFICATE": ("it refused the client certificate", _CLIENT_CERTIFICATE),
    "TLSV1_ALERT_UNKNOWN_CA": (
        "it refused the client certificate: it does not know who signed it",
        _CLIENT_CERTIFICATE,
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": ("no version of TLS that both sides speak", _OLD_TLS),
    "UNEXPECTED_EOF_WHILE_READING": (
        "it closed the connection",
        "is TLS spoken there? If so, look at the server's log",
    ),
    "UNSUPPORTED_PROTOCOL": ("no version of TLS that both sides speak", _OLD_TLS),
}


def translate_http_error(
    error: httpx2.HTTPError | httpx2.InvalidURL | ssl.SSLError, exchange: HttpExchange
) -> RunbookError:
    """Return an error of this package for an error of the libraries."""
    url = _failed_url(error, exchange)
    runbook_error = _translate(error, exchange, url)
    if isinstance(runbook_error, Unreachable) and _host_and_port(url) != _host_and_port(exchange.request.url):
        # Not Unreachable: that would be remembered for the server that the block asked.
        return BlockFailed(f"sent on to another server: {runbook_error.message}", hint=runbook_error.hint)
    return runbook_error


def _translate(error: Exception, exchange: HttpExchange, url: httpx2.URL) -> RunbookError:
    server, seconds = _host_and_port(url), exchange.request.read_timeout or 0.0
    match error:
        case httpx2.ConnectTimeout():
            return _connection_error(f"none within {show_limit(exchange.request.connect_timeout or 0.0)}", url, _SLOW)
        case httpx2.ConnectError():
            return _connect_failure(error, url)
        case httpx2.ProxyError():
            return Unreachable(f"the proxy refuses a connection to {server}: {error}", hint=_PROXIES)
        case httpx2.ReadTimeout() if exchange.response is None:
            hint = "raise read_timeout, or give the block a timeout of its own"
            return TimedOut(f"no answer from {server} for {show_limit(seconds)}", hint=hint)
        case httpx2.ReadTimeout():
            received = f"{len(exchange.body):,} bytes"
            return TimedOut(f"{server} fell silent after {received} of the body, for {show_limit(seconds)}")
        case httpx2.WriteTimeout():
            return TimedOut(f"{server} takes no more of the request, for {show_limit(seconds)}")
        case httpx2.TooManyRedirects():
            hint = "is it a redirect loop? `redirects: false` gives the first answer"
            return BlockFailed(f"more than {MAX_REDIRECTS} redirects, the last one to {url}", hint=hint)
        case httpx2.DecodingError():
            encoding = exchange.received_response.headers.get("content-encoding", "")
            return BlockFailed(f"the body is not compressed as its header says ({encoding}): {error}")
        case httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
            return BlockFailed(f"{server} redirects to an unusable URL: {error}")
        case httpx2.LocalProtocolError():
            return BlockFailed(f"the request can't be sent: {error}")
    return _exchange_error(error, exchange, url)


def _failed_url(error: Exception, exchange: HttpExchange) -> httpx2.URL:
    """Return the URL that failed, to which a redirect may have led."""
    try:
        request: httpx2.Request = error.request  # type: ignore[attr-defined]  # HTTPError has it, once it was sent
        return request.url
    except (AttributeError, RuntimeError):
        return exchange.request.url


def _host_and_port(url: httpx2.URL) -> str:
    """Return ``host:port``, always with the port."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"


def _connection_error(reason: str, url: httpx2.URL, hint: str) -> Unreachable:
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(url.host):
        reason, hint = f"{reason} (through the proxy {httpx2.URL(proxy).copy_with(userinfo=b'')})", _PROXIES
    return Unreachable(f"no connection to {_host_and_port(url)}: {reason}", hint=hint)


def _connect_failure(error: Exception, url: httpx2.URL) -> Unreachable:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return _tls_error(cause, url)
        if isinstance(cause, socket.gaierror):
            reason = "DNS does not answer" if cause.errno == socket.EAI_AGAIN else "no such name"
            return _connection_error(reason, url, "is the name right, and does this machine's DNS know it?")
        if isinstance(cause, ConnectionRefusedError):
            return _connection_error("refused", url, _IS_IT_UP)
    last = [cause for cause in _causes(error) if isinstance(cause, OSError)]
    reason = last[-1].strerror if last and last[-1].strerror else str(error)
    return _connection_error(reason or "the server closed it", url, _IS_IT_UP)


def _tls_error(error: ssl.SSLError, url: httpx2.URL) -> Unreachable:
    reason, hint = f"TLS failed: {error.reason or error}", "look at the server's log"
    if isinstance(error, ssl.SSLCertVerificationError):
        reason, hint = _UNTRUSTED.get(
            error.verify_code, (f"its certificate is not trusted: {error.verify_message}", _TRUST)
        )
        if error.verify_code in (62, 64):
            reason = f"{reason}: {error.verify_message}"
    elif isinstance(error, ssl.SSLZeroReturnError):
        reason, hint = _HANDSHAKE["UNEXPECTED_EOF_WHILE_READING"]
    elif error.reason is not None:
        reason, hint = _HANDSHAKE.get(error.reason, (reason, hint))
    return Unreachable(f"no TLS with {_host_and_port(url)}: {reason}", hint=hint)


def _exchange_error(error: Exception, exchange: HttpExchange, url: httpx2.URL) -> RunbookError:
    """Return the error for a connection that was open when something other than a response came, or nothing more."""
    refused = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if refused is not None and exchange.response is None:
        return _tls_error(refused, url)
    server = _host_and_port(url)
    if exchange.response is not None:
        received = f"{len(exchange.body):,} bytes of the body"
        return BlockFailed(f"{server} broke off after {received}", detail=str(error), hint="look at the server's log")
    if isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in str(error):
        hint = "is it https://, or another port?" if url.scheme == "http" else None
        return BlockFailed(f"{server} answers something that is no HTTP: {shorten(str(error), 200)}", hint=hint)
    question = {"http": "is it https://?"}.get(url.scheme, "does it require a client certificate: `cert` and `key`?")
    hint = f"{question} If not, look at the server's log"
    return BlockFailed(f"{server} closed the connection without an answer", hint=hint)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and everything that it came from."""
    yield error
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _causes(inner)
    if (cause := error.__cause__ or error.__context__) is not None:
        yield from _causes(cause)
