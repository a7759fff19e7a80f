"""Makes a server of this machine answer at another address."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

_SIZE = 1 << 16


@contextmanager
def relayed(listener: socket.socket, port: int) -> Iterator[int]:
    """Pass on what reaches the listener, which may be in another network, to a port of this machine.

    Gives the port at which it listens.
    """
    Thread(target=_accept, args=(listener, port), daemon=True).start()
    try:
        number: int = listener.getsockname()[1]
        yield number
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, port: int) -> None:
    with suppress(OSError):  # it was closed
        while True:
            near = listener.accept()[0]
            far = socket.create_connection(("127.0.0.1", port))
            for source, sink in ((near, far), (far, near)):
                Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError), source:
        while data := source.recv(_SIZE):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
