"""Http blocks: send one request and check the status of the response."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..context.json_form import MAX_VALUE_LENGTH
from ..context.output import Output
from ..errors import BlockFailed, InvalidValue, Unreachable
from ..execution.context import ExecutionContext, WorkResult
from ..execution.result import OutputSection
from ..model.runbook import Effects
from ..policy.effects import Effect
from ..resources.http.exchange import FileBody, HttpExchange, HttpRequest
from ..resources.http.url import with_query
from .behavior import BlockBehavior
from .http_props import TOKEN, Headers, HttpProps, mask_header_credentials
from .planned_work import PlannedWork
from .remote_access import proxy_of, via_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WITHOUT_BODY = frozenset({"GET", "HEAD"})
BODIES = ("body", "json", "form", "files", "bodyFile")
FRAMING = frozenset({"content-length", "transfer-encoding"})
READ_TIMEOUT = 30.0
MAX_EXCERPT = 16 * 1024
HINTS = {401: "give it credentials: `auth`", 407: "the proxy wants credentials: put them into HTTPS_PROXY"}


class Http(BlockBehavior):
    """Sends its request and outputs the response; a status of 400 or above is a failure."""

    @property
    def known_effect(self) -> Effect:
        return self.declared_effect or _effect_of(self._method())

    def plan(self, context: ExecutionContext) -> PlannedWork:
        url, via = context.require("url").strip(), via_of(context)
        return PlannedWork(action=f"{self._method()} {url}", where=None if via is None else f"via {via}", urls=(url,))

    async def execute(self, context: ExecutionContext) -> WorkResult:
        with ExitStack() as files:
            request = self._request(context, files)
            if request.check is not None:  # before a proxy is opened, which connects to the host of `via`
                request.check(str(request.url))
            exchange = HttpExchange(replace(request, proxy=await proxy_of(context, self.label)))
            context.report_details.where = "local"
            context.report_details.output = lambda: _sections(exchange)
            await perform(context, exchange, self.label)
        output = _output(exchange)
        if context.has_listener:
            context.send_output(data=_message(output))
        return WorkResult(output=output, default_assertion="output.status < 400", failure=_failure(exchange))

    def _method(self) -> str:
        """Return the method in upper case.

        :raises InvalidValue: if it can't be a method of a request.
        """
        method = str(self.spec.props["verb"]).strip().upper() or "GET"
        if not TOKEN.fullmatch(method) or method == "CONNECT":
            location = self.spec.location_of("verb")
            raise InvalidValue(
                f'"{method}" is no method of a request', location=location, hint="GET, POST, PUT, DELETE ..."
            )
        return method

    def _request(self, context: ExecutionContext, files: ExitStack) -> HttpRequest:
        props = HttpProps(context)
        method = self._method()
        auth, authorization = props.credentials()
        body, implied = self._body(context, props, method, files)
        headers = _without_framing(context, props.headers())
        header_names = {name.lower() for name, _ in headers}
        if "authorization" in header_names and (auth or authorization):
            raise props.prop_error(
                "credentials twice: auth, and the header Authorization", "auth", "leave one of them out"
            )
        return HttpRequest(
            method=method,
            url=with_query(props.url("url"), props.pairs("query")),
            headers=(*headers, *authorization, *(header for header in implied if header[0] not in header_names)),
            body=body,
            auth=auth,
            tls=props.tls(),
            follow_redirects=self.spec.props["redirects"] is not False,
            connect_timeout=props.seconds("connectTimeout"),
            read_timeout=self._read_timeout(props),
            max_body=int(str(self.spec.props["maxBody"])),
            check=context.resources.allow_list.url_check,
        )

    def _read_timeout(self, props: HttpProps) -> float | None:
        """Return the read timeout in seconds; None, for no limit, if only the block itself has a timeout."""
        return props.seconds("readTimeout") or (None if self.spec.rules.timeout else READ_TIMEOUT)

    def _body(
        self, context: ExecutionContext, props: HttpProps, method: str, files: ExitStack
    ) -> tuple[Mapping[str, Any], Headers]:
        """Return the request's body as the client's keyword arguments, and the headers that it implies."""
        body_props = [prop for prop in BODIES if self.spec.props[prop] not in (None, "")]
        if len(body_props) > 1 and body_props != ["form", "files"]:
            raise props.prop_error(f"a request has one body, not {' and '.join(body_props)}", body_props[1])
        match body_props:
            case ["body"] if method in WITHOUT_BODY:
                context.report_details.notes.append(f"`body` is not sent with {method}")
            case ["body"]:
                return {"content": context.render("body").encode()}, ()
            case ["json"]:
                return {"content": _json(props)}, (("content-type", "application/json"),)
            case ["bodyFile"]:
                file = FileBody(context.file("bodyFile", context.render("bodyFile")))
                return {"content": file}, (("content-length", str(file.size)),)
            case ["form"]:
                return {"data": _form(props)}, ()
            case ["files"] | ["form", "files"]:
                return {"data": _form(props), "files": _uploads(context, props, files)}, ()
        return {}, ()


def _effect_of(method: str) -> Effect:
    if method in SAFE_METHODS:
        return Effect(Effects.READ, f"{method} only reads")
    if method == "DELETE":
        return Effect(Effects.DESTRUCTIVE, "DELETE is destructive; if it is not, set effects: write")
    return Effect(Effects.WRITE, f"{method} may change something; if it only reads, set effects: read")


async def perform(context: ExecutionContext, exchange: HttpExchange, owner: str) -> None:
    """Send a request, unless another block found a moment ago that its server can't be reached.

    owner: the label of the block that reports an unreachable server.

    :raises KnownUnreachable: if another block found that out; nothing is sent.
    :raises RunbookError: if there is no complete response.
    """
    resources, target = context.resources, exchange.request.target
    context.check_reachable(target)
    try:
        await resources.http.perform(exchange, context.run_id)
    except Unreachable as error:
        resources.reachability.record_failure(target, error.with_location(context.spec.location), owner)
        raise
    finally:
        context.report_details.did = exchange.summary()
    mask_header_credentials(context.masker, exchange.received_response.headers.multi_items())
    resources.reachability.forget(target)


def _without_framing(context: ExecutionContext, headers: Headers) -> Headers:
    """Return the headers without those that frame the body: a wrong length would break the connection."""
    framing = [name for name, _ in headers if name.lower() in FRAMING]
    if framing:
        context.report_details.notes.append(f"{', '.join(framing)}: left out; they follow from the body")
    return tuple(header for header in headers if header[0] not in framing)


def _json(props: HttpProps) -> bytes:
    try:
        return json.dumps(props.data("json"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise props.prop_error(f"json can't be written as JSON: {error}", "json") from error


def _form(props: HttpProps) -> dict[str, list[str]]:
    form: dict[str, list[str]] = {}
    for name, value in props.pairs("form"):
        form.setdefault(name, []).append(value)
    return form


def _uploads(context: ExecutionContext, props: HttpProps, files: ExitStack) -> list[tuple[str, Any]]:
    """Return the files of a multipart body: field, then file name, content and type."""
    uploads = []
    for field, entries in props.mapping("files").items():
        for one in entries if isinstance(entries, list) else (entries,):
            upload = one if isinstance(one, Mapping) else {"path": one}
            if not upload.keys() <= {"path", "name", "type"} or not isinstance(upload.get("path"), str):
                raise props.prop_error(f"files: {field} must be a path", "files", "or a mapping of path, name and type")
            path = context.file("files", str(upload["path"]))
            content = files.enter_context(path.open("rb"))
            named = (str(upload.get("name") or path.name), content)
            uploads.append((field, (*named, str(upload["type"])) if upload.get("type") else named))
    return uploads


def _output(exchange: HttpExchange) -> Output:
    body, charset = exchange.body, exchange.charset
    reason = exchange.reason
    output = Output(
        {
            "status": exchange.status,
            "status_text": reason,
            "status_success": 200 <= exchange.status < 300,
            "reason": reason,
            "headers": exchange.headers,
            "body": lambda: body.decode(charset, "replace"),
            "body_json": lambda: _parsed(body, charset),
            "duration_seconds": exchange.headers_seconds,
            "seconds": exchange.seconds,
            "url": exchange.url,
            "http_version": exchange.received_response.http_version,
            "tls_expiry_days": exchange.tls_expiry_days,
        },
        lambda: _one_value(output),
        large=("body", "body_json") if len(body) > MAX_VALUE_LENGTH else (),
    )
    return output


def _parsed(body: bytearray, charset: str) -> object:
    """Return the body parsed as JSON; None if it is not JSON."""
    try:
        return json.loads(body.decode(charset), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return None


def _reject_constant(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")


def _one_value(output: Mapping[str, object]) -> object:
    """Return a JSON scalar, or the text of a body of one line.

    :raises ValueError: if the body is empty, a JSON map or list, or has several lines.
    """
    parsed, text = output["body_json"], str(output["body"]).strip("\r\n")
    if isinstance(parsed, dict | list):
        raise ValueError(f"the body is a {'map' if isinstance(parsed, dict) else 'list'}; use output.body_json")
    if parsed is not None:
        return parsed
    if not text:
        raise ValueError("the body is empty; use output.body")
    if "\n" in text:
        raise ValueError(f"the body has {text.count(chr(10)) + 1} lines, not one; use output.body")
    return text


def _message(output: Mapping[str, object]) -> dict[str, object]:
    """Return the response in the shape that the reference sends to its clients."""
    return {
        "status": output["status"],
        "statusText": output["status_text"],
        "statusSuccess": output["status_success"],
        "headers": output["headers"],
        "duration": output["duration_seconds"],
        "time": datetime.now(UTC).isoformat(),
        "body": output["body"],
    }


def _failure(exchange: HttpExchange) -> BlockFailed | None:
    if exchange.status < 400:
        return None
    detail = bytes(exchange.body[:MAX_EXCERPT]).decode(exchange.charset, "replace")
    return BlockFailed(f"{exchange.status} {exchange.reason}".rstrip(), hint=HINTS.get(exchange.status), detail=detail)


def _sections(exchange: HttpExchange) -> list[OutputSection]:
    """Return the beginning of the body for reports; only its size if it is binary."""
    body = bytes(exchange.body[:MAX_EXCERPT])
    if exchange.response is None or not body:
        return []
    size = f"{len(exchange.body):,} bytes"
    if b"\0" in body:
        return [
            OutputSection("body", f"[{size} of {exchange.headers.get('content-type', 'something that is no text')}]")
        ]
    text = body.decode(exchange.charset, "replace")
    whole = len(body) == len(exchange.body)
    return [OutputSection("body", text if whole else f"[the first {MAX_EXCERPT // 1024} KiB of {size}]\n{text}")]
