"""The one place where secrets are taken out of text."""

from __future__ import annotations

import base64
import json
import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_runbook import ContextValue, Inputs, Origin, OutputSection
from pytest_runbook.secrets.masker import MASK, Masker
from tests.harness import Opened, inside, ran

SECRET = "p\"ä/s+s w'rd&"


def knowing(*secrets: str) -> Masker:
    masker = Masker()
    for secret in secrets:
        masker.add(secret, "a secret")
    return masker


FORMS = [
    SECRET,
    quote(SECRET, safe=""),
    quote_plus(SECRET),
    json.dumps(SECRET),
    json.dumps(SECRET, ensure_ascii=False),
    f"'{SECRET.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'",
    *(base64.b64encode(b"x" * size + SECRET.encode() + b"tail").decode() for size in range(4)),
    *(base64.urlsafe_b64encode(b"x" * size + SECRET.encode()).decode() for size in range(3)),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_form(form: str) -> None:
    assert MASK in knowing(SECRET).mask(f"before {form} after")


def test_what_is_around_a_secret_stays() -> None:
    assert knowing("hunter22").mask("a hunter22-b hunter2") == "a ***-b hunter2"


def test_of_secrets_that_hold_each_other_the_longest_goes_first() -> None:
    assert knowing("hunter22", "hunter22-long").mask("hunter22-long") == MASK


def test_a_secret_with_a_newline_at_its_end_is_found_without_it() -> None:
    assert knowing("hunter22\n").mask("x=hunter22;") == "x=***;"


def test_what_is_too_short_is_reported_by_its_name() -> None:
    masker = Masker()
    masker.add("abc", "secret.pin")
    masker.add("", "secret.empty")

    assert masker.mask("abc") == "abc"
    assert masker.unmaskable == {"secret.pin"}


SHAPES = [
    ("postgres://me:hunter2@db:5432/x", "postgres://me:***@db:5432/x"),
    ("redis://:hunter2@db", "redis://:***@db"),
    ("mysql+aio://me:p@ss:w@rd@db/x?y=1", "mysql+aio://me:***@db/x?y=1"),
    ('{"uri": "amqp://me:hunter2@mq/"}', '{"uri": "amqp://me:***@mq/"}'),
    ("two http://a:b1@x and http://c:d2@y", "two http://a:***@x and http://c:***@y"),
    ("http://host:8080/path", "http://host:8080/path"),
    ("mail me@example.com: see http://x.y", "mail me@example.com: see http://x.y"),
    ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ("authorization=Basic dXNlcjpw", "authorization=Basic ***"),
    ('{"Authorization": "token abc"}', '{"Authorization": "token ***"}'),
    ("Proxy-Authorization: Basic dXNlcjpw", "Proxy-Authorization: Basic ***"),
    ("Cookie: session=abc; other=def", "Cookie: ***"),
    ("Set-Cookie: session=abc; Path=/", "Set-Cookie: ***"),
    ("authorized: yes", "authorized: yes"),
]


@pytest.mark.parametrize(("text", "masked"), SHAPES)
def test_credentials_are_found_by_their_shape(text: str, masked: str) -> None:
    assert Masker().mask(text) == masked
    assert Masker().holds_secret(text) is (text != masked)


def test_data_is_masked_in_keys_and_values_and_keeps_its_types() -> None:
    data = {"hunter22": ["a hunter22", 5, None, True, {"x": ("hunter22",)}]}

    assert knowing("hunter22").mask_data(data) == {"***": ["a ***", 5, None, True, {"x": ["***"]}]}


@settings(max_examples=500)
@given(text=st.text("ab\n:/@", max_size=60), cuts=st.lists(st.integers(0, 60), max_size=6))
@example(text="bbbb", cuts=[])
@example(text="abbbbb\nba", cuts=[3, 5])
def test_text_in_pieces_comes_out_as_text_in_one(text: str, cuts: list[int]) -> None:
    masker = knowing("aabab", "ba\nba", "bbbb")
    stream = masker.stream()
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges) if start < end]

    assert "".join(map(stream.feed, pieces)) + stream.finish() == masker.mask("".join(pieces))


def test_a_line_is_shown_as_soon_as_it_is_there() -> None:
    stream = knowing("hunter22").stream()

    assert stream.feed("first\nsec") == "first\nsec"
    assert stream.feed("ond hun") == "ond "
    assert stream.feed("ger\n") == "hunger\n"
    assert stream.feed("http://me:pa") == ""
    assert stream.feed("ss@x\n") == "http://me:***@x\n"


GIVEN = {"THE_TOKEN": "hunter22"}
LEAKY = """
secrets: {token: {env: THE_TOKEN}}
blocks:
  - vars: {url: "http://me:{{ secret.token }}@host"}
  - name: A
    env: {TOKEN: "{{ secret.token }}", DERIVED: "{{ secret.token | upper }}"}
    script: |
      echo "$TOKEN $DERIVED {{ var.url }}"; echo "{{ secret.token }}" >&2
      echo "$TOKEN" | base64
      exit 1
    assert:
      - secret.token == "other"
      - output.stdout == "x"
"""


def everything_said(book: Opened) -> str:
    results = [result.to_json() for result in book.run.results.values()]
    events = [event.to_json() for event in book.events]
    return f"{book.channel.messages} {results} {events} {list(book.runtime.warnings)}"


def test_nothing_that_is_said_of_a_run_holds_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in GIVEN.items():
        monkeypatch.setenv(name, text)

    said = everything_said(ran(tmp_path, LEAKY))

    assert "***" in said
    assert re.findall("hunter22|HUNTER22|aHVudGVyMj", said) == []


def test_a_sensitive_block_shows_nothing_of_its_output(tmp_path: Path) -> None:
    text = """
    blocks:
      - name: A
        sensitive: true
        script: echo pa55word; echo second-line
        capture: {first: output.stdout | lines | first}
      - {name: B, script: "echo {{ var.first }}; echo {{ doc.named['A'].output.stdout | lines | last }}; exit 1"}
    """
    book = ran(tmp_path, text)

    assert book.results["A"].sections == (OutputSection("output", "not shown: the block is marked as sensitive"),)
    assert re.findall("pa55word|second-line", everything_said(book)) == []
    assert book.document.final_variables() == {"first": "pa55word"}


def test_the_assertions_of_a_sensitive_block_show_no_values(tmp_path: Path) -> None:
    text = "blocks: [{name: A, sensitive: true, script: echo abc, assert: output.value == 'xyz'}]"
    (_, trace) = ran(tmp_path, text).results["A"].assertions

    assert (trace.verdict, trace.expected, trace.actual) == ("failed", MASK, MASK)


MISSING = [(None, "is not set"), ("", "is empty")]


@pytest.mark.parametrize(("content", "state"), MISSING)
def test_a_secret_that_is_missing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, state: str
) -> None:
    monkeypatch.delenv("THE_TOKEN", raising=False)
    if content is not None:
        monkeypatch.setenv("THE_TOKEN", content)

    text = "secrets: {token: {env: THE_TOKEN}}\nblocks: [{name: A, script: 'echo {{ secret.token }}'}]"
    result = ran(tmp_path, text).results["A"]

    assert result.message == f"secret.token: the environment variable THE_TOKEN {state}"
    assert result.hint == f"declared in {tmp_path}/a.runbook.yaml:1; give THE_TOKEN to the process that runs pytest"


SECRET_BLOCKS = [
    "{type: local-var, id: b, props: {name: pin, obscured: true}}",
    "{type: var, id: b, props: {name: pin, value: hunter22}}",
    "{type: editor, id: b, props: {variableName: pin, code: hunter22}}",
]


@pytest.mark.parametrize("block", SECRET_BLOCKS)
def test_a_variable_is_secret_if_its_block_is_sensitive(tmp_path: Path, block: str) -> None:
    async def work(book: Opened) -> str:
        await book.run.run_all()
        return everything_said(book)

    (tmp_path / "a.checks.yaml").write_text("blocks: {b: {sensitive: true}}")
    text = f"content: [{block}, {{type: script, id: s, props: {{name: A, code: 'echo {{{{ var.pin }}}}; exit 1'}}}}]"
    given = Inputs(answers=({"pin": ContextValue("hunter22", Origin("a test"))},))
    said = inside(tmp_path, text, work, inputs=given, name="a.atrb")

    assert "***" in said
    assert "hunter22" not in said


def test_an_obscured_variable_is_secret(tmp_path: Path) -> None:
    async def work(book: Opened) -> bool:
        return book.document.resolver_above("s").vars["pin"].sensitive

    obscured = "{type: local-var, id: b, props: {name: pin, obscured: true}}"
    text = f"content: [{obscured}, {{type: script, id: s, props: {{code: x}}}}]"
    given = Inputs(answers=({"pin": ContextValue("hunter22", Origin("a test"))},))

    assert inside(tmp_path, text, work, inputs=given, name="a.atrb") is True
