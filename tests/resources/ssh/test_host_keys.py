"""Whether a host is the one that it says it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.resources.ssh.conftest import Home
from tests.run_book import Ran, run_book
from tests.servers.sshd import Sshd, make_key, sshd


def run(folder: Path) -> Ran:
    return run_book(folder, {"host": "web"}, {"script": "echo in"})


@pytest.fixture
def alias(home: Home, server: Sshd) -> Home:
    """The server is called web, and nobody knows its key."""
    home.has_alias(server)
    return home


def other_key(folder: Path) -> str:
    return " ".join(make_key(folder / "other").with_suffix(".pub").read_text().split()[:2])


def test_an_unknown_host_is_refused(tmp_path: Path, alias: Home, server: Sshd) -> None:
    result = run(tmp_path).result

    assert (result.outcome, result.kind) == ("failed", "unreachable")
    start = f"the host key of 127.0.0.1:{server.port} is not known: ssh-ed25519 SHA256:"
    assert (result.message or "").startswith(start)
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {alias.known_hosts}" in (result.hint or "")


def test_a_changed_key_is_refused_with_the_line_to_look_at(tmp_path: Path, alias: Home, server: Sshd) -> None:
    alias.known_hosts.write_text(f"# hosts\n[127.0.0.1]:{server.port} {other_key(tmp_path)}\n")
    result = run(tmp_path).result

    assert f"the host key of 127.0.0.1:{server.port} has changed" in (result.message or "")
    assert f"{alias.known_hosts}:2 has another" in (result.message or "")
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {alias.known_hosts}" in (result.hint or "")


def test_a_key_of_another_kind_than_the_known_one_is_a_changed_key(tmp_path: Path, alias: Home, server: Sshd) -> None:
    ecdsa = make_key(tmp_path / "ecdsa", kind="ecdsa").with_suffix(".pub").read_text()
    alias.known_hosts.write_text(f"[127.0.0.1]:{server.port} {ecdsa}")
    result = run(tmp_path).result

    assert "has changed: it is ssh-ed25519 SHA256:" in (result.message or "")


def test_a_revoked_key_is_refused(tmp_path: Path, alias: Home, server: Sshd) -> None:
    alias.knows(server)
    alias.known_hosts.write_text(alias.known_hosts.read_text() + f"@revoked * {server.host_key}\n")
    result = run(tmp_path).result

    assert result.message == f"the host key of 127.0.0.1:{server.port} is revoked: {alias.known_hosts}:2"


@pytest.mark.parametrize("policy", ["no", "accept-new"])
def test_a_revoked_key_is_refused_whatever_the_policy(tmp_path: Path, home: Home, server: Sshd, policy: str) -> None:
    home.has_alias(server, extra=f"StrictHostKeyChecking {policy}")
    home.known_hosts.write_text(f"@revoked * {server.host_key}\n")

    assert "is revoked" in (run(tmp_path).result.message or "")


KNOWN = {
    "with its port": "[127.0.0.1]:{port} {key}",
    "without a port": "127.0.0.1 {key}",
    "in a list": "a,[127.0.0.1]:{port},b {key}",
    "by a pattern": "*.0.0.1 {key}",
    "beside one that makes no sense": "nonsense\n[127.0.0.1]:{port} {key}",
    "beside another key of its own": "[127.0.0.1]:{port} {other}\n[127.0.0.1]:{port} {key}",
}


@pytest.mark.parametrize("how", KNOWN)
def test_a_host_is_known(tmp_path: Path, alias: Home, server: Sshd, how: str) -> None:
    text = KNOWN[how].format(port=server.port, key=server.host_key, other=other_key(tmp_path))
    alias.known_hosts.write_text(text + "\n")

    assert run(tmp_path).result.outcome == "passed"


def test_a_hashed_host_is_known(tmp_path: Path, alias: Home, server: Sshd) -> None:
    alias.knows(server)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", alias.known_hosts], check=True, capture_output=True)

    assert "127.0.0.1" not in alias.known_hosts.read_text()
    assert run(tmp_path).result.outcome == "passed"


def test_a_new_host_is_accepted_once_where_the_user_wants_it(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="StrictHostKeyChecking accept-new\n  HashKnownHosts no")

    assert run(tmp_path).result.outcome == "passed"
    assert home.known_hosts.read_text() == server.known_hosts_line
    assert home.known_hosts.stat().st_mode & 0o777 == 0o600


def test_what_is_written_down_is_hashed_where_the_user_wants_it(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="StrictHostKeyChecking accept-new\n  HashKnownHosts yes")
    run(tmp_path)

    host = f"[127.0.0.1]:{server.port}"
    found = subprocess.run(["ssh-keygen", "-F", host, "-f", home.known_hosts], capture_output=True, text=True)
    assert server.host_key in found.stdout


def test_accept_new_refuses_a_changed_key(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="StrictHostKeyChecking accept-new")
    home.known_hosts.write_text(f"[127.0.0.1]:{server.port} {other_key(tmp_path)}\n")

    assert "has changed" in (run(tmp_path).result.message or "")


def test_no_check_lets_a_changed_key_pass(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="StrictHostKeyChecking no")
    home.known_hosts.write_text(f"[127.0.0.1]:{server.port} {other_key(tmp_path)}\n")

    assert run(tmp_path).result.outcome == "passed"


def test_a_host_is_known_by_its_alias_for_keys(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.has_alias(server, extra="HostKeyAlias farm")
    home.known_hosts.write_text(f"farm {server.host_key}\n")

    assert run(tmp_path).result.outcome == "passed"


@pytest.mark.parametrize(
    ("principals", "days", "message"),
    [
        ("127.0.0.1", "+1d", None),
        ("other", "+1d", "Certificate principal mismatch"),
        ("127.0.0.1", "-1d", "Certificate expired"),
    ],
)
def test_a_certificate_is_trusted_by_its_authority(
    tmp_path: Path, home: Home, principals: str, days: str, message: str | None
) -> None:
    authority = make_key(tmp_path / "authority")
    folder = tmp_path / "server"
    with sshd(
        folder,
        settings=[f"HostCertificate {folder}/host-cert.pub"],
        before=lambda: _sign_host(authority, folder / "host.pub", principals, days),
    ) as server:
        home.has_alias(server)
        key = authority.with_suffix(".pub").read_text()
        home.known_hosts.write_text(f"@cert-authority * {key}")
        result = run(tmp_path).result

    assert result.outcome == ("passed" if message is None else "failed")
    assert message is None or message in (result.message or "")


def _sign_host(authority: Path, key: Path, principals: str, days: str) -> None:
    validity = f"-2d:{days}"
    words: list[str | Path] = [
        "ssh-keygen",
        "-q",
        "-s",
        authority,
        "-I",
        "test",
        "-h",
        "-n",
        principals,
        "-V",
        validity,
        key,
    ]
    subprocess.run(words, check=True)
