"""The prose keys, in every form of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_runbook.model.prose import Prose
from pytest_runbook.model.runbook import Runbook

TOP = """\
description: |
  Payments are booked.

  *All* of them.
owner: "#team"
runbook_url: https://wiki.example.com/payments
on_red: Call {{ them }}.
"""
OF_THE_RUNBOOK = Prose(
    description="Payments are booked.\n\n*All* of them.",
    owner="#team",
    runbook_url="https://wiki.example.com/payments",
    on_red="Call {{ them }}.",
)
INHERITED = Prose(owner="#team", runbook_url="https://wiki.example.com/payments", on_red="Call {{ them }}.")
OWN = "description: One step.\n  on_red: Try again."
OF_THE_BLOCK = Prose(
    description="One step.", owner="#team", runbook_url="https://wiki.example.com/payments", on_red="Try again."
)
ATUIN = """\
content:
- {id: a, type: script, props: {name: A, code: x}}
- {id: b, type: script, props: {name: B, code: x}}
- {id: c, type: var, props: {name: C, value: x}}
"""

Load = Callable[..., Runbook]
Faults = Callable[..., list[str]]


def prose_of_blocks(runbook: Runbook) -> list[Prose]:
    return [spec.rules.prose for spec in runbook.blocks]


def test_a_plain_runbook_and_its_blocks_have_prose(load: Load) -> None:
    runbook = load(f"{TOP}blocks:\n- script: a\n- script: b\n  {OWN}\nfinally:\n- script: c\n")

    assert runbook.prose == OF_THE_RUNBOOK
    assert prose_of_blocks(runbook) == [INHERITED, OF_THE_BLOCK, INHERITED]


def test_a_block_that_does_no_work_may_have_prose(load: Load) -> None:
    runbook = load(f"{TOP}blocks:\n- vars: {{a: 1}}\n  {OWN}\n- directory: /\n")

    assert prose_of_blocks(runbook) == [Prose(description="One step.", on_red="Try again."), Prose()]


def test_json_has_prose_too(load: Load) -> None:
    runbook = load(json.dumps({"owner": "us", "blocks": [{"script": "x", "on_red": "y"}]}), "x.runbook.json")

    assert prose_of_blocks(runbook) == [Prose(owner="us", on_red="y")]


def test_a_markdown_document_has_prose_in_its_front_matter_and_its_fences(load: Load) -> None:
    text = f"---\n{TOP}---\n```bash\na\n```\n```bash {{description: One step., on_red: Try again.}}\nb\n```\n"
    runbook = load(text, "x.runbook.md")

    assert runbook.prose == OF_THE_RUNBOOK
    assert prose_of_blocks(runbook) == [INHERITED, OF_THE_BLOCK]


def test_a_checks_file_is_the_only_source_of_prose_for_an_atuin_document(load: Load, tmp_path: Path) -> None:
    assert prose_of_blocks(load(ATUIN, "x.atrb")) == [Prose()] * 3

    (tmp_path / "x.checks.yaml").write_text(f"{TOP}blocks:\n  B: {{description: One step., on_red: Try again.}}\n")
    runbook = load(ATUIN, "x.atrb")

    assert runbook.prose == OF_THE_RUNBOOK
    assert prose_of_blocks(runbook) == [INHERITED, OF_THE_BLOCK, Prose()]


def test_defaults_and_prose_are_kept_apart(load: Load) -> None:
    runbook = load("owner: us\ndefaults: {timeout: 5s}\nblocks: [{script: x}, {script: y, owner: them}]\n")

    assert [(spec.rules.timeout, spec.rules.prose.owner) for spec in runbook.blocks] == [(5.0, "us"), (5.0, "them")]


def test_texts_are_those_that_are_given() -> None:
    assert Prose().texts() == {}
    assert Prose(on_red="a", owner="b").texts() == {"owner": "b", "on_red": "a"}
    assert Prose(description="a", owner="b").inherited() == Prose(owner="b")


NO_URL = 'runbook_url "{}" is not an http or https URL\n  hint: {}'
EXAMPLE = "for example: https://wiki.example.com/payments"
WITH_BRACE = 'runbook_url "{}" has a brace in it\n  hint: in a URL, {{ is written %7B and }} is written %7D'
WITH_CONTROL = 'runbook_url "{}" has a control character in it\n  hint: take out what stands there as an escape'
WRONG = [
    ("owner: 5", 'owner must be text, not the number 5\n  hint: quote it: owner: "5"'),
    ("owner: ''", 'owner is empty\n  hint: for example: owner: "some text"'),
    ("owner:", 'owner must be text, not nothing\n  hint: for example: owner: "some text"'),
    ("owner: # who", 'owner must be text, not nothing\n  hint: for example: owner: "some text"'),
    ("owner: #us", 'owner must be text, not nothing\n  hint: to YAML a comment begins at #; quote it: owner: "#us"'),
    ("description: [a, b]", 'description must be text, not a list\n  hint: for example: description: "some text"'),
    ("on_red: true", 'on_red must be text, not true\n  hint: quote it: on_red: "true"'),
    ("runbook_url: wiki/payments", NO_URL.format("wiki/payments", EXAMPLE)),
    ("runbook_url: ftp://a.example", NO_URL.format("ftp://a.example", EXAMPLE)),
    ("runbook_url: https://", NO_URL.format("https://", EXAMPLE)),
    ("runbook_url: 'https://a b'", NO_URL.format("https://a b", EXAMPLE)),
    ("runbook_url: ''", f"runbook_url is empty\n  hint: {EXAMPLE.replace('https', 'runbook_url: https')}"),
    (
        "runbook_url: 'https://{{ env.WIKI }}/a'",
        'runbook_url "https://{{ env.WIKI }}/a" has a template in it\n'
        "  hint: templates are not rendered here: write the URL out",
    ),
    ("runbook_url: 'https://a.example/{id}'", WITH_BRACE.format("https://a.example/{id}")),
    (r'runbook_url: "https://a.example/\e[1m"', WITH_CONTROL.format(r"https://a.example/\x1b[1m")),
    (r'runbook_url: "https://a.example/\x7f"', WITH_CONTROL.format(r"https://a.example/\x7f")),
    (r'runbook_url: "https://a\x9bm.example"', WITH_CONTROL.format(r"https://a\x9bm.example")),
    (r'runbook_url: "https://a.example/\u202Egnp"', WITH_CONTROL.format(r"https://a.example/\u202egnp")),
    (r'runbook_url: "https://a\u2066.example"', WITH_CONTROL.format(r"https://a\u2066.example")),
]


@pytest.mark.parametrize(("text", "fault"), WRONG, ids=[text for text, _ in WRONG])
def test_wrong_prose_of_a_runbook(faults: Faults, text: str, fault: str) -> None:
    assert faults(f"blocks: []\n{text}\n") == [f"x.runbook.yaml:2: {fault}"]


@pytest.mark.parametrize(("text", "fault"), WRONG, ids=[text for text, _ in WRONG])
def test_wrong_prose_of_a_block(faults: Faults, text: str, fault: str) -> None:
    assert faults(f"blocks:\n- script: x\n  {text}\n") == [f"x.runbook.yaml:3: block #1 (script): {fault}"]


@pytest.mark.parametrize(("text", "fault"), WRONG, ids=[text for text, _ in WRONG])
def test_wrong_prose_of_a_checks_file(faults: Faults, tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "x.checks.yaml").write_text(f"blocks:\n  A:\n    {text}\n{text}\n")

    assert faults(ATUIN, "x.atrb") == [f'x.checks.yaml:3: block "A": {fault}', f"x.checks.yaml:4: {fault}"]


def test_a_url_may_have_letters_of_any_language(load: Load) -> None:
    runbook = load("blocks: []\nrunbook_url: https://wiki.example/größe/日本#%7Bid%7D\n")

    assert runbook.prose.runbook_url == "https://wiki.example/größe/日本#%7Bid%7D"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("owner", "owner at the top of the file holds for all blocks"),
        ("on_red", "on_red at the top of the file holds for all blocks"),
        ("description", "description stands at the top of the file, or in a block"),
    ],
)
def test_prose_is_no_default(faults: Faults, tmp_path: Path, key: str, hint: str) -> None:
    expected = f"{key} is no default\n  hint: {hint}"
    assert faults(f"blocks: []\ndefaults: {{{key}: us}}\n") == [f"x.runbook.yaml:2: {expected}"]

    (tmp_path / "x.checks.yaml").write_text(f"defaults: {{{key}: us}}\n")
    assert faults(ATUIN, "x.atrb") == [f"x.checks.yaml:1: {expected}"]


def test_prose_is_no_prop(faults: Faults) -> None:
    assert faults("blocks:\n- script: {code: x, owner: us}\n") == [
        "x.runbook.yaml:2: block #1 (script): owner is a key of blocks and no prop of script\n"
        "  hint: owner stands beside script"
    ]
