"""Hosts as people write them."""

from __future__ import annotations

import pytest

from pytest_runbook.errors import BlockFailed
from pytest_runbook.resources.ssh.config.destination import Destination

WRITTEN = [
    ("host", Destination("host")),
    ("  host ", Destination("host")),
    ("host:2222", Destination("host", port=2222)),
    ("user@host", Destination("host", "user")),
    ("user@host:2222", Destination("host", "user", 2222)),
    ("git@github.com", Destination("github.com", "git")),
    ("user@1.2.3.4:22", Destination("1.2.3.4", "user", 22)),
    ("user@corp.example@host", Destination("host", "user@corp.example")),
    ("User@Web-1", Destination("Web-1", "User")),
    ("[::1]", Destination("::1")),
    ("[::1]:2222", Destination("::1", port=2222)),
    ("user@[2001:db8::1]:2222", Destination("2001:db8::1", "user", 2222)),
    ("::1", Destination("::1")),
    ("fe80::1%eth0", Destination("fe80::1%eth0")),
    ("ssh://user@host:2222", Destination("host", "user", 2222)),
]


@pytest.mark.parametrize(("text", "destination"), WRITTEN)
def test_hosts_are_read(text: str, destination: Destination) -> None:
    assert Destination.parse(text) == destination


@pytest.mark.parametrize("text", ["host", "user@host:2222", "user@[2001:db8::1]:2222", "::1"])
def test_a_destination_shows_as_it_is_written(text: str) -> None:
    assert str(Destination.parse(text)) == text


WRONG = [
    ("host:invalid", 'is no host: "invalid" is no port: 1 to 65535'),
    ("host:0", 'is no host: "0" is no port: 1 to 65535'),
    ("host:65536", 'is no host: "65536" is no port: 1 to 65535'),
    ("host:", 'is no host: "" is no port: 1 to 65535'),
    ("host:-1", 'is no host: "-1" is no port: 1 to 65535'),
    ("[::1]:99999", 'is no host: "99999" is no port: 1 to 65535'),
    ("", "is no host: the host is empty"),
    ("user@", "is no host: the host is empty"),
    ("@host", "is no host: the user before @ is empty"),
    (":22", "is no host: the host is empty"),
    ("a b", "is no host: ' ' can't stand in it"),
    ("-oProxyCommand=x", "is no host: '-' can't stand in it"),
    ("host;rm", "is no host: ';' can't stand in it"),
    ("$(x)@host", "is no host: '$' can't stand in it"),
    ("ho\nst", "is no host: '\\n' can't stand in it"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_no_host_is_refused(text: str, message: str) -> None:
    with pytest.raises(BlockFailed) as caught:
        Destination.parse(text)

    assert caught.value.message.endswith(message)
