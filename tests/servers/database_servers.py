"""PostgreSQL, MariaDB and ClickHouse for tests."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
def postgres_server(certificate: Path | None = None, authority: Path | None = None) -> Iterator[DatabaseServer]:
    """PostgreSQL; user ``postgres`` with the password.

    certificate: for TLS, with its key in the same file. authority: of the certificates that clients have to have who
    come as ``careful``.
    """
    places = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = needed("initdb", "postgresql", *reversed(places))
    with folder() as home:
        (home / "password").write_text(PASSWORD)
        _passed_over(home / "password")
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
        if authority is not None:
            command += ["-c", f"ssl_ca_file={_own_copy(authority, home)}"]
            rules = home / "data" / "pg_hba.conf"
            careful = "hostssl all careful all scram-sha-256 clientcert=verify-ca"
            rules.write_text(f"{careful}\nhostnossl all careful all reject\n{rules.read_text()}")
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
def mariadb_server(certificate: Path | None = None, authority: Path | None = None) -> Iterator[DatabaseServer]:
    """MariaDB; user ``runbook`` with the password, database ``shop``. certificate, authority: as above."""
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
            f"create user careful@'%' identified by '{PASSWORD}' require x509;\n"
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
        if authority is not None:
            command.append(f"--ssl-ca={_own_copy(authority, home)}")
        uri = f"mysql://runbook:{PASSWORD}@127.0.0.1:{port}/shop"
        with running(command, home, lambda: answers(port)) as process:
            yield DatabaseServer(uri, port, home, process)


@contextmanager
def clickhouse_server(certificate: Path | None = None, authority: Path | None = None) -> Iterator[DatabaseServer]:
    """ClickHouse's own engine behind its HTTP interface; user ``default`` with the password.

    certificate: as above. authority: of the certificates that all clients have to have.
    """
    if importlib.util.find_spec("chdb") is None:
        pytest.skip("no chdb: pip install --no-deps chdb-core")
    with folder() as home:
        port = free_port()
        script = Path(__file__).with_name("clickhouse_http.py")
        command: list[str | Path] = [sys.executable, script, str(port), home / "data", home / "requests", PASSWORD]
        pem = [path for path in (certificate, authority) if path is not None]
        with _as_ourselves([*command, *pem], home, port) as process:
            scheme = "https" if pem else "http"
            yield DatabaseServer(f"{scheme}://default:{PASSWORD}@127.0.0.1:{port}", port, home, process)


@contextmanager
def _as_ourselves(command: list[str | Path], home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server in Python, which must be able to read the environment it is installed in."""
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=home, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while not answers(port):
            assert process.poll() is None, (home / "log").read_text()
            time.sleep(0.02)
        yield process
    finally:
        stop(process)


def _passed_over(path: Path) -> Path:
    """The file, owned by the user that servers run as."""
    if unprivileged():
        shutil.chown(path, "nobody", "nogroup")
    return path


def _own_copy(certificate: Path, home: Path) -> Path:
    """The server's own copy, which nobody else may read."""
    copy = Path(shutil.copy(certificate, home / certificate.name))
    copy.chmod(0o600)
    return _passed_over(copy)
