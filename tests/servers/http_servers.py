"""HTTP servers for tests: a real one (hypercorn: HTTP/1.1 and 2, with and without TLS), and one that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme
from hypercorn.asyncio import serve
from hypercorn.config import Config


class App:
    """An ASGI application that shows what it was sent, and answers as the path says.

    asked, gone: released once for each request to `/drip` or `/never`, and for each client that went away from there.
    """

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.gone = threading.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = urlsplit(scope["path"]).path  # whole URLs are what a proxy gets
        name = path.strip("/").split("/")[0]
        query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode()).items()}
        answer: Callable[[_Call], Coroutine[Any, Any, None]] = getattr(self, f"at_{name}")
        await answer(_Call(scope, receive, send, query))

    async def at_echo(self, call: _Call) -> None:
        body = await call.body()
        scope = call.scope
        await call.answer_json(
            {
                "method": scope["method"],
                "path": scope["path"],
                "query": scope["query_string"].decode(),
                "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
                "body": body.decode("latin-1"),
                "version": scope["http_version"],
                "connection": scope["client"][1],
            }
        )

    async def at_status(self, call: _Call) -> None:
        await call.answer(
            int(call.scope["path"].rpartition("/")[2]), b"as you like it\n", ("content-type", "text/plain")
        )

    async def at_redirect(self, call: _Call) -> None:
        await call.answer(int(call.query.get("status", "302")), b"", ("location", call.query["to"]))

    async def at_circle(self, call: _Call) -> None:
        await call.answer(302, b"", ("location", "/circle"))

    async def at_login(self, call: _Call) -> None:
        await call.answer(200, b"", ("set-cookie", "session=abc; Path=/"))

    async def at_text(self, call: _Call) -> None:
        charset = call.query.get("charset", "utf-8")
        body = call.query.get("text", "grün").encode(call.query.get("really", charset))
        await call.answer(200, body, ("content-type", f"text/plain; charset={charset}"))

    async def at_json(self, call: _Call) -> None:
        await call.answer(200, call.query["text"].encode(), ("content-type", "application/json"))

    async def at_headers(self, call: _Call) -> None:
        await call.answer(200, b"", ("X-Twice", "first"), ("x-twice", "second"), ("X-Mixed-Case", "Kept"))

    async def at_compressed(self, call: _Call) -> None:
        packed = {"gzip": gzip.compress(b"unpacked"), "deflate": zlib.compress(b"unpacked")}
        await call.answer(200, packed[call.query["how"]], ("content-encoding", call.query["how"]))

    async def at_bytes(self, call: _Call) -> None:
        await call.answer(200, bytes(int(call.query["n"])), ("content-type", "application/octet-stream"))

    async def at_never(self, call: _Call) -> None:
        self.asked.release()
        await call.wait_for_disconnect()
        self.gone.release()

    async def at_drip(self, call: _Call) -> None:
        """A byte of the body every 20 ms, for ever."""
        self.asked.release()
        gone = asyncio.ensure_future(call.wait_for_disconnect())
        await call.send({"type": "http.response.start", "status": 200, "headers": []})
        while not gone.done():
            await call.send({"type": "http.response.body", "body": b".", "more_body": True})
            await asyncio.wait([gone], timeout=0.02)
        self.gone.release()


class _Call:
    """One request to the application."""

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any, query: dict[str, str]) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.query = query
        self._body: bytes | None = None

    async def body(self) -> bytes:
        if self._body is None:
            parts, more = [], True
            while more:
                message = await self.receive()
                parts.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = b"".join(parts)
        return self._body

    async def wait_for_disconnect(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        await self.body()
        raw = [(name.encode(), value.encode()) for name, value in (*headers, ("content-length", str(len(body))))]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})

    async def answer_json(self, data: object) -> None:
        await self.answer(200, json.dumps(data).encode(), ("content-type", "application/json"))


@dataclass(frozen=True)
class HttpServer:
    """A server that listens. url: without a slash at the end."""

    url: str
    app: App

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@contextlib.contextmanager
def http_server(scheme: str = "http", **settings: object) -> Iterator[HttpServer]:
    """A server on a free port of 127.0.0.1. settings: as hypercorn's configuration has them."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.graceful_timeout = 0
    config.errorlog = None
    for name, value in settings.items():
        setattr(config, name, value)
    app, loop, stop = App(), asyncio.new_event_loop(), asyncio.Event()
    loop.set_exception_handler(lambda *_: None)  # it ends connections by cancelling, and says so

    def run() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(serve(app, config, shutdown_trigger=stop.wait))

    thread = threading.Thread(target=run, name=f"{scheme} server on {port}")
    thread.start()
    try:
        yield HttpServer(f"{scheme}://127.0.0.1:{port}", app)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


class RawServer:
    """A server that does with each connection what the test says, in a thread of its own.

    accepted: how many connections there were.
    """

    def __init__(self, behave: Callable[[socket.socket], object]) -> None:
        self.accepted = 0
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)

    def __enter__(self) -> RawServer:
        self._accepting.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in (self._accepting, *self._threads):
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            self._behave(connection)


def read_head(connection: socket.socket) -> bytes:
    """A request up to its body; empty once the client is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65_536)
        if not chunk:
            return b""
        data += chunk
    return data


@dataclass(frozen=True)
class Certificates:
    """Files in PEM that a test authority made."""

    authority: trustme.CA
    folder: Path

    @classmethod
    def made_in(cls, folder: Path) -> Certificates:
        made = cls(trustme.CA(), folder)
        made.authority.cert_pem.write_to_path(made.ca)
        return made

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *identities: str, days: int = 30) -> Path:
        """A certificate that lasts that many days, and its key, in one file."""
        expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days, hours=1)
        began = expires - datetime.timedelta(days=max(days, 0) + 60)
        issued = self.authority.issue_cert(*identities, not_before=began, not_after=expires)
        path = self.folder / f"{name}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path


@contextlib.contextmanager
def tls_server(certificate: Path, **settings: object) -> Iterator[HttpServer]:
    """A server with this certificate."""
    with http_server("https", certfile=str(certificate), keyfile=str(certificate), **settings) as server:
        yield server


def asks_for_certificates(certificates: Certificates) -> dict[str, object]:
    """Settings of a server that lets only those in whom the authority knows."""
    return {"verify_mode": ssl.CERT_REQUIRED, "ca_certs": str(certificates.ca)}
