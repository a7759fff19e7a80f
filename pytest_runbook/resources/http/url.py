"""HTTP URLs: parse them, add a query, remove credentials."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlencode

import httpx2

from ...errors import InvalidValue


@lru_cache(maxsize=64)
def parse_url(text: str) -> httpx2.URL:
    """Parse an HTTP URL. White space around it is ignored, because programs print a newline after it.

    :raises InvalidValue: if the text is not an HTTP URL.
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
    """Return the URL with further parameters behind its own, which stay as they are written."""
    if not parameters:
        return url
    return url.copy_with(query=b"&".join(filter(None, (url.query, urlencode(parameters).encode()))))


def without_credentials(url: httpx2.URL) -> str:
    return str(url.copy_with(userinfo=b"") if url.userinfo else url)
