"""What may run here: patterns, and the ways around them that there are not."""

from __future__ import annotations

import pytest

from pytest_runbook.errors import Refused
from pytest_runbook.policy.allow_list import AllowList

TYPES = {"script": "script", "run": "script", "http": "http", "terminal": "run"}
CORP = ("https://*.corp/*", "url")
# A pattern, and of what it is about; a value; whether it is allowed.
CASES = [
    (*CORP, "https://shop.corp/health", True),
    (*CORP, "https://shop.corp", True),
    (*CORP, "https://SHOP.Corp/health?a=b#c", True),
    (*CORP, "https://user:secret@shop.corp/health", True),
    (*CORP, "https://shop.corp:443/health", True),
    (*CORP, "https://shop.corp./health", True),
    (*CORP, "https://shop.corp:8443/health", False),
    (*CORP, "http://shop.corp/health", False),
    (*CORP, "https://evil.example/shop.corp/", False),
    (*CORP, "https://evil.example/?shop.corp/", False),
    (*CORP, "https://evil.example#shop.corp/", False),
    (*CORP, "https://shop.corp@evil.example/", False),
    (*CORP, "https://evil.example\\@shop.corp/", False),
    (*CORP, "https://shop.corp.evil.example/", False),
    (*CORP, "https://evilcorp/", False),
    ("https://*.corp:*/*", "url", "https://shop.corp:8443/health", True),
    ("https://shop.corp:8443", "url", "https://shop.corp:8443/any", True),
    ("https://shop.corp/v1/*", "url", "https://shop.corp/v1/items", True),
    ("https://shop.corp/v1/*", "url", "https://shop.corp/v1/../admin", False),
    ("https://shop.corp/v1/*", "url", "https://shop.corp/v1/%2e%2e/admin", False),
    ("https://shop.corp/v1/*", "url", "https://shop.corp//v1/items", True),
    ("https://[2001:db8::1]/*", "url", "https://[2001:db8::1]/x", True),
    ("http*://localhost:*/*", "url", "http://localhost:8080/", True),
    ("postgres*://db.corp/*", "url", "postgresql://u:p@db.corp/shop", True),
    ("postgres*://db.corp/*", "url", "postgresql://u:p@db.corp:5432/shop?sslmode=require", True),
    ("postgres*://db.corp/*", "url", "postgresql://u:p@db.corp:5433/shop", False),
    ("postgres*://db.corp/*", "url", "postgresql://u:p@db.corp/shop?host=evil.example", False),
    ("postgres*://db.corp/*", "url", "postgresql://u:p@db.corp,evil.example/shop", False),
    ("postgres*://*/*", "url", "postgresql:///shop", False),
    ("sqlite:/srv/*", "url", "sqlite:/srv/shop.db", True),
    ("sqlite:/srv/*", "url", "sqlite:/etc/shop.db", False),
    ("sqlite:/srv/*", "url", "https://srv/", False),
    ("*.corp", "host", "https://shop.corp/", True),
    ("*.corp", "host", "https://evil.example/", False),
    ("*.corp", "host", "postgres://db.corp/shop?host=evil.example", False),
    ("*.corp", "host", "sqlite:/srv/shop.db", True),
    ("*.CORP, 10.0.0.*", "host", "http://10.0.0.7/", True),
]


def is_url_allowed(allowed: AllowList, url: str) -> bool:
    try:
        allowed.check_url(url)
    except Refused:
        return False
    return True


@pytest.mark.parametrize(("pattern", "sort", "url", "is_allowed"), CASES)
def test_urls_are_compared_part_by_part(pattern: str, sort: str, url: str, is_allowed: bool) -> None:
    assert is_url_allowed(AllowList.of([f"{sort}: {pattern}"], TYPES), url) is is_allowed


INTERPRETERS = [
    ("bash*", "bash -eo pipefail", True),
    ("bash", "bash", True),
    ("bash", "bash -x", False),
    ("bash*", "/tmp/bash", False),
    ("/usr/bin/*", "/usr/bin/python3 -u", True),
    ("python3*", "/usr/bin/env python3 -u", True),
    ("python3*", "/tmp/env python3", False),
    ("python3*", "/usr/bin/env -S python3", False),
    ("python3*", "/usr/bin/env LD_PRELOAD=/tmp/x python3", False),
    ("sh, bash*", "sh", True),
]


@pytest.mark.parametrize(("pattern", "command", "is_allowed"), INTERPRETERS)
def test_interpreters_are_matched_as_they_are_started(pattern: str, command: str, is_allowed: bool) -> None:
    allowed = AllowList.of([f"interpreter: {pattern}"], TYPES)

    if is_allowed:
        allowed.check_interpreter(tuple(command.split()))
    else:
        with pytest.raises(Refused, match="runbook_allow has no interpreter"):
            allowed.check_interpreter(tuple(command.split()))


def test_what_no_line_speaks_of_is_allowed() -> None:
    allowed = AllowList.of(["type: script"], TYPES)

    allowed.check_interpreter(("zsh",))
    allowed.check_host("anywhere")
    allowed.check_url("postgres://a,b/x?host=c")


def test_types_go_by_every_name_that_they_have() -> None:
    allowed = AllowList.of(["type: run", "type: terminal"], TYPES)

    assert allowed.types == ("script", "run")
    with pytest.raises(Refused, match=r"runbook_allow has no type http; it has script, run"):
        allowed.check_type("http", "http")


WRONG = [
    ("hots: x", '"hots: x": did you mean host?'),
    ("x", '"x": one of type, interpreter, host, url'),
    ("type:", '"type:" lacks a pattern: type: PATTERN, PATTERN'),
    ("host: a,,b", '"host: a,,b" lacks a pattern: host: PATTERN, PATTERN'),
    ("type: scirpt", 'type "scirpt" is none: did you mean script?'),
    ("url: shop.corp", 'url "shop.corp" is no pattern: like https://*.corp/*, https://*:8443/, sqlite:/srv/*'),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_line_that_makes_no_sense_is_an_error(line: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the message follows
        AllowList.of([line], TYPES)

    assert str(raised.value) == message
