"""Http blocks that go wrong: each tells what happened and what to do, in time, and leaves nothing open."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.document.settings import Settings
from pytest_runbook.execution.result import Outcome
from tests.run_book import open_book, run_book
from tests.servers.http_servers import HttpServer, RawServer, http_server, read_head

Behave = Callable[[socket.socket], object]


def free_port() -> int:
    """A port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def full_server() -> Iterator[str]:
    """The address of a server whose queue is full, so that nobody answers those who come."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"127.0.0.1:{listening.getsockname()[1]}"


# Requests that make no sense


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("shop.example/health", '"shop.example/health" is no URL of HTTP: it has no scheme', "begins with http://"),
        ("ftp://shop.example/", '"ftp://shop.example/" is no URL of HTTP: its scheme is "ftp"', "begins with http://"),
        ("http:///health", '"http:///health" names no host', "like https://"),
        ("http://shop.example:port/", "\"http://shop.example:port/\" is no URL: Invalid port: 'port'", "like https://"),
        ("http://shop.example:99999/", "99999 is no port", "like https://"),
        ("http://[::1/", "is no URL", "like https://"),
        ("http://a\nb/", "is no URL", "like https://"),
        ("{{ '' }}", "`url` is empty", "give the block its url"),
    ],
)
def test_url_that_is_none(tmp_path: Path, url: str, message: str, hint: str) -> None:
    result = run_book(tmp_path, {"http": {"url": url}}).result

    assert message in str(result.message)
    assert hint in str(result.hint)
    assert result.kind == "block"


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"method": "GET IT"}, '"GET IT" is no method of a request'),
        ({"method": "CONNECT"}, '"CONNECT" is no method of a request'),
        ({"headers": "{nonsense"}, "headers are no JSON"),
        ({"headers": '["a"]'}, "headers are a mapping of names and values"),
        ({"headers": {"X": "a\nb"}}, "the header X has a line break in its value"),
        ({"headers": {"X": "a\x01b"}}, "the header X has the character '\\x01' in its value"),
        ({"headers": {"X Y": "a"}}, '"X Y" can\'t be the name of a header'),
        ({"headers": {"X": {"a": 1}}}, "headers: X is no text"),
        ({"auth": {"user": "ada"}}, "auth holds user and password, or bearer"),
        ({"auth": {"bearer": "{{ '' }}"}}, "auth: bearer is empty"),
        ({"auth": {"bearer": "t"}, "headers": {"authorization": "x"}}, "credentials twice"),
        ({"key": "k.pem"}, "a key belongs to a certificate, and none is given"),
        ({"method": "POST", "body": "a", "json": 1}, "a request has one body, not body and json"),
        ({"method": "POST", "body_file": "missing"}, "`bodyFile`: there is no file"),
        ({"method": "POST", "body_file": "/etc/passwd"}, "`bodyFile` leads out of the project: /etc/passwd"),
        ({"method": "POST", "body_file": "../../../../etc/passwd"}, "leads out of the project"),
        ({"method": "POST", "files": {"f": 1}}, "files: f must be a path"),
        ({"method": "POST", "files": {"f": {"file": "x"}}}, "files: f must be a path"),
        ({"query": {"q": None}}, "query: q is no text"),
        ({"ca": "missing.pem"}, "no certificates to trust in"),
        ({"cert": "missing.pem"}, "no client certificate in"),
    ],
    ids=str,
)
def test_request_that_can_not_be_made(web: HttpServer, tmp_path: Path, props: dict[str, object], message: str) -> None:
    result = run_book(tmp_path, {"http": {"url": f"{web.url}/echo", **props}}).result

    assert message in str(result.message)
    assert (result.kind, result.outcome) == ("block", "failed")


# Servers that can't be reached


def test_refused_connection(tmp_path: Path) -> None:
    port = free_port()
    result = run_book(tmp_path, {"http": f"http://127.0.0.1:{port}/"}).result

    assert (result.kind, result.message) == ("unreachable", f"no connection to 127.0.0.1:{port}: refused")
    assert result.hint == "is the server up, and are host and port right?"


def test_name_that_nobody_knows(tmp_path: Path) -> None:
    result = run_book(tmp_path, {"http": "https://no-such-host.invalid/"}).result

    assert result.kind == "unreachable"
    assert result.message in (
        "no connection to no-such-host.invalid:443: no such name",
        "no connection to no-such-host.invalid:443: DNS does not answer",  # as where there is no network
    )


def test_server_that_takes_no_connection_is_given_up_in_time(tmp_path: Path) -> None:
    with full_server() as address:
        result = run_book(tmp_path, {"http": {"url": f"http://{address}/", "connect_timeout": "200ms"}}).result

    assert (result.kind, result.message) == ("unreachable", f"no connection to {address}: none within 200 ms")


def test_proxy_that_can_not_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://ada:lovelace@127.0.0.1:{free_port()}")
    result = run_book(tmp_path, {"http": "http://shop.invalid/"}).result

    assert re.fullmatch(
        r"no connection to shop.invalid:80: refused \(through the proxy http://127.0.0.1:\d+\)",
        str(result.message),
    )


def test_proxy_that_makes_no_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1")
    result = run_book(tmp_path, {"http": "http://shop.invalid/"}).result

    assert str(result.message).startswith("a proxy's address makes no sense")


def test_unreachable_server_is_one_error(tmp_path: Path, web: HttpServer) -> None:
    port = free_port()
    down = {"http": f"http://127.0.0.1:{port}/a", "name": "First"}
    ran = run_book(tmp_path, down, {"http": f"http://127.0.0.1:{port}/b"}, {"http": f"{web.url}/echo"})

    assert [result.outcome for result in ran.results] == ["failed", "skipped", "passed"]
    assert 'block 1 "First"' in str(ran.results[1].message)


def test_server_that_someone_waited_for_is_asked_again(tmp_path: Path) -> None:
    port = free_port()
    program = f"python3 -m http.server --bind 127.0.0.1 {port} >/dev/null 2>&1 &"
    look = {"http": f"http://127.0.0.1:{port}/"}
    wait = {**look, "retry": {"every": "50ms", "within": "20s"}}
    ran = run_book(tmp_path, look, {"script": program}, look, wait, look)

    assert [result.outcome for result in ran.results] == ["failed", "passed", "skipped", "passed", "passed"]


def test_redirect_to_a_server_that_is_down_leaves_the_first_one_in_good_standing(
    tmp_path: Path, web: HttpServer
) -> None:
    port = free_port()
    ran = run_book(tmp_path, {"http": f"{web.url}/redirect?to=http://127.0.0.1:{port}/"}, {"http": f"{web.url}/echo"})

    first, second = ran.results
    assert first.message == f"sent on to another server: no connection to 127.0.0.1:{port}: refused"
    assert (first.kind, second.outcome) == ("block", Outcome.PASSED)


# Servers that do not answer as they should


def say(text: bytes) -> Behave:
    """Read a request, answer with this, close."""

    def behave(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(text)

    return behave


@pytest.mark.parametrize(
    ("behave", "message"),
    [
        (say(b""), "{server} closed the connection without an answer"),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "{server} answers something that is no HTTP"),
        (say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), "{server} broke off after 4 bytes of the body"),
        (
            say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nx"),
            "{server} broke off after 4 bytes of the body",
        ),
        (say(b"HTTP/1.1 200 OK\r\ncontent-le"), "{server} closed the connection without an answer"),
        (say(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000), "{server} answers something that is no HTTP"),
        (
            say(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"),
            "the body is not compressed as its header says (gzip)",
        ),
        (
            say(b"HTTP/1.1 302 Found\r\nlocation: ftp://x/\r\ncontent-length: 0\r\n\r\n"),
            "redirects to an unusable URL",
        ),
        (say(b"HTTP/1.1 302 Found\r\nlocation: http://x:y/\r\ncontent-length: 0\r\n\r\n"), "Invalid URL in location"),
    ],
)
def test_answer_that_is_none(tmp_path: Path, behave: Behave, message: str) -> None:
    with RawServer(behave) as server:
        result = run_book(tmp_path, {"http": f"POST {server.url}"}).result

    assert message.format(server=f"127.0.0.1:{server.port}") in str(result.message)
    assert (result.kind, result.outcome) == ("block", "failed")


def test_body_that_is_too_large_ends_the_block_at_the_bound(web: HttpServer, tmp_path: Path) -> None:
    ran = run_book(
        tmp_path,
        {"http": {"url": f"{web.url}/bytes?n=1000", "max_body": 1000}},
        {"http": {"url": f"{web.url}/bytes?n=1001", "max_body": 1000}},
    )

    assert [result.message for result in ran.results] == [None, "the body is larger than 1,000 bytes"]


# Time


def until_gone(connection: socket.socket) -> None:
    """Take what comes, say nothing."""
    while connection.recv(65_536):
        pass


def test_handshake_that_is_not_answered_is_given_up(tmp_path: Path) -> None:
    with RawServer(until_gone) as server:
        url = server.url.replace("http:", "https:")
        result = run_book(tmp_path, {"http": {"url": url, "connect_timeout": "200ms"}}).result

    message = f"no connection to 127.0.0.1:{server.port}: none within 200 ms"
    assert (result.kind, result.message) == ("unreachable", message)


def test_silent_server_is_given_up(tmp_path: Path) -> None:
    with RawServer(until_gone) as server:
        result = run_book(tmp_path, {"http": {"url": server.url, "read_timeout": "200ms"}}).result

    assert (result.kind, result.message) == ("timeout", f"no answer from 127.0.0.1:{server.port} for 200 ms")


def test_server_that_falls_silent_is_given_up(tmp_path: Path) -> None:
    def behave(connection: socket.socket) -> None:
        say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")(connection)
        until_gone(connection)

    with RawServer(behave) as server:
        result = run_book(tmp_path, {"http": {"url": server.url, "read_timeout": "200ms"}}).result

    message = f"127.0.0.1:{server.port} fell silent after 4 bytes of the body, for 200 ms"
    assert (result.kind, result.message) == ("timeout", message)


def test_request_that_is_not_taken_is_given_up(tmp_path: Path) -> None:
    given_up = threading.Event()
    props = {"method": "POST", "body": "x" * 20_000_000, "read_timeout": "300ms"}
    with RawServer(lambda connection: given_up.wait(10)) as server:
        result = run_book(tmp_path, {"http": {"url": server.url, **props}}).result
        given_up.set()

    assert result.message == f"127.0.0.1:{server.port} takes no more of the request, for 300 ms"


def test_block_s_own_limit_replaces_the_patience_with_silence(tmp_path: Path) -> None:
    with RawServer(until_gone) as server:
        started = time.monotonic()
        result = run_book(tmp_path, {"http": server.url, "timeout": "300ms"}).result

    assert result.kind == "timeout"
    assert str(result.message).endswith("(limit 300 ms)")
    assert time.monotonic() - started < 5
    assert result.did == f"GET {server.url}"


def test_endless_answer_ends_with_the_block_and_the_server_sees_it(tmp_path: Path) -> None:
    with http_server() as server:
        result = run_book(tmp_path, {"http": f"{server.url}/drip", "timeout": "300ms"}).result

        assert result.kind == "timeout"
        assert re.fullmatch(rf"GET {server.url}/drip -> 200, \d+ bytes of its body", str(result.did))
        assert server.app.gone.acquire(timeout=10)


# Cancellation


@pytest.mark.parametrize("path", ["never", "drip"])
def test_cancelled_request_is_closed_and_the_server_sees_it(tmp_path: Path, path: str) -> None:
    with http_server() as server:
        kind = cancelled(tmp_path, f"{server.url}/{path}", lambda: server.app.asked.acquire(timeout=10))

        assert kind == "cancelled"
        assert server.app.gone.acquire(timeout=10)


def test_cancelled_while_connecting_ends_at_once(tmp_path: Path) -> None:
    with full_server() as address:
        started = time.monotonic()
        kind = cancelled(tmp_path, f"http://{address}/", lambda: time.sleep(0.05))

    assert kind == "cancelled"
    assert time.monotonic() - started < 5


def cancelled(folder: Path, url: str, wait: Callable[[], object]) -> str | None:
    """Cancel a block once the wait is over; give the kind of what came of it."""

    async def run() -> str | None:
        async with open_runtime(Settings(root=folder)) as runtime:
            document = open_book(runtime, folder, {"http": url})
            handle = document.start_execution(document.items[0].id)
            await anyio.to_thread.run_sync(wait)
            handle.cancel("enough")
            return (await handle.wait()).kind

    return anyio.run(run)
