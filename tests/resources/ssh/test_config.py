"""ssh_config, read as `ssh` itself reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_runbook.errors import BlockFailed
from pytest_runbook.resources.ssh.config.destination import Destination
from pytest_runbook.resources.ssh.config.host_config import read_config
from pytest_runbook.resources.ssh.config.options import HostKeyPolicy, HostOptions, host_options

SAME_AS_SSH = {
    "nothing": ("web", ""),
    "an alias": ("web", "Host web\n HostName web.example.com\n User deploy\n Port 2222"),
    "the first value wins": ("web", "Host web\n User one\nHost *\n User two\n Port 2200"),
    "above all hosts": ("web", "User everyone\nHost web\n User web"),
    "wildcards": ("web-12.corp", "Host web-??.*\n User a\nHost web-*\n Port 23"),
    "negation": ("bad.corp", "Host *.corp !bad.corp\n User a\nHost *\n User b"),
    "case and equals": ("web", "host web\n\tUSER=me\n  pOrT =  44"),
    "quotes": ("web", 'Host "web" other\n User "some one"\n HostName "h"'),
    "comments": ("web", "# first\nHost web # here\n User me # there\n  # indented\n Port 7"),
    "a hostname from the alias": ("db", "Host db\n HostName %h.prod.example.com"),
    "match host": ("web", "Host web\n HostName h.corp\nMatch host *.corp\n User a\nMatch all\n Port 5"),
    "match originalhost": ("web", "Host web\n HostName h.corp\nMatch originalhost web\n User a"),
    "match user": ("root@web", "Match user root\n Port 5\nMatch user nobody\n Port 6"),
    "match negated": ("web", "Match !host db\n User a\nMatch host web,!web\n Port 9"),
    "match exec": ("web", 'Match exec "test %h = web"\n User a\nMatch exec false\n Port 6'),
    "match of two": ("web", 'Match host web exec "true"\n User a\nMatch host db exec "exit 1"\n User b'),
    "match final": ("web", "Match final\n User late\nHost web\n HostName h"),
    "match localuser": ("web", "Match localuser root\n User a"),
    "jumps": ("web", "Host web\n ProxyJump a@one:22,two"),
    "no jump": ("web", "Host web\n ProxyJump none\nHost *\n ProxyJump one"),
    "given port and user": ("me@web:99", "Host web\n User x\n Port 5"),
    "several keys": ("web", "Host web\n IdentityFile /k/one\n IdentityFile /k/two\nHost *\n IdentityFile /k/three"),
    "strict": ("web", "StrictHostKeyChecking accept-new"),
}
KEYS = ("hostname", "user", "port", "proxyjump", "stricthostkeychecking", "identityfile")


@pytest.mark.parametrize("case", SAME_AS_SSH)
def test_settings_are_those_that_ssh_finds(tmp_path: Path, case: str) -> None:
    host, text = SAME_AS_SSH[case]
    path = tmp_path / "config"
    path.write_text(text + "\n")
    destination = Destination.parse(host)
    words = ["-l", destination.user] if destination.user else []
    words += ["-p", str(destination.port)] if destination.port else []
    reported = subprocess.run(
        ["ssh", "-G", "-F", path, *words, destination.host], capture_output=True, text=True, check=True
    )
    expected: dict[str, list[str]] = {}
    for line in reported.stdout.splitlines():
        key, _, value = line.partition(" ")
        expected.setdefault(key, []).append(value)

    config = read_config(destination, [path])
    options = host_options(config)

    assert [options.hostname, options.user, str(options.port)] == [expected[key][0] for key in KEYS[:3]]
    assert ",".join(map(str, options.jump)) == expected.get("proxyjump", [""])[0]
    if not options.is_default_identity:
        assert [str(file) for file in options.identity_files] == expected["identityfile"]
    if "stricthostkeychecking" in config.settings:
        assert options.policy == expected["stricthostkeychecking"][0]


def options_of(tmp_path: Path, text: str, host: str = "web") -> HostOptions:
    path = tmp_path / "config"
    path.write_text(text + "\n")
    return host_options(read_config(Destination.parse(host), [path]))


def test_hosts_can_be_tagged(tmp_path: Path) -> None:
    """OpenSSH knows tags from 9.4 on."""
    options = options_of(tmp_path, "Host web\n Tag blue\nMatch tagged blue\n User a\nMatch tagged red\n Port 5")

    assert (options.user, options.port) == ("a", 22)


def test_included_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/20.conf").write_text("User two\nPort 20\n")
    (tmp_path / "d/10.conf").write_text("Host other\n Port 9\nHost web\n User one\n")
    options = options_of(tmp_path, f"Include {tmp_path}/d/*.conf\nHost web\n Port 30")

    assert (options.user, options.port) == ("one", 20)


def test_an_include_counts_only_for_the_host_that_it_stands_under(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("User inside\n")
    options = options_of(tmp_path, f"Host db\n Include {tmp_path}/more\nHost *\n User outside")

    assert options.user == "outside"


def test_paths_know_home_tokens_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("KEYS", "/keys")
    keys = "Host web\n IdentityFile ~/.ssh/%r@%h\n IdentityFile ${KEYS}/%n-%p\n"
    options = options_of(tmp_path, f"{keys} UserKnownHostsFile %d/known /etc/more\n User u")

    assert [str(file) for file in options.identity_files] == ["/home/me/.ssh/u@web", "/keys/web-22"]
    assert [str(file) for file in options.user_known_hosts] == ["/home/me/known", "/etc/more"]


SETTINGS = [
    ("StrictHostKeyChecking no", "policy", HostKeyPolicy.OFF),
    ("StrictHostKeyChecking off", "policy", HostKeyPolicy.OFF),
    ("StrictHostKeyChecking ask", "policy", HostKeyPolicy.STRICT),
    ("ConnectTimeout 3", "connect_timeout", 3.0),
    ("ConnectTimeout 1m30s", "connect_timeout", 90.0),
    ("ConnectTimeout none", "connect_timeout", 10.0),
    ("ServerAliveInterval 1H", "alive_interval", 3600.0),
    ("ServerAliveInterval 0", "alive_interval", 15.0),
    ("ServerAliveCountMax 5", "alive_count", 5),
    ("ServerAliveInterval 5", "alive_interval", 5.0),
    ("HostKeyAlias farm", "name", "farm"),
    ("IdentitiesOnly yes", "identities_only", True),
    ("IdentityAgent /run/agent", "identity_agent", "/run/agent"),
    ("IdentityAgent none", "identity_agent", None),
    ("ProxyCommand nc -X 5 %h %p # not a comment", "proxy_command", "nc -X 5 web 22 # not a comment"),
    ("ProxyCommand none", "proxy_command", None),
    ("PreferredAuthentications password", "methods", ("password",)),
    ("PasswordAuthentication no", "methods", ("publickey", "keyboard-interactive")),
    ("Ciphers aes256-gcm@openssh.com", "algorithms", {"encryption_algs": "aes256-gcm@openssh.com"}),
    ("SetEnv A=1 B=2", "set_env", ("A=1", "B=2")),
]


@pytest.mark.parametrize(("text", "name", "value"), SETTINGS)
def test_a_setting_comes_to_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, name: str, value: object
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    assert getattr(options_of(tmp_path, text), name) == value


def test_a_proxy_command_above_a_jump_wins_and_below_it_loses(tmp_path: Path) -> None:
    above = options_of(tmp_path, "ProxyCommand x\nProxyJump one")
    below = options_of(tmp_path, "ProxyJump one\nProxyCommand x")

    assert (above.proxy_command, above.jump) == ("x", ())
    assert (below.proxy_command, below.jump) == (None, (Destination("one"),))


NOT_HONOURED = [
    "RevokedHostKeys /etc/revoked",
    "KnownHostsCommand /bin/keys",
    "CheckHostIP yes",
    "VerifyHostKeyDNS yes",
    "CanonicalizeHostname yes",
    "PKCS11Provider /lib/x.so",
    "RequiredRSASize 4096",
    "HostbasedAuthentication yes",
]


@pytest.mark.parametrize("text", NOT_HONOURED)
def test_what_matters_to_security_and_is_not_honoured_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(BlockFailed) as caught:
        options_of(tmp_path, f"Host web\n {text}")

    assert caught.value.message == f"ssh_config: {text}: it matters to security and is not supported here"
    assert str(caught.value.location) == f"{tmp_path}/config:2"


def test_harmless_values_of_such_settings_are_fine(tmp_path: Path) -> None:
    options = options_of(tmp_path, "CheckHostIP no\nHostbasedAuthentication no\nRevokedHostKeys none")

    assert options.ignored == ()


def test_unknown_settings_are_listed_unless_the_user_shows_not_to(tmp_path: Path) -> None:
    options = options_of(
        tmp_path, "IgnoreUnknown UseKeychain\nUseKeychain yes\nLocalForward 80 h:80\nNoSuch 1\nLogLevel QUIET"
    )

    assert [setting.name for setting in options.ignored] == ["LocalForward", "NoSuch"]


WRONG = [
    ("Port http", "ssh_config: Port http: this is no port: 1 to 65535"),
    ("Port 70000", "ssh_config: Port 70000: this is no port: 1 to 65535"),
    ("ConnectTimeout soon", "ssh_config: ConnectTimeout soon: this is no time: 90, 1m30s"),
    ("ServerAliveCountMax 1m", "ssh_config: ServerAliveCountMax 1m: this is no number"),
    ("IdentitiesOnly maybe", "ssh_config: IdentitiesOnly maybe: this is neither yes nor no"),
    ("StrictHostKeyChecking perhaps", "ssh_config: StrictHostKeyChecking perhaps: this is none of"),
    ("User", "ssh_config: User has no value"),
    ('User "me', 'ssh_config: a quote is not closed: "me'),
    ("IdentityFile %Z", "ssh_config: IdentityFile %Z: %Z means nothing here"),
    ("IdentityFile ${NO_SUCH_9}", "the environment variable NO_SUCH_9 is not set"),
    ("Match weather fine", "ssh_config: Match weather fine: the criterion weather is not known"),
    ("Match host", "ssh_config: Match host: host has no value"),
    ("ProxyJump a:b:c,x:y", '"x:y" is no host'),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_setting_that_makes_no_sense_is_reported_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BlockFailed) as caught:
        options_of(tmp_path, f"# one\n{text}")

    assert message in caught.value.message


def test_files_that_include_one_another_end(tmp_path: Path) -> None:
    with pytest.raises(BlockFailed, match="too many files include one another"):
        options_of(tmp_path, f"Include {tmp_path}/config")
