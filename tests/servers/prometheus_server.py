"""A real Prometheus on a free port, with a past and with series that change while it runs."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("prometheus", "promtool")
HOW_TO = "no prometheus and promtool: sudo apt-get install prometheus"
MINUTES = 40

RULES = """
groups:
  - name: now
    interval: 50ms
    rules:
      - {record: orders, expr: vector(42)}
      - {record: stock, expr: vector(7), labels: {shelf: a}}
      - {record: stock, expr: vector(8), labels: {shelf: b}}
      - {record: nothing, expr: vector(0) / 0}
      - {record: everything, expr: vector(1) / 0}
"""
CONFIG = "rule_files: [rules.yml]\n"
# Reading from elsewhere fails, which is no error but a warning to whoever asks.
CLOSED_CONFIG = CONFIG + 'remote_read: [{url: "http://127.0.0.1:9/read", read_recent: true}]\n'
# The password of ada is lovelace.
CLOSED_WEB_CONFIG = 'basic_auth_users: {ada: "$2b$04$g5ZhJIgq5naUkoPGl.6JUuHbczexF./6HlM5Nv8Mddd4NWFN.YJWi"}\n'


@dataclass(frozen=True)
class PrometheusServer:
    """url: without a slash at the end. began: the Unix time of the oldest sample."""

    url: str
    began: int


def are_installed() -> bool:
    return all(map(shutil.which, PROGRAMS))


@contextlib.contextmanager
def prometheus_server(folder: Path, *, closed: bool = False) -> Iterator[PrometheusServer]:
    """A server that has evaluated its rules. closed: it wants ada's password, and warns."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "rules.yml").write_text(RULES)
    (folder / "prometheus.yml").write_text(CLOSED_CONFIG if closed else CONFIG)
    (folder / "web.yml").write_text(CLOSED_WEB_CONFIG if closed else "")
    began = _make_past(folder)
    argv = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.config.file={folder}/web.yml",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(port, process, {"Authorization": "Basic YWRhOmxvdmVsYWNl"} if closed else {})
            yield PrometheusServer(f"http://127.0.0.1:{port}", began)
        finally:
            process.terminate()


def _make_past(folder: Path) -> int:
    """A gauge of two series over the last 40 minutes; the second has only the older half. Gives when they began."""
    began = int(time.time()) - MINUTES * 60
    samples = [f'lag{{region="eu"}} {minute} {began + minute * 60}' for minute in range(MINUTES)]
    samples += [f'lag{{region="us"}} {minute + 100} {began + minute * 60}' for minute in range(MINUTES // 2)]
    (folder / "past").write_text("\n".join(["# TYPE lag gauge", *samples, "# EOF\n"]))
    argv = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(folder / "past"), str(folder / "data")]
    subprocess.run(argv, check=True, capture_output=True)
    return began


def _wait_until_ready(port: int, process: subprocess.Popen[bytes], headers: Mapping[str, str]) -> None:
    """Until the last rule has a value."""
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as asking:
            asking.request("GET", "/api/v1/query?query=everything", headers=dict(headers))
            if b"everything" in asking.getresponse().read():
                return
        time.sleep(0.02)
    raise RuntimeError("prometheus did not get ready; its log is in the temporary folder")
