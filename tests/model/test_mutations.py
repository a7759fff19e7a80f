"""Whatever a file holds: it is read, or it is unreadable with faults that have a place in it. Nothing else happens."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_runbook.errors import FileError, UnreadableFile
from pytest_runbook.model import load_runbook
from pytest_runbook.model.source.located import to_builtins
from pytest_runbook.model.source.yaml_tree import parse_yaml
from pytest_runbook.text import escape_controls

PLAIN = """\
version: 1
name: Payments nightly
vars: {base: "https://{{ env.STAGE }}.corp", n: 5}
secrets: {TOKEN: {env: API_TOKEN}}
timeout: {total: 15m, block: 60s}
tags: [smoke]
answers: {"pause#1": continue}
blocks:
  - directory: /srv/app            # from here on
  - env: {PGAPPNAME: smoke, RATE: 1.10}
  - name: Disk
    id: &disk disk
    script: |
      df --output=pcent / | tail -1
    capture: used
    assert: var.used | int < 90
    when: var.n == 5
  - http: {url: "{{ var.base }}/health", method: PUT, json: {a: [1, null]}}
    timeout: 90s
    assert:
      - output.status == 200
      - output.body_json.status == "ok"
    capture: {lag: output.body_json.lag}
  - dropdown: {name: region, fixedOptions: "eu, us"}
  - pause: {}
finally:
  - {name: Remove, script: rm -f /tmp/probe, if_started: *disk}
"""
ATUIN = """\
id: 0198c0de-0000-7000-8000-000000000001
name: Release check
version: 1
content:
- id: list
  type: toggleListItem
  props: {textColor: default}
  content: [{type: text, text: steps, styles: {}}]
  children:
  - id: version
    type: script
    props: {name: version, code: "cat VERSION", outputVisible: true, terminalRows: 12}
    children: []
- {id: day, type: var, props: {name: day, value: 2024-01-31}}
- {id: ssh, type: ssh-connect, props: {user: a, hostname: b, port: 22}}
"""
CHECKS = """\
vars: {stage: test}
timeout: {block: 2m}
blocks:
  version: {assert: output.exit_code == 0, timeout: 90s}
  "day#1": {id: day, sensitive: true}
"""
TEXTS = [("x.runbook.yaml", PLAIN), ("x.atrb", ATUIN)]
FRAGMENTS = st.sampled_from(
    [
        "\n",
        "  ",
        "\t",
        ": ",
        "- ",
        "#",
        " #",
        "{",
        "}",
        "[",
        "]",
        "{{",
        "}}",
        '"',
        "'",
        "&a ",
        "*a",
        "!",
        "|",
        ">",
        "?",
        "---\n",
        "\x00",
        "\ufeff",
        "\u2028",
        "\x85",
        "\ud7ff",
        "é",
        "null",
        "true",
        "1.10",
        "blocks:",
        "script: ",
        "name: x\n",
        "\\",
    ]
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["script", "var", "blocks", "content", "disk", "90s", "output.value"])
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
quietly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def faults_of(path: Path, name: str) -> tuple[FileError, ...]:
    """The faults of a file, none if it can be read."""
    try:
        load_runbook(path, display_path=name)
    except UnreadableFile as unreadable:
        return unreadable.errors
    return ()


Check = Callable[[str, bytes], None]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Loads the content as a file of that name and holds what comes of it to the promise."""

    def checked(name: str, content: bytes) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        last_line = len(content.splitlines()) + 2
        for error in faults_of(path, name):
            assert error.location is not None
            assert error.location.path in (name, "x.checks.yaml")
            assert 1 <= (error.location.line or 1) <= last_line
            assert str(error).count("\n") <= 2
            assert escape_controls(str(error)) == str(error)

    return checked


def mutated(document: Any, seed: random.Random, value: object) -> Any:
    """The document with one of its nodes deleted, replaced, or joined by another."""
    holders = [item for item in _containers(document) if item]
    holder = seed.choice(holders)
    key = seed.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match seed.choice(["delete", "replace", "insert", "duplicate"]):
        case "delete":
            del holder[key]
        case "replace":
            holder[key] = value
        case "insert" if isinstance(holder, dict):
            holder[str(value)[:8]] = value
        case "insert":
            holder.insert(key, value)
        case _:
            other = seed.choice(holders)
            holder[key] = copy.deepcopy(next(iter(other.values() if isinstance(other, dict) else other)))
    return document


def _containers(value: object) -> list[Any]:
    if not isinstance(value, (dict, list)):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [value, *(found for item in inner for found in _containers(item))]


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=["plain", "atuin"])
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "yaml"])
@given(seed=st.randoms(use_true_random=False), values=st.lists(VALUES, min_size=1, max_size=4))
@quietly
def test_documents_with_changed_nodes(
    check: Check, name: str, text: str, as_json: bool, seed: random.Random, values: list[object]
) -> None:
    document = to_builtins(parse_yaml(text))
    for value in values:
        document = mutated(document, seed, value)
    dumped = json.dumps(document, indent=1) if as_json else yaml.safe_dump(document, allow_unicode=True)

    check(
        name.replace(".yaml", ".json").replace(".atrb", ".json") if as_json else name, dumped.encode("utf-8", "replace")
    )


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=["plain", "atuin"])
@given(seed=st.randoms(use_true_random=False), fragments=st.lists(FRAGMENTS, min_size=1, max_size=4))
@quietly
def test_texts_with_changed_characters(
    check: Check, name: str, text: str, seed: random.Random, fragments: list[str]
) -> None:
    for fragment in fragments:
        start = seed.randrange(len(text))
        text = text[:start] + fragment + text[start + seed.choice([0, 0, 1, 3]) :]

    check(name, text.encode("utf-8", "replace"))


@given(seed=st.randoms(use_true_random=False), fragments=st.lists(FRAGMENTS, min_size=1, max_size=3))
@quietly
def test_checks_with_changed_characters(
    check: Check, tmp_path: Path, seed: random.Random, fragments: list[str]
) -> None:
    checks = CHECKS
    for fragment in fragments:
        start = seed.randrange(len(checks))
        checks = checks[:start] + fragment + checks[start + seed.choice([0, 1, 3]) :]
    (tmp_path / "x.checks.yaml").write_bytes(checks.encode("utf-8", "replace"))

    check("x.atrb", ATUIN.encode())


@pytest.mark.parametrize("name", ["x.runbook.yaml", "x.runbook.json", "x.atrb", "x.json"])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@quietly
def test_anything_at_all(check: Check, name: str, content: bytes) -> None:
    check(name, content)


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=["plain", "atuin"])
def test_the_unchanged_documents_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "x.checks.yaml").write_text(CHECKS) if name == "x.atrb" else None

    assert load_runbook(tmp_path / name).blocks
