"""Real OpenSSH servers, on free ports, with keys and a home of their own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STARTED_WITHIN = 10.0
SSHD = "/usr/sbin/sshd"


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A running server. identity: a private key that it lets in as root. home: where logins begin."""

    port: int
    folder: Path
    identity: Path
    home: Path
    process: subprocess.Popen[bytes]
    address: str = "127.0.0.1"

    @property
    def host_key(self) -> str:
        """Algorithm and key, as they stand in known_hosts."""
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    @property
    def known_hosts_line(self) -> str:
        return f"[{self.address}]:{self.port} {self.host_key}\n"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def free_port(address: str = "127.0.0.1") -> int:
    with socket.create_server((address, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path, "-C", path.name], check=True)
    return path


@contextmanager
def sshd(
    folder: Path,
    *,
    settings: Sequence[str] = (),
    prefix: Sequence[str] = (),
    address: str = "127.0.0.1",
    before: Callable[[], object] | None = None,
) -> Iterator[Sshd]:
    """Start a server and wait until it answers.

    settings: further lines of its configuration, which win over ours. prefix: what to run it in: a namespace.
    before: called when its keys are there, before it starts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir()
    Path("/run/sshd").mkdir(exist_ok=True)
    make_key(folder / "host")
    identity = make_key(folder / "id")
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    port = free_port()
    (folder / "config").write_text(_config(folder, home, address, port, settings))
    if before is not None:
        before()
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [*prefix, SSHD, "-D", "-e", "-f", folder / "config"], stderr=log, stdin=subprocess.DEVNULL
    )
    server = Sshd(port=port, folder=folder, identity=identity, home=home, process=process, address=address)
    try:
        _wait_until_it_answers(server)
        yield server
    finally:
        process.terminate()
        process.wait()
        log.close()


def _config(folder: Path, home: Path, address: str, port: int, settings: Sequence[str]) -> str:
    # Tests look for files left behind: those of a server that runs beside this one are none of theirs.
    own_tmp = "" if "UsePAM yes" in settings else f" TMPDIR={home}"
    lines = (
        *settings,
        f"Port {port}",
        f"ListenAddress {address}",
        f"HostKey {folder}/host",
        f"PidFile {folder}/pid",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "UseDNS no",
        "MaxStartups 100",
        "MaxSessions 10",
        f"SetEnv HOME={home}{own_tmp}",
    )
    return "\n".join(lines) + "\n"


def _wait_until_it_answers(server: Sshd) -> None:
    deadline = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            with socket.create_connection((server.address, server.port), timeout=1) as connection:
                connection.recv(4)
                return
        except OSError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sshd does not answer: {server.log}") from None
            time.sleep(0.01)


PASSWORD = "correct horse 'battery' $staple"
_FIRST_UID = 61_000
USERS = ("plain", "asked", "free")
"""Users of a server with accounts: who may not use sudo, whom it asks for the password, and whom it does not."""


@contextmanager
def sshd_with_accounts(folder: Path) -> Iterator[Sshd]:
    """A server on a machine with users of its own, for as long as it runs, without changing this one's."""
    with sshd(folder / "server", settings=["UsePAM yes", "KbdInteractiveAuthentication yes"],
              prefix=machine(folder)) as server:  # fmt: skip
        yield server


def machine(folder: Path, user: str | None = None) -> list[str]:
    """A command that runs another one where these users are in /etc: as root, or as one of them.

    Who is not root may still look into all folders: the interpreter of the tests may be in one of root's own.
    """
    folder.mkdir()
    hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True).stdout
    lines = {"passwd": "", "shadow": "", "sudoers": "root ALL=(ALL:ALL) ALL\nDefaults env_reset, !lecture\n"}
    for number, login in enumerate(USERS, start=_FIRST_UID):
        home = folder / login
        home.mkdir()
        shutil.chown(home, number, number)
        lines["passwd"] += f"{login}:x:{number}:{number}::{home}:/bin/bash\n"
        lines["shadow"] += f"{login}:{hashed.strip()}:19000:0:99999:7:::\n"
    lines["sudoers"] += "asked ALL=(ALL) ALL\nfree ALL=(ALL) NOPASSWD: ALL\n"
    for parent in (folder, folder.parent):
        parent.chmod(parent.stat().st_mode | 0o055)  # /tmp may be among them: its other bits stay
    mounts = []
    for name, text in lines.items():
        own = Path("/etc", name).read_text() if name != "sudoers" else ""
        (folder / name).write_text(own + text)
        (folder / name).chmod(0o440 if name == "sudoers" else 0o644)
        mounts.append(f"mount --bind {folder / name} /etc/{name}")
    command = ["unshare", "--mount", "sh", "-c", " && ".join([*mounts, 'exec "$@"']), "sh"]
    if user is None:
        return command
    uid = _FIRST_UID + USERS.index(user)
    caps = "-all,+dac_read_search"
    who = (f"--reuid={uid}", f"--regid={uid}", "--clear-groups", f"--inh-caps={caps}", f"--ambient-caps={caps}")
    return [*command, "setpriv", *who]
