"""What is wrong with a block, its server or its answer: told in a sentence with a hint, and in time."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_runbook.blocks.query_block import connection_name
from tests.blocks.sql.conftest import Database
from tests.run_book import Ran, run_book
from tests.servers.database_servers import PASSWORD, DatabaseServer

URIS = [
    ("postgres", "mysql://u@h/d", "a PostgreSQL URI begins with postgres:// or postgresql://"),
    ("postgres", "postgresql://u@h:notaport/d", "the URI can't be used: is its port a number?"),
    ("mysql", "postgres://u@h/d", "a MySQL URI begins with mysql:// or mariadb://"),
    ("mysql", "mysql://u@h:notaport/d", "the URI can't be read: is its port a number?"),
    ("mysql", "mysql://u@h/d?ssl-mod=REQUIRED", 'the URI\'s parameter "ssl-mod" is not known'),
    ("mysql", "mysql://u@h/d?ssl-mode=maybe", 'ssl-mode is "maybe"'),
    ("mysql", "mysql://u@h/d?ssl-mode=VERIFY_CA&ssl-ca=/nothing", "ssl-ca: there is no file /nothing"),
    ("mysql", "mysql://u@h/d?ssl-mode=VERIFY_CA&ssl-ca=book.runbook.json", "the certificates can't be used: "),
    ("postgres", "postgres://u@h/d?sslmode=verify-ca&sslrootcert=book.runbook.json", "no TLS with postgres://u@h/d: "),
    ("clickhouse", "https://h?ca_cert=book.runbook.json", "no certificates to trust in "),
    ("sqlite", "http://x", '"http" is not SQLite\'s scheme'),
    ("sqlite", "sqlite://x.db?mod=ro", 'SQLite knows no parameter "mod"'),
    ("sqlite", "x.db?mode=maybe", 'mode is "maybe"'),
    ("clickhouse", "clickhouse://h", "a ClickHouse URI begins with http:// or https://"),
    ("clickhouse", "http://", "the URI names no host"),
    ("clickhouse", "http://h?ca_cert=book.runbook.json", "ca_cert is about TLS, and the URI begins with http://"),
    ("clickhouse", "https://h?verify=perhaps", 'verify is "perhaps"'),
    (
        "clickhouse",
        "https://h?client_cert_key=book.runbook.json",
        "client_cert_key belongs to a certificate",
    ),
    ("clickhouse", "https://h?ca_cert=missing.pem", "ca_cert: there is no file /"),
    ("clickhouse", "https://h:99999", '"https://h:99999/": 99999 is no port'),
    (
        "postgres",
        "postgres://u@h/d?sslmode=verify-ca&sslrootcert=missing.pem",
        "sslrootcert: there is no file /",
    ),
    ("postgres", "postgres://u@h/d?channel_binding=require", "channel_binding=require can't be met"),
    ("postgres", "postgres://u:pa/ss@h/d", "user or password in the URI hold a / ? or # as it is"),
    ("mysql", "mysql://u:pa?ss@h/d", "user or password in the URI hold a / ? or # as it is"),
    ("clickhouse", "http://u:pa#ss@h", "user or password in the URI hold a / ? or # as it is"),
    ("postgres", "{{ var.none }}", "var.none is empty"),
    ("postgres", "postgres://{{ var.none }}:x@h/d", "var.none is empty"),
    ("postgres", "postgres://{{ var.nothing_set_it }}@h/d", "var.nothing_set_it is undefined"),
]


@pytest.mark.parametrize(("kind", "uri", "said"), URIS)
def test_uri_that_makes_no_sense_is_an_error_at_its_place(kind: str, uri: str, said: str, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {kind: {"uri": uri, "query": "select 1"}}, vars={"none": ""})

    assert (ran.result.message or "").startswith(said)
    assert ran.result.kind in ("block", "file", "unreachable")
    assert ran.result.hint is not None


POSTGRES_FAULTS = [
    ("create temp table t (a int); copy t from stdin", "statement 2 of 2: COPY FROM STDIN and TO STDOUT need a client"),
    ("copy (select 1) to stdout", "COPY FROM STDIN and TO STDOUT need a client"),
    ("select 1;\n\\dt shop.*", "statement 2 of 2: \\dt is a command of the program psql"),
    ("select 'a\0b'", "the SQL holds a null character"),
    ("select $1::int", "params holds 0, and the statement wants 1"),
    ("select 1 / 0", "division by zero"),
    ("begin; select 1 / 0; select 2", "statement 2 of 3: division by zero"),
]


@pytest.mark.parametrize(("query", "said"), POSTGRES_FAULTS)
def test_what_postgres_can_not_do_is_reported_at_once(
    postgres: DatabaseServer, tmp_path: Path, query: str, said: str
) -> None:
    ran = run_book(tmp_path, {"postgres": {"uri": postgres.uri, "query": query}, "timeout": "20s"})

    assert (ran.result.message or "").startswith(said)
    assert ran.result.kind == "block"


def test_delimiter_is_reported_to_be_no_sql(mariadb: DatabaseServer, tmp_path: Path) -> None:
    query = "delimiter //\ncreate procedure p() begin select 1; end//\ndelimiter ;"

    ran = run_book(tmp_path, {"mysql": {"uri": mariadb.uri, "query": query}})

    assert "DELIMITER is a command of the program mysql, not of the server" in (ran.result.message or "")
    assert (ran.result.hint or "").startswith("leave it out")


def test_parameters_of_other_clients_are_no_settings(postgres: DatabaseServer, tmp_path: Path) -> None:
    uri = f"{postgres.uri}?connect_timeout=5&keepalives=1&application_name=smoke"

    ran = run_book(tmp_path, {"postgres": {"uri": uri, "query": "show application_name"}})

    assert ran.output["value"] == "smoke"


NAMES = [
    ("postgres://u:secret@h:5/d?sslmode=require", "postgres://u@h:5/d"),
    ("postgres://u:sec/r@e?t@h/d", "postgres://u@h/d"),
    ("postgres:///d", "postgres:///d"),
    ("http://h:8123", "http://h:8123"),
    (":memory:", ":memory:"),
    ("shop.db?mode=ro", "shop.db"),
    ("sqlite://shop.db", "sqlite://shop.db"),
]


@pytest.mark.parametrize(("uri", "name"), NAMES)
def test_uri_is_reported_without_its_password(uri: str, name: str) -> None:
    assert connection_name(uri) == name


def wrong_password(server: DatabaseServer) -> str:
    return server.uri.replace(PASSWORD, "wr0ng-w0rd")


def unknown_database(server: DatabaseServer) -> str:
    return f"{server.uri.rpartition('/')[0]}/nowhere" if server.uri.count("/") > 2 else f"{server.uri}/nowhere"


LOGINS: list[tuple[str, Callable[[DatabaseServer], str], str, str]] = [
    ("postgres", wrong_password, "password authentication failed", "look at user and password"),
    ("mariadb", wrong_password, "Access denied for user", "look at user and password; some users have to show"),
    ("clickhouse", wrong_password, "Authentication failed", "look at user and password"),
    ("postgres", unknown_database, 'database "nowhere" does not exist', "the server has no database of that name"),
    ("mariadb", unknown_database, "Unknown database 'nowhere'", "the server has no database of that name"),
    ("clickhouse", unknown_database, "nowhere", "the server has no database of that name"),
]


@pytest.mark.parametrize(("server", "uri_of", "said", "hint"), LOGINS)
def test_server_that_does_not_let_us_in_is_unreachable(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    server: str,
    uri_of: Callable[[DatabaseServer], str],
    said: str,
    hint: str,
) -> None:
    kind = {"mariadb": "mysql"}.get(server, server)

    ran = run_book(tmp_path, {kind: {"uri": uri_of(request.getfixturevalue(server)), "query": "select 1"}})

    assert ran.result.kind == "unreachable"
    assert said in (ran.result.message or "")
    assert (ran.result.hint or "").startswith(hint)
    assert_no_password(ran)


UNREACHABLE = [
    ("postgres", "postgresql://u:{password}@no.such.host.invalid/d"),
    ("mysql", "mysql://u:{password}@no.such.host.invalid/d"),
    ("clickhouse", "http://u:{password}@no.such.host.invalid/d"),
    ("sqlite", "/no/such/folder/shop.db"),
    ("sqlite", "sqlite://missing.db?mode=ro"),
]


@pytest.mark.parametrize(("kind", "uri"), UNREACHABLE)
def test_database_that_is_not_there_is_unreachable(kind: str, uri: str, tmp_path: Path) -> None:
    ran = run_book(tmp_path, {kind: {"uri": uri.format(password=PASSWORD), "query": "select 1"}})

    assert ran.result.kind == "unreachable"
    assert_no_password(ran)


def test_error_of_a_server_has_its_own_words_and_no_password(database: Database, tmp_path: Path) -> None:
    ran = run_book(tmp_path, database.block("select * from no_such_table"))

    assert ran.result.kind == "block"
    assert "no_such_table" in (ran.result.message or "")
    assert_no_password(ran)


@contextmanager
def server_that(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that treats every connection in this way, then closes it."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def say(data: bytes, *, listens: bool = True) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        if listens:
            connection.recv(65_536)
        connection.sendall(data)

    return answer


def http(body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n".encode() + body


SCHEMES = {
    "postgres": "postgres://u@127.0.0.1:{}/d",
    "mysql": "mysql://u@127.0.0.1:{}/d",
    "clickhouse": "http://127.0.0.1:{}",
}


@pytest.mark.parametrize("kind", SCHEMES)
@pytest.mark.parametrize("data", [b"", b"SSH-2.0-x\r\n", b"\0" * 100, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_server_that_is_something_else_is_an_error(kind: str, data: bytes, tmp_path: Path) -> None:
    with server_that(say(data, listens=kind != "mysql")) as port:
        ran = run_book(
            tmp_path,
            {kind: {"uri": SCHEMES[kind].format(port), "query": "select 1", "connect_timeout": "2s"}, "timeout": "5s"},
        )

    assert ran.result.kind == "unreachable"
    assert ran.result.hint is not None
    assert ran.result.seconds < 4


def test_answer_that_is_no_json_is_reported(tmp_path: Path) -> None:
    with server_that(say(http(b"<html>hello</html>\n"))) as port:
        ran = run_book(tmp_path, {"clickhouse": {"uri": f"http://127.0.0.1:{port}", "query": "select 1"}})

    assert ran.result.message == "the server answered in something else, not in JSON, a row a line"


def assert_no_password(ran: Ran) -> None:
    reported = json.dumps([result.to_json() for result in ran.results], default=str)
    assert PASSWORD not in reported
    assert "wr0ng-w0rd" not in reported


SUICIDES = {
    "postgres": "select pg_terminate_backend(pg_backend_pid())",
    "mysql": "kill connection connection_id(); select 1",
}


@pytest.mark.parametrize("database", SUICIDES, indirect=True)
def test_server_that_goes_away_in_the_middle_is_reported(database: Database, tmp_path: Path) -> None:
    ran = run_book(tmp_path, database.block(SUICIDES[database.type]), database.block("select 1 as one"))

    assert ran.results[0].kind == "block"
    assert ran.results[0].hint is not None
    assert ran.output["value"] == 1
