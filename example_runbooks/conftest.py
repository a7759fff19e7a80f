"""What runbooks below this folder start with: values that they read as ``{{ var.service }}``, and a web shop.

The shop of ``web_shop.runbook.yaml`` is the standard library's server with orders in memory.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

USER = {"user": ["ada"], "password": ["lovelace"]}
COOKIE = "session=4711"


@pytest.fixture(scope="session")
def runbook_vars() -> dict[str, object]:
    return {"service": "ledger", "regions": ["eu-west-1", "us-east-1"], "most_restarts": 3}


@pytest.fixture(scope="session")
def shop_url() -> Iterator[str]:
    """Where the shop is; it is open as long as the tests run."""
    with Shop() as shop:
        threading.Thread(target=shop.serve_forever, args=(0.01,), daemon=True).start()
        yield shop.url
        shop.shutdown()


class Shop(ThreadingHTTPServer):
    """Listens on a free port of this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Counter)
        self.orders: dict[int, object] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Counter(BaseHTTPRequestHandler):
    """Answers one customer."""

    protocol_version = "HTTP/1.1"
    server: Shop

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(HTTPStatus.OK, {"status": "ok"})
        elif not self.is_known():
            self.answer(HTTPStatus.UNAUTHORIZED)
        elif self.path == "/orders":
            self.answer(HTTPStatus.OK, list(self.server.orders.values()))
        elif self.number in self.server.orders:
            self.answer(HTTPStatus.OK, self.server.orders[self.number])
        else:
            self.answer(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/login":
            welcome = parse_qs(body.decode()) == USER
            self.answer(HTTPStatus.NO_CONTENT if welcome else HTTPStatus.FORBIDDEN, set_cookie=f"{COOKIE}; Path=/")
        elif self.is_known():
            number = len(self.server.orders) + 1
            self.server.orders[number] = {"id": number, **json.loads(body)}
            self.answer(HTTPStatus.CREATED, self.server.orders[number], location=f"/orders/{number}")
        else:
            self.answer(HTTPStatus.UNAUTHORIZED)

    def do_DELETE(self) -> None:
        gone = self.is_known() and self.server.orders.pop(self.number, None)
        self.answer(HTTPStatus.NO_CONTENT if gone else HTTPStatus.NOT_FOUND)

    @property
    def number(self) -> int:
        return int(self.path.rpartition("/")[2])

    def is_known(self) -> bool:
        return self.headers["cookie"] == COOKIE

    def answer(self, status: HTTPStatus, data: object = None, **headers: str) -> None:
        body = b"" if data is None else json.dumps(data).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if body:
            self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """Nothing: the report says what was asked and answered."""
