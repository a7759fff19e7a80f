"""The table of keys: its rows are whole, and the reader and the schema of each row take the same values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields

import pytest
from jsonschema import Draft7Validator

from pytest_runbook.errors import Location
from pytest_runbook.model import default_catalog
from pytest_runbook.model.keys.access import BECOME_KEYS, CONNECTION_KEYS, SSH_KEYS
from pytest_runbook.model.keys.flow import RETRY_KEYS, SKIP_KEYS, TIMEOUT_KEYS, XFAIL_KEYS
from pytest_runbook.model.keys.key import Key, Keys, described, help_of
from pytest_runbook.model.keys.key_table import KEYS, keys_in
from pytest_runbook.model.keys.matrix_key import ROW_KEYS, SOURCE_KEYS
from pytest_runbook.model.keys.secrets import SECRET_KEYS
from pytest_runbook.model.prose import Prose
from pytest_runbook.model.runbook import BlockRules, BlockScope, Runbook
from pytest_runbook.model.source.mapping_reader import MappingReader
from pytest_runbook.model.source.source_file import SourceFile
from pytest_runbook.model.source.yaml_tree import parse_yaml

NESTED: Mapping[str, Keys] = {
    "retry": RETRY_KEYS,
    "timeout": TIMEOUT_KEYS,
    "xfail": XFAIL_KEYS,
    "skip": SKIP_KEYS,
    "matrix": {**ROW_KEYS, **SOURCE_KEYS},
    "secrets": SECRET_KEYS,
    "ssh": SSH_KEYS,
    "become": BECOME_KEYS,
    "connections": CONNECTION_KEYS,
}
# Fields that the loaders take out before they make a `Runbook`, a block or its rules.
TAKEN_OUT = {"", "defaults", "finally", "shell_options", "runbook", "id", "name", "code", "connection", "blocks"}
SCOPES = ("file", "checks", "block", "entry", "defaults", "checks defaults")

every_key = pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.name}-{key.scope[0]}")


@every_key
def test_a_row_is_whole(key: Key) -> None:
    assert callable(key.read)
    assert help_of(key)
    assert key.scope
    Draft7Validator.check_schema(described(key))


@pytest.mark.parametrize(
    ("parent", "key"),
    [(parent, key) for parent, keys in NESTED.items() for key in keys.values()],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_row_within_a_key_is_whole(parent: str, key: Key) -> None:
    assert callable(key.read)
    assert help_of(key)
    Draft7Validator.check_schema(described(key))


@every_key
def test_a_row_fills_a_field_that_is_there(key: Key) -> None:
    owners = {"scope": BlockScope, "prose": Prose}
    part, _, name = key.field.rpartition(".")
    whole = Runbook if {"file", "checks"} & set(key.scope) else BlockRules
    owner = owners[part] if part else whole

    assert key.field in TAKEN_OUT or name in {field.name for field in fields(owner)}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_stands_once_in_a_scope(scope: str) -> None:
    names = [key.name for key in KEYS if scope in key.scope]

    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("scope", SCOPES)
def test_an_alias_means_one_key_and_is_none(scope: str) -> None:
    keys = [key for key in KEYS if scope in key.scope]
    aliases = [alias for key in keys for alias in key.aliases]
    names = {key.name for key in keys} | set(default_catalog().plain_names if scope == "block" else ())

    assert sorted(set(aliases)) == sorted(aliases)
    assert not names & set(aliases)


# Every reader meets each of these, and takes at least one of them.
VALUES = """\
- null
- true
- 0
- 5
- -1
- 1.5
- ''
- '  '
- text
- a b
- secret.TOKEN
- 500ms
- 0s
- 1h30m
- 5m 3
- https://a.example/b
- http://a.example
- ftp://a.example
- https://
- https://{{ env.A }}/x
- https://a.example/{b}
- "https://a.example/\\x9b"
- "https://a.example/\\u202e"
- "https://a\\x7f.example"
- https://a.example/größe
- stop
- run
- write
- 1
- '['
- []
- [a, b]
- [a, 5]
- ['']
- [null]
- [{script: x}]
- {}
- {A: b}
- {A: 5}
- {A: null}
- {A: ' '}
- {A: [b]}
- {A: []}
- {a-b: c}
- {A: {env: B}}
- {A: {env: B, timeout: 5s}}
- {A: {command: [a, b], timeout: 5s}}
- {A: {command: []}}
- {A: {postgres: u}}
- {A: {postgres: u, via: h}}
- {A: {postgres: u, mysql: u}}
- {A: {oracle: u}}
- {A: {var: b}}
- {A: {file: b, command: c}}
- {A: [1], include: [{A: 2}], exclude: {file: x.csv}}
- {include: 5}
- {A: 1, B: 2}
- {user: root}
- {user: root, password: p}
- {password: p}
- {identity: a, config: b}
- {identity: 5}
- {every: 1s, within: 30s}
- {every: 1s}
- {attempts: 3, backoff: 2, jitter: 1s, attempt_timeout: 5s, until: output.ok}
- {attempts: 0}
- {attempts: 1, backoff: 0.5}
- {total: 5m, block: 1m, finally: 1m}
- {total: 5}
- {reason: x, strict: true}
- {reason: x, below: run}
- {reason: ''}
- {below: walk}
- {why: x}
- {timeout: 5s, retry: {attempts: 2}, below: skip, effects: read, sensitive: true, template: false}
- {timeout: 5s, shell_options: -e}
- {assert: x}
"""


def faults_of(key: Key, value: object) -> list[str]:
    tree = parse_yaml(f"{json.dumps(key.name)}: {json.dumps(value)}")
    source = SourceFile(Location("x"))
    key.read(MappingReader(tree, source), key.name)  # type: ignore[arg-type]  # a mapping
    return [fault.message for fault in source.faults]


def schema_of(key: Key) -> Mapping[str, object]:
    """The schema without what it refers to: the readers leave the blocks to the loaders, too."""
    return {**described(key), "definitions": {"block": {}, "entry": {}}}


@every_key
def test_reader_and_schema_take_the_same_values(key: Key) -> None:
    validator = Draft7Validator(schema_of(key), format_checker=Draft7Validator.FORMAT_CHECKER)
    values = parse_yaml(VALUES)
    assert isinstance(values, list)

    read = [not faults_of(key, value) for value in values]

    assert [validator.is_valid(value) for value in values] == read
    assert len(set(read)) == 2


ALIASES = [
    (scope, alias, key.name) for scope in ("file", "block") for key in keys_in(scope).values() for alias in key.aliases
]


@pytest.mark.parametrize(("scope", "alias", "name"), ALIASES)
def test_the_word_of_another_tool_is_unknown_and_its_key_is_named(
    faults: Callable[[str], list[str]], scope: str, alias: str, name: str
) -> None:
    text = f"{alias}: x\nblocks: []\n" if scope == "file" else f"blocks:\n- {alias}: x\n  script: x\n"

    label = "" if scope == "file" else "block #1 (script): "
    line = 1 if scope == "file" else 2
    assert faults(text) == [f'x.runbook.yaml:{line}: {label}unknown key "{alias}"\n  hint: did you mean {name}?']


def only_elsewhere(scope: str, other: str) -> list[tuple[str, str]]:
    """Words of other tools for keys of one scope that are no words for, nor names of, keys of the other."""
    here = {word for key in keys_in(other).values() for word in (key.name, *key.aliases)}
    return [(alias, name) for place, alias, name in ALIASES if place == scope and alias not in here]


@pytest.mark.parametrize(("alias", "name"), only_elsewhere("file", "block"))
def test_in_a_block_the_word_for_a_key_of_the_file_leads_there(
    faults: Callable[[str], list[str]], alias: str, name: str
) -> None:
    assert faults(f"blocks:\n- {alias}: x\n  script: x\n") == [
        f'x.runbook.yaml:2: block #1 (script): unknown key "{alias}"\n  hint: {name}, at the top of the file'
    ]


@pytest.mark.parametrize(("alias", "name"), only_elsewhere("block", "file"))
def test_at_the_top_the_word_for_a_key_of_a_block_leads_there(
    faults: Callable[[str], list[str]], alias: str, name: str
) -> None:
    assert faults(f"{alias}: x\nblocks: []\n") == [
        f'x.runbook.yaml:1: unknown key "{alias}"\n  hint: {name}, in a block'
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("blocks: [{script: x, cwd: /}]", "did you mean directory?"),
        ("blocks: [{script: x, CWD: /}]", "did you mean directory?"),
        ("blocks: [{script: x, ignore-error: true}]", "did you mean on_failure?"),
        ("blocks: [{script: x, direktory: /}]", "did you mean directory?"),
        ("blocks: []\ndefaults: {ignore_errors: true}", "did you mean on_failure?"),
        ("blocks: []\nhost: web-1", "did you mean hosts?"),
        ("blocks: [{script: x, loops: [1]}]", "did you mean for_each?"),
    ],
)
def test_hints_of_aliases(faults: Callable[[str], list[str]], text: str, hint: str) -> None:
    assert [fault.rpartition("hint: ")[2] for fault in faults(text)] == [hint]


PLAIN_TOP = (
    "runbook means nothing here: it is a key of checks files\n  hint: a block runs another runbook: - sub-runbook: PATH"
)
IN_A_BLOCK = 'unknown key "runbook"\n  hint: did you mean sub-runbook?'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("runbook: a.yaml\nblocks: []", f"1: {PLAIN_TOP}"),
        ("runbooks: a.yaml\nblocks: []", f"1: {PLAIN_TOP.replace('runbook', 'runbooks', 1)}"),
        ("blocks: [{runbook: a.yaml}]", f"1: block #1: {IN_A_BLOCK}"),
        ("blocks: [{script: x, runbook: a.yaml}]", f"1: block #1 (script): {IN_A_BLOCK}"),
        ("blocks: []\nrunbook_ur: https://a.example", '2: unknown key "runbook_ur"\n  hint: did you mean runbook_url?'),
    ],
)
def test_runbook_is_not_taken_for_the_url_of_a_page(faults: Callable[[str], list[str]], text: str, fault: str) -> None:
    assert faults(text) == [f"x.runbook.yaml:{fault}"]
