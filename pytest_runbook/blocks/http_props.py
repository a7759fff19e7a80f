"""Reads the props of blocks that send HTTP requests: URL, headers, credentials, TLS and timeouts."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from httpx2 import URL

from ..errors import InvalidValue
from ..execution.context import ExecutionContext
from ..resources.http.url import parse_url
from ..resources.tls import TlsSettings, path_in_folder
from ..secrets.masker import Masker
from ..text import duration_seconds

COOKIES = ("cookie", "set-cookie")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Names of headers and methods. Source: RFC 9110, section 5.6.2."""
_FORBIDDEN = re.compile("[\0-\x08\n-\x1f\x7f]")

Headers = tuple[tuple[str, str], ...]


def mask_header_credentials(masker: Masker, headers: Iterable[tuple[str, str]]) -> None:
    """Register the credentials in headers as secrets: cookies, and headers whose names suggest a secret."""
    for name, value in headers:
        where = f"the header {name}"
        if name.lower() in COOKIES:
            pairs = value.split(";") if name.lower() == "cookie" else [value.partition(";")[0]]
            for pair in pairs:
                masker.add_derived_secret(pair.partition("=")[2], where)
        elif masker.names.match(name):
            _mask_credentials(masker, value, where)


def _mask_credentials(masker: Masker, value: str, where: str) -> None:
    """Register the credentials behind the scheme's name; of basic authentication, the decoded password as well."""
    scheme, _, rest = value.strip().rpartition(" ")
    masker.add(rest, where)
    if scheme.lower() == "basic":
        with suppress(ValueError):
            masker.add(base64.b64decode(rest).decode().partition(":")[2], where)


class HttpProps:
    """Reads the props of one block, rendered.

    :raises RunbookError: from every method, if a prop can't be rendered or is invalid; with the prop's line.
    """

    def __init__(self, context: ExecutionContext) -> None:
        self._context = context
        self._props = context.spec.props

    def prop_error(self, message: str, prop: str, hint: str | None = None) -> InvalidValue:
        return InvalidValue(message, location=self._context.spec.location_of(prop), hint=hint)

    def text(self, prop: str) -> str | None:
        """Return a text without surrounding white space; None if it is empty."""
        return self._context.render(prop).strip() or None

    def url(self, prop: str) -> URL:
        """Return a URL, and register its password as a secret."""
        try:
            url = parse_url(self._context.require(prop))
        except InvalidValue as error:
            raise error.with_location(self._context.spec.location_of(prop)) from error
        if url.password:
            self._context.masker.add(url.password, f"the password in {prop}")
        return url

    def data(self, prop: str) -> object:
        """Return a value with every text in it rendered, keys included."""
        return self._rendered(self._props.get(prop), prop)

    def mapping(self, prop: str) -> Mapping[str, object]:
        data = self.data(prop)
        return data if isinstance(data, Mapping) else {}

    def pairs(self, prop: str) -> tuple[tuple[str, str], ...]:
        """Return names and texts of a mapping; a list as value repeats its name."""
        return tuple(self._pairs(prop, self.mapping(prop)))

    def seconds(self, prop: str) -> float | None:
        value = self._props.get(prop)
        return None if value is None else duration_seconds(str(value))

    def headers(self) -> Headers:
        """Return the names and values of the headers, from a mapping or, as in the reference, from a JSON text."""
        declared = self._json_headers() if isinstance(self._props.get("headers"), str) else self.mapping("headers")
        if not isinstance(declared, Mapping):
            raise self.prop_error("headers are a mapping of names and values", "headers", '{"Accept": "text/plain"}')
        headers = tuple(self._checked_header(name, text) for name, text in self._pairs("headers", declared))
        mask_header_credentials(self._context.masker, headers)
        return headers

    def credentials(self) -> tuple[tuple[str, str] | None, Headers]:
        """Return user and password, or None and the header for a bearer token; register them as secrets."""
        auth = self.mapping("auth")
        if not auth:
            return None, ()
        credentials = {name: str(value).strip("\r\n") for name, value in auth.items()}
        if empty := [name for name, value in credentials.items() if not value]:
            raise self.prop_error(
                f"auth: {empty[0]} is empty", "auth", "is the variable or secret that it comes from set?"
            )
        for name in credentials.keys() - {"user"}:
            self._context.masker.add(credentials[name], f"auth.{name}")
        if credentials.keys() == {"bearer"}:
            return None, (self._checked_header("authorization", f"Bearer {credentials['bearer']}"),)
        if credentials.keys() == {"user", "password"}:
            return (credentials["user"], credentials["password"]), ()
        raise self.prop_error("auth holds user and password, or bearer", "auth", f"it has {', '.join(credentials)}")

    def tls(self) -> TlsSettings:
        ca, cert, key = (self._file(prop) for prop in ("ca", "cert", "key"))
        password = self._context.render("keyPassword").strip("\r\n") or None
        if password is not None:
            self._context.masker.add(password, "key_password")
        if cert is None and (key or password):
            raise self.prop_error("a key belongs to a certificate, and none is given", "key", "name it with `cert`")
        verify = self._props.get("verify") is not False
        return TlsSettings(verify=verify, ca=ca, cert=cert, key=key, key_password=password)

    def _file(self, prop: str) -> str | None:
        text = self.text(prop)
        return None if text is None else path_in_folder(self._context.folder, text)

    def _json_headers(self) -> object:
        """Parse the JSON text of the headers."""
        # Parsed before it is rendered, so that no value can break out of its quotes. A text that becomes JSON only by
        # rendering, such as {{ var.headers }}, is parsed afterwards.
        text = str(self._props["headers"])
        try:
            return self._rendered(json.loads(text), "headers") if text.strip() else {}
        except ValueError:
            rendered = self._context.render("headers")
        try:
            return json.loads(rendered) if rendered.strip() else {}
        except ValueError as error:
            raise self.prop_error(f"headers are no JSON: {error}", "headers", '{"Accept": "text/plain"}') from error

    def _checked_header(self, name: str, text: str) -> tuple[str, str]:
        value = text.strip()
        if not TOKEN.fullmatch(name):
            raise self.prop_error(f'"{name}" can\'t be the name of a header', "headers", "letters, digits and -")
        if found := _FORBIDDEN.search(value):
            what = "a line break" if found[0] in "\r\n" else f"the character {found[0]!r}"
            raise self.prop_error(f"the header {name} has {what} in its value", "headers", "cut it with a filter")
        return name, value

    def _pairs(self, prop: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        for name, value in values.items():
            for one in value if isinstance(value, list) else (value,):
                yield str(name), self._scalar(prop, name, one)

    def _scalar(self, prop: str, name: str, value: object) -> str:
        match value:
            case bool():
                return "true" if value else "false"
            case str() | int() | float():
                return str(value)
        raise self.prop_error(f"{prop}: {name} is no text", prop, "a text, a number, true or false, or a list of those")

    def _rendered(self, value: object, prop: str) -> object:
        match value:
            case str():
                return self._context.render_text(value, prop)
            case Mapping():
                return {str(self._rendered(key, prop)): self._rendered(inner, prop) for key, inner in value.items()}
            case list() | tuple():
                return [self._rendered(inner, prop) for inner in value]
        return value
