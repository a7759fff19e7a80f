"""ClickHouse's engine (chdb) with the part of its HTTP interface that our block speaks. A program of its own.

The engine runs one query at a time. What arrives is written to a file, a JSON line each, before it waits for its turn:
that is how a test sees a KILL QUERY. Arguments: port, data folder, file of what arrived, password; for TLS, a file with
certificate and key, and one with the authority of the clients' certificates, which they must have then.
"""

from __future__ import annotations

import base64
import json
import re
import select
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

NOT_SETTINGS = {"query_id", "session_id", "session_timeout", "database", "default_format", "wait_end_of_query"}
STATUS = {516: 403, 60: 404, 81: 404, 164: 403}


class Engine:
    """The engine, and the connections that are ClickHouse's sessions."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._anchor = chdb.connect(folder)  # without it the engine goes down after each query
        self._sessions: dict[str, Any] = {}
        self._lock = threading.Lock()

    def run(self, sql: str, parameters: dict[str, str]) -> Any:
        with self._lock:
            return self._session(parameters).query(
                sql,
                parameters.get("default_format", "TabSeparated"),
                params={name[6:]: value for name, value in parameters.items() if name.startswith("param_")},
            )

    def _session(self, parameters: dict[str, str]) -> Any:
        name = parameters.get("session_id", "")
        session = self._sessions.get(name) or chdb.connect(self._folder)
        self._sessions[name] = session
        session.query(f"USE `{parameters.get('database', 'default')}`")
        for setting, value in parameters.items():
            if setting not in NOT_SETTINGS and not setting.startswith("param_"):
                session.query(f"SET {setting} = '{value}'")
        return session


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave together: else each answer waits 40 ms for an acknowledgement
    disable_nagle_algorithm = True
    engine: Engine
    arrived: Path
    password: str

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        self._reply(200, b"Ok.\n")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        self._note(query=body, id=parameters.get("query_id"))
        user, _, password = base64.b64decode(self.headers.get("Authorization", "Basic ")[6:]).decode().partition(":")
        if (user, password) != ("default", self.password):
            self._fail(f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect")
            return
        began = time.perf_counter_ns()
        try:
            result = self.engine.run(body, parameters)
        except Exception as error:
            self._fail(str(error))
            return
        if select.select([self.connection], [], [], 0)[0]:
            self._note(gone=parameters.get("query_id"))
        summary = {"read_rows": str(result.rows_read()), "read_bytes": str(result.bytes_read()), "written_rows": "0",
                   "elapsed_ns": str(time.perf_counter_ns() - began)}  # fmt: skip
        named = re.search(r"\bFORMAT\s+(\w+)\s*$", body, re.IGNORECASE)
        shown = named[1] if named else parameters.get("default_format", "TabSeparated")
        self._reply(
            200,
            bytes(result.bytes() or b""),
            {"X-ClickHouse-Summary": json.dumps(summary), "X-ClickHouse-Format": shown},
        )

    def _fail(self, message: str) -> None:
        message = message[max(message.find("Code: "), 0) :]
        code = re.match(r"Code: (\d+)", message)
        number = int(code[1]) if code else 1002
        self._reply(STATUS.get(number, 400), message.encode(), {"X-ClickHouse-Exception-Code": str(number)})

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _note(self, **what: object) -> None:
        with self.arrived.open("a") as file:
            file.write(json.dumps(what) + "\n")


def _tls(certificate: str, authority: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority or None)
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    return context


def main(port: str, folder: str, arrived: str, password: str, *pem: str) -> None:
    Handler.engine, Handler.arrived, Handler.password = Engine(folder), Path(arrived), password
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    server.daemon_threads = True
    if pem:
        server.socket = _tls(*pem).wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
