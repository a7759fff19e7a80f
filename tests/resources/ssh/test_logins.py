"""Ways to log in: keys, agents, certificates, passwords; and what is said where none of them does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Opened, inside
from tests.resources.ssh.conftest import Home
from tests.run_book import run_book
from tests.servers.sshd import PASSWORD, Sshd, make_key, sshd

ECHO = {"script": "id -un"}


def address(server: Sshd, user: str = "root") -> str:
    return f"{user}@127.0.0.1:{server.port}"


def authorize(server: Sshd, key: Path) -> None:
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(key.with_suffix(".pub").read_text())


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty agent. Its socket has a short path, as sockets must."""
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    process = subprocess.Popen(["ssh-agent", "-D", "-a", folder / "socket"], stdout=subprocess.DEVNULL)
    while not (folder / "socket").exists():
        assert process.poll() is None
    monkeypatch.setenv("SSH_AUTH_SOCK", str(folder / "socket"))
    yield folder / "socket"
    process.terminate()
    process.wait()


def test_the_first_of_several_keys_that_fits_is_used(tmp_path: Path, home: Home, server: Sshd) -> None:
    stranger = make_key(tmp_path / "stranger")
    home.write_config(f"IdentityFile {stranger}\nIdentityFile {server.identity}\n")
    home.knows(server)

    assert run_book(tmp_path, {"host": address(server)}, ECHO).output["stdout"] == "root\n"


@pytest.mark.parametrize("how", ["environment", "IdentityAgent"])
def test_a_key_in_the_agent_is_used(
    tmp_path: Path, home: Home, server: Sshd, agent: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    subprocess.run(["ssh-add", "-q", server.identity], check=True)
    home.knows(server)
    if how == "IdentityAgent":
        monkeypatch.delenv("SSH_AUTH_SOCK")
        home.write_config(f"Host 127.*\n IdentityAgent {agent}\n")

    assert run_book(tmp_path, {"host": address(server)}, ECHO).result.outcome == "passed"


def test_with_identities_only_other_keys_of_the_agent_are_not_tried(
    tmp_path: Path, home: Home, server: Sshd, agent: Path
) -> None:
    subprocess.run(["ssh-add", "-q", server.identity], check=True)
    home.knows(server)
    home.write_config(f"IdentitiesOnly yes\nIdentityFile {make_key(tmp_path / 'stranger')}\n")

    message = run_book(tmp_path, {"host": address(server)}, ECHO).result.message or ""
    assert message.endswith(f"refuses the login: tried {tmp_path}/stranger")


def test_an_agent_that_does_not_answer_is_reported(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.write_config(f"IdentityAgent {tmp_path}/no-agent\n")
    home.knows(server)

    message = run_book(tmp_path, {"host": address(server)}, ECHO).result.message or ""
    assert f"the agent at {tmp_path}/no-agent does not answer" in message


def test_a_key_with_a_passphrase_from_a_secret(
    tmp_path: Path, home: Home, server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path / "locked", passphrase="open sesame")
    authorize(server, key)
    home.knows(server)
    monkeypatch.setenv("KEY_PASSPHRASE", "open sesame")
    connect = {"userHost": address(server), "identity": str(key), "passphrase": "{{ secret.PASS }}"}
    ran = run_book(tmp_path, {"ssh-connect": connect}, ECHO, secrets={"PASS": {"env": "KEY_PASSPHRASE"}})

    assert ran.output["stdout"] == "root\n"


@pytest.mark.parametrize(
    ("passphrase", "message"),
    [(None, "it is encrypted, and no passphrase is given"), ("wrong one", "the passphrase is wrong")],
)
def test_a_key_that_can_not_be_opened_is_reported(
    tmp_path: Path, home: Home, server: Sshd, passphrase: str | None, message: str
) -> None:
    key = make_key(tmp_path / "locked", passphrase="open sesame")
    home.knows(server)
    connect = {"userHost": address(server), "identity": str(key), **({"passphrase": passphrase} if passphrase else {})}
    result = run_book(tmp_path, {"ssh-connect": connect}, ECHO).result

    assert result.message == f"the key can't be used: {key}: {message}"


def test_an_encrypted_key_of_ssh_config_is_reported_where_nothing_else_fits(
    tmp_path: Path, home: Home, server: Sshd
) -> None:
    home.write_config(f"IdentityFile {make_key(tmp_path / 'locked', passphrase='x')}\n")
    home.knows(server)
    result = run_book(tmp_path, {"host": address(server)}, ECHO).result

    assert "there was nothing to try; not tried: " in (result.message or "")
    assert "it is encrypted, and no passphrase is given" in (result.message or "")


@pytest.mark.parametrize("how", ["path", "text"])
def test_a_key_as_an_answer(tmp_path: Path, home: Home, server: Sshd, how: str) -> None:
    home.knows(server)
    key = str(server.identity) if how == "path" else server.identity.read_text()
    ran = run_book(tmp_path, {"ssh-connect": address(server)}, ECHO, answers={"ssh-connect#1.identityKey": key})

    assert ran.output["stdout"] == "root\n"


def test_keys_in_ci_touch_no_home(tmp_path: Path, home: Home, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_KEY", server.identity.read_text())
    monkeypatch.setenv("HOSTS", server.known_hosts_line)
    ssh = {"identity": "{{ secret.KEY }}", "known_hosts": "{{ env.HOSTS }}"}
    ran = run_book(tmp_path, {"host": address(server)}, ECHO, ssh=ssh, secrets={"KEY": {"env": "DEPLOY_KEY"}})

    assert ran.output["stdout"] == "root\n"
    assert list(home.path.glob(".ssh/*")) == []


def test_files_for_ci_are_relative_to_the_runbook(tmp_path: Path, home: Home, server: Sshd) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/deploy").write_text(server.identity.read_text())
    (tmp_path / "keys/hosts").write_text(server.known_hosts_line)
    (tmp_path / "keys/config").write_text(f"Host web\n HostName 127.0.0.1\n Port {server.port}\n User root\n")
    ssh = {"identity": "keys/deploy", "known_hosts": "keys/hosts", "config": "keys/config"}

    assert run_book(tmp_path, {"host": "web"}, ECHO, ssh=ssh).output["stdout"] == "root\n"


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_a_password_from_a_secret(
    tmp_path: Path, home: Home, accounts: Sshd, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    home.knows(accounts)
    home.write_config(f"PreferredAuthentications {method}\n")
    monkeypatch.setenv("THE_PASSWORD", PASSWORD)
    connect = {"userHost": address(accounts, "plain"), "password": "{{ secret.P }}"}
    ran = run_book(tmp_path, {"ssh-connect": connect}, ECHO, secrets={"P": {"env": "THE_PASSWORD"}})

    assert ran.output["stdout"] == "plain\n"


def test_a_wrong_password_is_reported_and_not_shown(tmp_path: Path, home: Home, accounts: Sshd) -> None:
    home.knows(accounts)
    connect = {"userHost": address(accounts, "plain"), "password": "wrong-password"}
    result = run_book(tmp_path, {"ssh-connect": connect}, ECHO).result

    assert "refuses the login: tried the password" in (result.message or "")
    assert result.hint == "is it the right password, for this user?"
    assert "wrong-password" not in str(result)


def test_nothing_to_try_is_reported(tmp_path: Path, home: Home, server: Sshd) -> None:
    home.knows(server)
    result = run_book(tmp_path, {"host": address(server)}, ECHO).result

    assert result.message == f"root@127.0.0.1:{server.port} refuses the login: there was nothing to try"
    assert "IdentityFile in ssh_config" in (result.hint or "")


@pytest.mark.parametrize(
    ("validity", "event"),
    [("-1d:+1d", None), ("-2d:-1d", "sshCertificateExpired"), ("+1d:+2d", "sshCertificateNotYetValid")],
)
def test_certificates_count_while_they_hold(tmp_path: Path, home: Home, validity: str, event: str | None) -> None:
    authority, key = make_key(tmp_path / "authority"), make_key(tmp_path / "user")
    words = ["ssh-keygen", "-q", "-s", str(authority), "-I", "t", "-n", "root", "-V", validity, f"{key}.pub"]
    subprocess.run(words, check=True)
    with sshd(tmp_path / "server", settings=[f"TrustedUserCAKeys {authority}.pub"]) as server:
        home.has_alias(server)
        home.write_config(home.config.read_text().replace(str(server.identity), str(key)))
        home.knows(server)

        async def work(book: Opened) -> tuple[str, list[str], list[str]]:
            await book.run.run_all()
            return book.outcomes["S"], [str(kind) for kind in book.kinds], list(book.runtime.warnings)

        outcome, kinds, notes = inside(tmp_path, "blocks: [{host: web}, {name: S, script: echo}]", work)

    assert outcome == ("passed" if event is None else "failed")
    assert event is None or event in kinds
    assert event is None or f"{key}-cert.pub: Certificate" in notes[0]
