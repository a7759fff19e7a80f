"""Atuin documents: what another program wrote is read as it means it, and what is odd in it is told."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pytest_runbook.errors import Location
from pytest_runbook.model import BLOCK_TYPES, TEXT_NODE_TYPES
from pytest_runbook.model.catalog import BlockType
from pytest_runbook.model.runbook import Below, BlockRules, Form, Node, Runbook, SkipRule

Load = Callable[..., Runbook]
Faults = Callable[..., list[str]]

DOCUMENT = """\
id: 0198c0de-0000-7000-8000-000000000001
name: Release check
version: 1
forkedFrom: null
content:
- id: head
  type: heading
  props: {level: 1, textColor: default}
  content:
  - {type: text, text: Smoke check, styles: {bold: true}}
  children: []
- id: list
  type: toggleListItem
  props: {}
  content: [{type: text, text: steps, styles: {}}]
  children:
  - id: version
    type: script
    props:
      interpreter: bash
      outputVariable: ver
      name: version
      code: |-
        echo "build=42"
        cat VERSION
      outputVisible: true
      dependency: '{}'
      terminalRows: 12
    children:
    - id: inner
      type: paragraph
      content: deeper
- id: terminal
  type: run
  props:
    type: bash
    code: exit
    pty: ''
    global: false
- id: day
  type: var
  props: {name: day, value: 2024-01-31}
"""


def script(**props: object) -> str:
    """A document of one script block."""
    return json.dumps([{"id": "a", "type": "script", "props": props}])


def block(type_name: str, **props: object) -> str:
    return json.dumps([{"id": "a", "type": type_name, "props": props}])


def test_the_head_of_a_document(load: Load) -> None:
    runbook = load(DOCUMENT, "x.atrb")

    assert (runbook.form, runbook.id, runbook.name, runbook.load_warnings) == (
        Form.ATUIN,
        "0198c0de-0000-7000-8000-000000000001",
        "Release check",
        (),
    )


def test_nodes_are_flattened_in_pre_order(load: Load) -> None:
    runbook = load(DOCUMENT, "x.atrb")

    assert [(node.id, node.location.line) for node in runbook.nodes] == [
        ("head", 6),
        ("list", 12),
        ("version", 17),
        ("inner", 30),
        ("terminal", 33),
        ("day", 40),
    ]
    assert [(spec.id, spec.node) for spec in runbook.blocks] == [("version", 2), ("terminal", 4), ("day", 5)]


def test_prose_keeps_its_content(load: Load) -> None:
    runbook = load(DOCUMENT, "x.atrb")

    assert runbook.nodes[0] == Node(
        id="head",
        type="heading",
        props={"level": 1, "textColor": "default"},
        content=[{"type": "text", "text": "Smoke check", "styles": {"bold": True}}],
        location=Location("x.atrb", 6),
    )
    assert runbook.nodes[3].content == "deeper"


def test_a_block_with_its_props_and_lines(load: Load) -> None:
    spec = load(DOCUMENT, "x.atrb").blocks[0]

    assert spec.label == 'block "version" (script)'
    assert spec.location == Location("x.atrb", 17)
    assert spec.props == {
        "name": "version",
        "code": 'echo "build=42"\ncat VERSION',
        "interpreter": "bash",
        "outputVariable": "ver",
        "outputVisible": True,
        "terminalRows": 12,
        "dependency": "{}",
        "collapsed": None,
    }
    assert (spec.lines["code"], spec.lines["interpreter"]) == (24, 20)
    assert spec.rules == BlockRules()


def test_text_stays_text(load: Load) -> None:
    assert load(DOCUMENT, "x.atrb").blocks[2].props["value"] == "2024-01-31"


@pytest.mark.parametrize("name", ["x.json", "x.atrb"])
def test_a_bare_list_of_blocks(load: Load, name: str) -> None:
    runbook = load(script(code="echo"), name)

    assert (runbook.id, runbook.name, runbook.blocks[0].props["code"]) == (name, "x", "echo")


def test_json_lines(load: Load) -> None:
    text = json.dumps({"content": [{"id": "a", "type": "script", "props": {"code": "a\nb"}}]}, indent=1)
    spec = load(text, "x.json").blocks[0]

    assert (spec.location.line, spec.lines["code"]) == (3, 7)


def test_json_in_a_file_of_any_name_is_read_as_json(load: Load) -> None:
    content = [{"id": "a", "type": "script", "props": {"name": "\U0001f389", "code": "true"}}]
    text = json.dumps({"id": "x", "content": content}, ensure_ascii=True)

    assert "\\ud83c\\udf89" in text
    assert load(text, "x.atrb").blocks[0].name == "\U0001f389"


def test_the_older_export_holds_its_content_as_text(load: Load) -> None:
    runbook = load(json.dumps({"version": 0, "id": "b", "content": script(code="echo")}, indent=1), "x.json")

    assert [(spec.id, spec.location.line, spec.props["code"]) for spec in runbook.blocks] == [("a", 4, "echo")]


def test_absent_keys_are_no_trouble(load: Load) -> None:
    runbook = load("content:\n- type: script\n- type: paragraph\n- {type: script, id: 5}\n", "x.atrb")

    assert (runbook.id, runbook.name) == ("x.atrb", "x")
    assert [spec.id for spec in runbook.blocks] == ["#1", "5"]
    assert [spec.label for spec in runbook.blocks] == ["block #1 (script)", "block 5 (script)"]


def test_null_is_missing(load: Load) -> None:
    props = {"code": None, "name": None}
    runbook = load(json.dumps({"id": None, "content": [{"id": None, "type": "script", "props": props}]}), "x.json")
    spec = runbook.blocks[0]

    assert (runbook.id, spec.id, spec.name) == ("x.json", "#1", "")
    assert (spec.props["code"], spec.props["name"]) == ("", "Script")


def test_prose_alone_is_a_runbook_without_blocks(load: Load) -> None:
    assert load("content: [{id: a, type: paragraph}]", "x.atrb").blocks == ()


@pytest.mark.parametrize("block_type", BLOCK_TYPES, ids=lambda block_type: block_type.name)
def test_every_type_is_read_by_every_name(load: Load, block_type: BlockType) -> None:
    props = {prop.name: (prop.choices or ("x",))[0] for prop in block_type.props if prop.required}
    for name in (block_type.name, *block_type.aliases):
        spec = load(block(name, **props), "x.json").blocks[0]

        assert spec.type == block_type.name
        assert set(spec.props) == {prop.name for prop in block_type.props}


@pytest.mark.parametrize("type_name", sorted(TEXT_NODE_TYPES))
def test_prose_is_no_block(load: Load, type_name: str) -> None:
    assert load(block(type_name), "x.json").blocks == ()


@pytest.mark.parametrize("type_name", ["http", "sqlite", "postgres", "prometheus", "script"])
def test_a_block_that_can_not_run_is_still_read(load: Load, type_name: str) -> None:
    assert load(block(type_name), "x.json").blocks[0].type == type_name


def test_repeated_ids_become_unique(load: Load) -> None:
    runbook = load("content:\n- {id: a, type: script}\n- {id: a, type: script}\n- {id: a~2, type: script}\n", "x.atrb")

    assert [spec.id for spec in runbook.blocks] == ["a", "a~2", "a~2~2"]
    assert runbook.load_warnings == (
        'x.atrb:3: id "a" is repeated; this block is called "a~2"',
        'x.atrb:4: id "a~2" is repeated; this block is called "a~2~2"',
    )


def test_unknown_props_are_one_note(load: Load) -> None:
    strange = dict.fromkeys("abcdefg", 1)
    runbook = load(block("script", **strange), "x.json")

    assert runbook.load_warnings == (
        "x.json:1: unknown props are passed over: script.a, script.b, script.c, script.d, script.e and 2 more",
    )


def test_a_newer_version_is_a_note(load: Load) -> None:
    assert load("version: 2\ncontent: []", "x.atrb").load_warnings == (
        "x.atrb: version 2 is newer than what is known here (1)",
    )


def test_unknown_types_can_be_skipped(load: Load) -> None:
    runbook = load(block("scirpt", name="Build", code=5), "x.json", unknown_blocks="skip")
    spec = runbook.blocks[0]

    assert (spec.type, spec.label, spec.props) == ("scirpt", 'block "Build" (scirpt)', {"name": "Build", "code": 5})
    assert spec.rules == BlockRules(skip=SkipRule(reason='unknown block type "scirpt"', below=Below.RUN))


FAULTS = [
    ("text", 1, 'a runbook must be a mapping with content, not the text "text"', None),
    ("id: x", 1, "no content", None),
    ("blocks: []", 1, "no content", "a runbook with blocks is named NAME.runbook.yaml"),
    ("content: {}", 1, "content must be a list of blocks, not a mapping", None),
    ("content:", 1, "content must be a list of blocks, not nothing", None),
    (
        "content: 'not json'",
        1,
        'content is a text, but no list of blocks: not valid JSON: expected a value, not "not"',
        None,
    ),
    ("content: '{}'", 1, 'content must be a list of blocks, not the text "{}"', None),
    ("id: [a]\ncontent: []", 1, "id must be text, not a list", None),
    ("name: 5\ncontent: []", 1, "name must be text, not the number 5", 'quote it: name: "5"'),
    ("content:\n- text", 2, 'block #1: a block must be a mapping, not the text "text"', None),
    ("content:\n- id: a", 2, "block #1: has no type", None),
    ("content:\n- type: 5", 2, "block #1: type must be text, not the number 5", 'quote it: type: "5"'),
    ("content:\n- type: script\n  props: []", 3, "block #1: props must be a mapping, not a list", None),
    ("content:\n- type: paragraph\n  props: x", 3, 'block #1: props must be a mapping, not the text "x"', None),
    (
        "content:\n- type: paragraph\n  children: {}",
        3,
        "block #1: children must be a list of blocks, not a mapping",
        None,
    ),
    ("content:\n- {id: a, type: scirpt}", 2, 'block a (scirpt): unknown block type "scirpt"', "did you mean script?"),
    (
        "content:\n- type: script\n  props:\n    code: 5",
        4,
        "block #1 (script): code must be text, not the number 5",
        'quote it: code: "5"',
    ),
    (
        "content:\n- type: script\n  props: {name: 5}",
        3,
        "block #1 (script): name must be text, not the number 5",
        'quote it: name: "5"',
    ),
    (
        "content:\n- type: run\n  props: {global: 'no'}",
        3,
        'block #1 (terminal): global must be true or false, not the text "no"',
        None,
    ),
    (
        "content:\n- type: ssh-connect\n  props: {port: 70000}",
        3,
        "block #1 (ssh-connect): port must be from 0 to 65535, not the number 70000",
        None,
    ),
    (
        "content:\n- type: ssh-connect\n  props: {port: '22'}",
        3,
        'block #1 (ssh-connect): port must be a whole number, not the text "22"',
        None,
    ),
    ("content:\n- type: var\n  props: {value: x}", 3, "block #1 (var): name is missing", "the variable"),
    ("content:\n- type: var", 2, "block #1 (var): name is missing", "the variable"),
    ("content:\n- type: env\n  props: {name: null}", 3, "block #1 (env): name is missing", "the environment variable"),
    (
        "content:\n- type: directory\n  props: {}",
        3,
        "block #1 (directory): path is missing",
        "relative to the one before; empty: back to where the runbook began",
    ),
]


@pytest.mark.parametrize(("text", "line", "said", "hint"), FAULTS, ids=[row[0][-40:] for row in FAULTS])
def test_faults(faults: Faults, text: str, line: int, said: str, hint: str | None) -> None:
    assert faults(text, "x.atrb") == [f"x.atrb:{line}: {said}" + (f"\n  hint: {hint}" if hint else "")]


def test_a_dropdown_without_its_props(faults: Faults) -> None:
    reported = faults("content:\n- type: dropdown\n  props: {name: a, optionsType: menu, value: x}\n", "x.atrb")

    assert [line.split("): ")[1].split("\n")[0] for line in reported] == [
        'optionsType must be fixed or variable or command, not the text "menu"',
        "fixedOptions is missing",
        "variableOptions is missing",
        "commandOptions is missing",
        "interpreter is missing",
    ]


def test_deep_lists_are_read(load: Load) -> None:
    text = '{"type": "script"}'
    for _ in range(40):
        text = f'{{"type": "bulletListItem", "children": [{text}]}}'

    assert [spec.id for spec in load(f"[{text}]", "x.json").blocks] == ["#41"]
