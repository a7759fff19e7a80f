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
WRONG = [
    ("owner: 5", 'owner must be text, not the number 5\n  hint: quote it: owner: "5"'),
    ("owner: ''", "owner is empty"),
    ("owner:", "owner must be text, not nothing"),
    ("description: [a, b]", "description must be text, not a list"),
    ("on_red: true", 'on_red must be text, not true\n  hint: quote it: on_red: "true"'),
    ("runbook_url: wiki/payments", NO_URL.format("wiki/payments", EXAMPLE)),
    ("runbook_url: ftp://a.example", NO_URL.format("ftp://a.example", EXAMPLE)),
    ("runbook_url: https://", NO_URL.format("https://", EXAMPLE)),
    ("runbook_url: 'https://a b'", NO_URL.format("https://a b", EXAMPLE)),
    (
        "runbook_url: 'https://{{ env.WIKI }}/a'",
        NO_URL.format("https://{{ env.WIKI }}/a", "templates are not rendered here"),
    ),
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


def test_prose_is_no_default(faults: Faults) -> None:
    reported = faults("blocks: []\ndefaults: {owner: us}\n")

    assert reported[0].startswith('x.runbook.yaml:2: unknown key "owner"')
