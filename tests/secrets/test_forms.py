"""What a secret may look like where it comes out, and what is left alone."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import shlex
import string
import textwrap
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_runbook.secrets.masker import MASK, Masker
from pytest_runbook.secrets.names import SensitiveNames

SECRET = "p\"ä/s+s w'rd&<x>$y\\"
LONG = "".join(random.Random(7).choices(string.ascii_letters + string.digits + "/+", k=150))
KEY = "-----BEGIN KEY-----\n" + "\n".join(textwrap.wrap(LONG, 40)) + "\n-----END KEY-----\n"


def knowing(*secrets: str) -> Masker:
    masker = Masker()
    for secret in secrets:
        masker.add(secret, "a secret")
    return masker


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS = {
    "percent in lower case": re.sub("%..", lambda match: match[0].lower(), quote(SECRET, safe="")),
    "percent, slashes kept": quote(SECRET),
    "JSON in JSON": json.dumps(json.dumps({"k": SECRET})),
    "JSON for HTML": re.sub("[<>&']", lambda match: f"\\u{ord(match[0]):04x}", json.dumps(SECRET)),
    "repr": repr(SECRET),
    "HTML": html.escape(SECRET),
    "XML": html.escape(SECRET, quote=False),
    "attribute": html.escape(SECRET).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "shell": shlex.quote(SECRET),
    "shell, double quotes": '"' + SECRET.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$") + '"',
    "hex": SECRET.encode().hex(),
    "in colours": SECRET[:5] + "\x1b[1;31m" + SECRET[5:] + "\x1b[0m",
    "in escaped colours": SECRET[:5] + "\\x1b[31m" + SECRET[5:],
    "cut at its end": f"it is {SECRET[:9]}...",
    "cut at its beginning": f"... {SECRET[7:]} was it",
    "cut in the middle": f"{SECRET[:6]}…{SECRET[-6:]}",
}


@pytest.mark.parametrize("name", FORMS)
def test_a_secret_is_found_however_it_was_written(name: str) -> None:
    form = FORMS[name]
    masked = knowing(SECRET).mask(form)

    assert MASK in masked
    assert not any(form[at : at + 6] in masked for at in range(len(form) - 6) if form[at : at + 6] in SECRET)


WRAPPED = [
    ("at the width of a terminal", f"token {LONG}", 80, "\n"),
    ("with carriage returns", LONG, 40, "\r\n"),
    ("indented", LONG, 40, "\n    "),
    ("escaped", LONG, 40, "\\n"),
    ("base64 at 76 columns", encoded(LONG), 76, "\n"),
    ("base64 of a file at 64 columns", encoded(KEY), 64, "\n"),
]


@pytest.mark.parametrize(("how", "text", "width", "end"), WRAPPED, ids=[row[0] for row in WRAPPED])
def test_a_secret_is_found_over_the_ends_of_lines(how: str, text: str, width: int, end: str) -> None:
    wrapped = end.join(text[at : at + width] for at in range(0, len(text), width))
    masked = knowing(LONG, KEY).mask(f"before\n{wrapped}\nafter")

    assert masked.startswith("before\n")
    assert masked.endswith("\nafter")
    assert MASK in masked
    assert len(masked) < 40


def test_a_few_lines_of_a_key_are_as_secret_as_all_of_it() -> None:
    lines = KEY.splitlines()

    assert knowing(KEY).mask("\n".join(lines[2:4])) == f"{MASK}\n{MASK}"
    assert knowing(KEY).mask(lines[0]) == lines[0]


def test_what_stands_under_secret_names_in_a_secret_of_json_is_secret_alone() -> None:
    account = json.dumps({"type": "service_account", "private_key": KEY, "client": {"clientSecret": "abcdefgh"}})
    masker = knowing(account)

    assert masker.mask(f"{KEY.splitlines()[1]} abcdefgh service_account") == f"{MASK} {MASK} service_account"


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_wrapped_secret_in_pieces_is_found_as_in_one(data: st.DataObject) -> None:
    secret = LONG[:24]
    breaks = sorted(data.draw(st.sets(st.integers(1, 23), max_size=4)))
    ends = [data.draw(st.sampled_from(["\n", "\r\n", "\n  ", "\x1b[31m", "\\n"])) for _ in breaks]
    parts = [secret[start:end] for start, end in pairwise([0, *breaks, 24])]
    text = "ab" + "".join(part + end for part, end in zip(parts, [*ends, "cd"], strict=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    stream = knowing(secret).stream()
    pieces = [text[start:end] for start, end in pairwise([0, *cuts, len(text)])]

    assert "".join(map(stream.feed, pieces)) + stream.finish() == f"ab{MASK}cd"


LEFT_ALONE = [
    ("true", "it is true"),
    ("password", 'unknown key "password"'),
    ("postgres", "block 3 (postgres)"),
    ("abc", "abc"),
    ("12345", "123\n45"),
]


@pytest.mark.parametrize(("secret", "text"), LEFT_ALONE)
def test_little_and_common_things_do_not_mask_half_the_report(secret: str, text: str) -> None:
    masker = knowing(secret)

    assert masker.mask(text) == text
    assert masker.unmaskable == (set() if secret == "12345" else {"a secret"})


def test_what_shows_nothing_of_a_secret_is_not_derived_from_it() -> None:
    masker = Masker()
    for text in ("true", "12", "short", "None"):
        masker.add_derived_secret(text, "made")

    assert masker.mask("true 12 short None") == "true 12 short None"
    assert masker.unmaskable == set()


NAMES = [
    ("DB_PASSWORD", True),
    ("PGPASSWORD", True),
    ("MYSQL_PASS", True),
    ("dbPassword", True),
    ("x-api-key", True),
    ("apiKey", True),
    ("AWS_SECRET_ACCESS_KEY", True),
    ("GITHUB_TOKEN", True),
    ("session.cookie", True),
    ("PATH", False),
    ("COMPASS", False),
    ("PASSWORD_FILE", False),
    ("TOKEN_URL", False),
    ("MAX_TOKENS", False),
    ("AWS_ACCESS_KEY_ID", False),
    ("SSH_ASKPASS", False),
]


@pytest.mark.parametrize(("name", "is_secret"), NAMES)
def test_names_show_what_is_secret(name: str, is_secret: bool) -> None:
    assert SensitiveNames().match(name) is is_secret


SAID = [
    (["default", "*_dsn"], ["PAY_DSN", "MY_TOKEN"], ["PATH"]),
    (["*_dsn"], ["pay_dsn"], ["MY_TOKEN"]),
    (["default", "!page_token"], ["MY_TOKEN"], ["PAGE_TOKEN", "pageToken"]),
    ([], [], ["MY_TOKEN"]),
    (["*"], ["anything"], []),
    (["k[ei]y_?"], ["KEY_1", "kiy-2"], ["KEY"]),
]


@pytest.mark.parametrize(("said", "secret", "plain"), SAID)
def test_the_list_of_names_can_be_extended_and_replaced(said: list[str], secret: list[str], plain: list[str]) -> None:
    names = SensitiveNames(said)

    assert [name for name in (*secret, *plain) if names.match(name)] == secret


BY_NAME = [
    ('{"token": "abcdefgh", "kind": "Secret"}', '{"token": "***", "kind": "Secret"}'),
    ("{'db_password': 'it\\'s me', 'x': 1}", "{'db_password': '***', 'x': 1}"),
    ("export API_KEY=abcdefgh PATH=/bin", "export API_KEY=*** PATH=/bin"),
    ("run --token=abcdefgh --name=x", "run --token=*** --name=x"),
    ("host=db user=me password='abc defg' dbname=x", "host=db user=me password='***' dbname=x"),
    ('TOKEN=$TOKEN token=true token="{{ secret.T }}"', 'TOKEN=$TOKEN token=true token="{{ secret.T }}"'),
    ('assert output.token == "abcdefgh"', 'assert output.token == "abcdefgh"'),
]


@pytest.mark.parametrize(("text", "masked"), BY_NAME)
def test_what_stands_behind_the_name_of_a_secret_is_masked(text: str, masked: str) -> None:
    assert Masker().mask(text) == masked


ADDRESSES = [
    ("postgres://me:hunter%2F2@db/x", ["hunter/2", "hunter%2F2"]),
    ("host=db password='hunter 22' user=me", ["hunter 22"]),
    ("Server=db;User Id=me;Password=hunter22;", ["hunter22"]),
]


@pytest.mark.parametrize(("text", "passwords"), ADDRESSES)
def test_passwords_in_addresses_are_secret_wherever_else_they_stand(text: str, passwords: list[str]) -> None:
    masker = Masker()
    masker.add_if_sensitive("URL", text)

    assert [masker.mask(password) for password in passwords] == [MASK] * len(passwords)


@pytest.mark.parametrize("said", [["*"], ["k[ei]y_?"]])
def test_any_pattern_can_be_looked_for_in_text(said: list[str]) -> None:
    assert Masker(SensitiveNames(said)).mask('{"key_1": "abcdefgh"}\nKEY_2=abcdefgh') == '{"key_1": "***"}\nKEY_2=***'


@pytest.mark.parametrize("value", ["true", "production", "2024", "", 5, None, ["a"]])
def test_settings_under_the_name_of_a_secret_are_none(value: object) -> None:
    masker = Masker()

    assert masker.add_if_sensitive("USE_TOKEN", value) is False
    assert masker.mask("true production 2024") == "true production 2024"


def test_data_under_the_name_of_a_secret_is_masked() -> None:
    data = {"token": "abcdefgh", "ok": "fine", "count_token": 5, "deep": [{"api_key": "abcdefgh"}]}

    assert Masker().mask_data(data) == {"token": MASK, "ok": "fine", "count_token": 5, "deep": [{"api_key": MASK}]}


def test_half_a_secret_at_the_edge_of_an_excerpt_is_masked() -> None:
    assert knowing(LONG).mask_fragment(f"{LONG[-20:]} between {LONG[:20]}") == f"{MASK} between {MASK}"
    assert knowing("abcdabcd").mask_fragment("abcdabcd and abcdabcd") == f"{MASK} and {MASK}"


def test_where_secrets_stand_is_reported_with_their_names() -> None:
    masker = knowing("hunter22")

    assert [(found.start, found.end, found.name) for found in masker.find("a hunter22")] == [(2, 10, "a secret")]
