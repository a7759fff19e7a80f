"""The shipped JSON Schemas: made from the loaders' own tables, and of one mind with the loaders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from pytest_runbook.errors import UnreadableFile
from pytest_runbook.model import default_catalog
from pytest_runbook.model.catalog import BlockCatalog, BlockType, Prop
from pytest_runbook.model.keys.key import Schema
from pytest_runbook.model.runbook import Runbook
from pytest_runbook.model.schema import CHECKS_FILE, RUNBOOK_FILE, as_text, checks_schema, plain_schema
from pytest_runbook.model.source.yaml_tree import parse_yaml

SHIPPED = [(RUNBOOK_FILE, plain_schema(default_catalog())), (CHECKS_FILE, checks_schema())]


@pytest.mark.parametrize(("path", "schema"), SHIPPED, ids=["runbook", "checks"])
def test_shipped_files_are_up_to_date(path: Path, schema: Schema) -> None:
    shipped = path.read_text(encoding="utf-8")

    assert shipped == as_text(schema), "run: python -m pytest_runbook.model.schema"


@pytest.mark.parametrize(("path", "schema"), SHIPPED, ids=["runbook", "checks"])
def test_schemas_are_schemas(path: Path, schema: Schema) -> None:
    Draft7Validator.check_schema(schema)


def is_valid(schema: Schema, text: str) -> bool:
    return Draft7Validator(schema).is_valid(json.loads(json.dumps(parse_yaml(text))))


FULL = """\
version: 1
name: Nightly
description: "*Booked*"
owner: us
runbook_url: https://a.example/b
on_red: call
vars: {a: 1}
env: {PORT: 8080}
secrets:
  TOKEN: {env: T}
  FILE: {file: a.txt}
  WORDS: {command: [pass, show, a], timeout: 5s}
  SHELL: {command: pass show a | head -1}
  FIXTURE: {fixture: a_fixture}
timeout: {total: 15m, block: 1h30m}
on_failure: continue
tags: [smoke]
answers: {region: eu}
matrix: {n: [1, 2], m: {file: m.csv}, exclude: [{n: 1}], include: [{n: 3, m: 4}]}
require: [Disk]
needs: [base.runbook.yaml]
defaults: {retry: {attempts: 2}}
blocks:
- directory: /srv
- env: {A: 1}
- vars: {b: [1]}
- host: web-1
- ssh-connect: {user: a, hostname: b, port: 22}
- name: Disk
  on_red: look
  script: df
  env: {LC_ALL: C}
  directory: /
  capture: used
  assert: [var.used | int < 90]
- script: {code: x, output_variable: y}
  expect_error: refused
  skip: true
- http: {url: http://a, method: PUT, headers: {A: b}, json: [1]}
  capture: {n: output.n}
  timeout: 500ms
- name: Tables
  for_each: {table: [a, b]}
  script: x
  retry: {every: 1s, within: 1m, attempts: 3, backoff: 2, jitter: 1s, attempt_timeout: 5s, until: output.value == "x"}
  expect: {exit_code: 0, stdout: {$length: 3}}
  warn: output.seconds < 5
  xfail: {reason: x, strict: true}
  when: var.a == 1
  on_failure: continue
  tags: [smoke]
- postgres: {uri: u, query: q}
- dropdown: {name: r, fixedOptions: 'a, b'}
- pause: {}
- sub-runbook: {path: a.atrb, exportVars: true}
finally:
- {script: rm, if_started: Disk, sensitive: true}
"""


def test_a_full_runbook_fits_both(load: Callable[..., Runbook]) -> None:
    assert load(FULL).blocks
    assert is_valid(plain_schema(default_catalog()), FULL)


@pytest.mark.parametrize(
    "text",
    [
        "name: x",
        "blocks: {}",
        "blocks: []\nversion: 2",
        "blocks: []\nnam: x",
        "blocks: []\nretry: 3",
        "blocks: []\ntimeout: 60",
        "blocks: []\ntimeout: {blok: 1s}",
        "blocks: []\non_failure: halt",
        "blocks: []\nvars: {a-b: 1}",
        "blocks: []\nowner: 5",
        "blocks: [{script: x, runbook_url: a.example}]",
        "blocks: []\nenv: {A: [1]}",
        "blocks: []\nsecrets: {A: x}",
        "blocks: []\nsecrets: {A: {env: X, file: y}}",
        "blocks: []\nsecrets: {A: {env: X, timeout: 5s}}",
        "blocks: [text]",
        "blocks: [{name: x}]",
        "blocks: [{script: 5}]",
        "blocks: [{scirpt: x}]",
        "blocks: [{script: x, http: y}]",
        "blocks: [{env: {A: b}, directory: x}]",
        "blocks: [{script: {}}]",
        "blocks: [{script: {code: x, intrepreter: y}}]",
        "blocks: [{script: {code: x, dependency: y}}]",
        "blocks: [{script: x, assert: []}]",
        "blocks: [{script: x, assert: true}]",
        "blocks: [{script: x, timeout: 5}]",
        "blocks: [{script: x, retry: 5}]",
        "blocks: [{script: x, finally: 'yes'}]",
        "blocks: [{script: x, retry: {every: 1s}}]",
        "blocks: [{script: x, retry: {attempts: 0}}]",
        "blocks: [{script: x, retry: {within: 30}}]",
        "blocks: [{script: x, capture: {}}]",
        "blocks: [{script: x, expect: {}}]",
        "blocks: [{script: x, expect: 'output.status == 5'}]",
        "blocks: [{script: x, for_each: [1]}]",
        "blocks: [{script: x, for_each: {a: -1}}]",
        "blocks: [{script: x, for_each: {a: [1], b: [2]}}]",
        "blocks: [{script: x, xfail: {why: y}}]",
        "blocks: [{script: x, on_failure: ignore}]",
        "blocks: [{script: x, tags: []}]",
        "blocks: []\nmatrix: {n: []}",
        "blocks: []\nmatrix: {n: {vars: x}}",
        "blocks: []\nrequire: 5",
        "blocks: []\ndefaults: {assert: x}",
        "blocks: [{script: x, capture: output.a}]",
        "blocks: [{postgres: {query: x}}]",
        "blocks: [{terminal: {code: x, rows: 0}}]",
        "blocks: [{ssh-connect: {userHost: a, port: 65536}}]",
        "blocks: [{dropdown: {name: a, optionsType: menu}}]",
    ],
)
def test_wrong_runbooks_fit_neither(load: Callable[..., Runbook], text: str) -> None:
    with pytest.raises(UnreadableFile):
        load(text)

    assert not is_valid(plain_schema(default_catalog()), text)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("{require: Build, matrix: {n: [1]}, defaults: {shell_options: -e}, blocks: {Build: {code: abc}}}", True),
        ("blocks: {Build: {retry: {}}}", False),
        ("runbook: 5", False),
        ("{vars: {a: 1}, timeout: 2m, blocks: {Build: {id: a, assert: x, skip: later}}}", True),
        ("blocks: {Build: {asert: x}}", False),
        ("blocks: {Build: {env: {A: b}}}", True),
        ("[{runbook: pay.atrb, blocks: {Build: {skip: true}}}]", True),
        ("[{runbook: pay.atrb, block: {}}]", False),
        ("blocks: []", False),
        ("name: x", False),
    ],
)
def test_checks_files(text: str, valid: bool) -> None:
    assert is_valid(checks_schema(), text) is valid


def test_a_json_file_may_name_its_schema(load: Callable[..., Runbook]) -> None:
    text = '{"$schema": "runbook.schema.json", "blocks": [{"script": "echo"}]}'

    assert load(text, "x.runbook.json").blocks
    assert is_valid(plain_schema(default_catalog()), text)


def test_types_from_outside_are_in_the_schema_too() -> None:
    redis = BlockType(name="redis", plain_names=("redis",), main="command", props=(Prop(name="command"),))
    catalog = BlockCatalog.of([*default_catalog(), redis])

    assert is_valid(plain_schema(catalog), "blocks: [{redis: ping}]")
    assert not is_valid(plain_schema(default_catalog()), "blocks: [{redis: ping}]")
