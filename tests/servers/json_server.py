"""A server of one JSON document, which may be another one with each request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count


@contextmanager
def json_server(answer: Callable[[int], tuple[int, object]]) -> Iterator[str]:
    """Its address. answer: gives status and document of a request, by how many there were, itself counted."""
    requests = count(1)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = answer(next(requests))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
