"""PostgreSQL, MariaDB and ClickHouse for tests."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.children import answers, folder, free_port, needed, running, stop, unprivileged

PASSWORD = "s3cret-w0rd"


@dataclass
class DatabaseServer:
    """A server that answers. uri: of its superuser, to its default database."""

    uri: str
    port: int
    home: Path
    process: subprocess.Popen[bytes] = field(repr=False)


@contextmanager
def postgres_server(certificate: Path | None = None) -> Iterator[DatabaseServer]:
    """PostgreSQL; user ``postgres`` with the password. certificate: for TLS, with its key in the same file."""
    places = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = needed("initdb", "postgresql", *reversed(places))
    with folder() as home:
        (home / "password").write_text(PASSWORD)
        _handed_over(home / "password")
        subprocess.run(
            [
                initdb, "-D", home / "data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile", home / "password",
                "-N", "--no-locale", "-E", "UTF8", "--no-instructions",
            ],
            check=True, capture_output=True, cwd=home, **unprivileged(),
        )  # fmt: skip
        port = free_port()
        command: list[str | Path] = [
            Path(initdb).resolve().parent / "postgres", "-D", home / "data", "-p", str(port), "-h", "127.0.0.1",
            "-k", home, "-F", "-c", "shared_buffers=16MB", "-c", "max_connections=30",
        ]  # fmt: skip
        if certificate is not None:
            own = _own_copy(certificate, home)
            command += ["-c", "ssl=on", "-c", f"ssl_cert_file={own}", "-c", f"ssl_key_file={own}"]
        uri = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        ready = Path(initdb).resolve().parent / "pg_isready"
        with running(
            command, home, lambda: subprocess.run([ready, "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0
        ) as process:
            try:
                yield DatabaseServer(uri, port, home, process)
            finally:
                process.send_signal(3)  # immediate shutdown: without waiting for anybody


@contextmanager
def mariadb_server(certificate: Path | None = None) -> Iterator[DatabaseServer]:
    """MariaDB; user ``runbook`` with the password, database ``shop``. certificate: as above."""
    program = needed("mariadbd", "mariadb-server-core", "/usr/sbin")
    install = needed("mariadb-install-db", "mariadb-server-core")
    with folder() as home:
        subprocess.run(
            [
                install, "--no-defaults", f"--datadir={home}/data", f"--tmpdir={home}",
                "--auth-root-authentication-method=normal", "--skip-test-db",
            ],
            check=True, capture_output=True, cwd=home, **unprivileged(),
        )  # fmt: skip
        port = free_port()
        (home / "init.sql").write_text(
            f"create database shop;\ncreate user runbook@'%' identified by '{PASSWORD}';\n"
            "grant all on *.* to runbook@'%' with grant option;\n"
        )
        command: list[str | Path] = [
            program, "--no-defaults", f"--datadir={home}/data", f"--tmpdir={home}", f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={home}/s", f"--pid-file={home}/pid", "--skip-name-resolve", f"--init-file={home}/init.sql",
            "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M",
        ]  # fmt: skip
        if certificate is not None:
            own = _own_copy(certificate, home)
            command += [f"--ssl-cert={own}", f"--ssl-key={own}"]
        uri = f"mysql://runbook:{PASSWORD}@127.0.0.1:{port}/shop"
        with running(command, home, lambda: answers(port)) as process:
            yield DatabaseServer(uri, port, home, process)


@contextmanager
def clickhouse_server() -> Iterator[DatabaseServer]:
    """ClickHouse's own engine behind its HTTP interface; user ``default`` with the password."""
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("no chdb: pip install --no-deps chdb-core")
    with folder() as home:
        port = free_port()
        script = Path(__file__).with_name("clickhouse_http.py")
        command: list[str | Path] = [sys.executable, script, str(port), home / "data", home / "requests", PASSWORD]
        with _as_ourselves(command, home, port) as process:
            yield DatabaseServer(f"http://default:{PASSWORD}@127.0.0.1:{port}", port, home, process)


@contextmanager
def _as_ourselves(command: list[str | Path], home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server in Python, which must be able to read the environment it is installed in."""
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=home, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while not _pings(port):
            assert process.poll() is None, (home / "log").read_text()
        yield process
    finally:
        stop(process)


def _pings(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _handed_over(path: Path) -> Path:
    """The file, owned by the user that servers run as."""
    if unprivileged():
        shutil.chown(path, "nobody", "nogroup")
    return path


def _own_copy(certificate: Path, home: Path) -> Path:
    """The server's own copy, which nobody else may read."""
    copy = Path(shutil.copy(certificate, home / "server.pem"))
    copy.chmod(0o600)
    return _handed_over(copy)
