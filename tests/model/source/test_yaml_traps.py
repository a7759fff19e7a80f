"""YAML's own traps: each is told with the line as it should read, at the line to look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_runbook.model.source.yaml_traps import quote_yaml
from pytest_runbook.model.source.yaml_tree import parse_yaml

Faults = Callable[..., list[str]]

# a line in its place, what is said of it, how to mend it
QUOTED_MORE = "more text after a text in quotes"
COLON = 'an unquoted value with ": " in it is a mapping to YAML'
BRACES = "an unquoted value that begins with {{ is a mapping to YAML"
TRAPS: list[tuple[str, str, str]] = [
    ('assert: "ready" in output.stdout', QUOTED_MORE, """assert: '"ready" in output.stdout'"""),
    ("assert: 'ready' in output.stdout", QUOTED_MORE, """assert: "'ready' in output.stdout\""""),
    ("""assert: "it's" in output["a"]""", QUOTED_MORE, """assert: '"it''s" in output["a"]'"""),
    ("""assert: "a" == output['\\d']""", QUOTED_MORE, """assert: '"a" == output[''\\d'']'"""),
    ("assert: output.body_json == {a: 1}", COLON, "assert: 'output.body_json == {a: 1}'"),
    ("script: curl -H 'X: y' http://a", COLON, """script: "curl -H 'X: y' http://a\""""),
    ("script: echo a:", COLON, "script: 'echo a:'"),
    ("directory: {{ var.base }}", BRACES, "directory: '{{ var.base }}'"),
    ("directory: {{ var.base }}/logs", BRACES, "directory: '{{ var.base }}/logs'"),
    ("script: @echo off", "an unquoted value can't begin with @", "script: '@echo off'"),
    ("script: `date`", "an unquoted value can't begin with `", "script: '`date`'"),
    ("script: %PATH%", "an unquoted value can't begin with %", "script: '%PATH%'"),
    ("script: *.txt", "an unquoted value can't begin with *", "script: '*.txt'"),
    ("script: & x", "an unquoted value can't begin with &", "script: '& x'"),
    ("script: > out", "an unquoted value can't begin with >", "script: '> out'"),
    ("script: [ -f x ] && y", "an unquoted value can't begin with [", "script: '[ -f x ] && y'"),
    ('script: {"a": 1} | jq', "an unquoted value can't begin with {", """script: '{"a": 1} | jq'"""),
]


IN_BRACKETS = [
    ('- {script: x, assert: "a" in output.stdout, timeout: 5s}', QUOTED_MORE, """assert: '"a" in output.stdout'"""),
    ("- {script: x, assert: 'a' in y}", QUOTED_MORE, """assert: "'a' in y\""""),
    ("- {script: echo a: b, timeout: 5s}", COLON, "script: 'echo a: b'"),
    ('- {script: x, assert: y == "a #1"}', "to YAML a comment begins at #", """assert: 'y == "a #1"'"""),
    ('- {script: x, assert: [y, "a" in z]}', QUOTED_MORE, """'"a" in z'"""),
]


@pytest.mark.parametrize(("line", "said", "fixed"), IN_BRACKETS, ids=[row[0] for row in IN_BRACKETS])
def test_a_value_within_brackets_that_should_be_quoted(faults: Faults, line: str, said: str, fixed: str) -> None:
    assert faults(f"name: x\nblocks:\n  {line}\n") == [
        f"x.runbook.yaml:3: not valid YAML: {said}\n  hint: quote the whole value: {fixed}"
    ]


@pytest.mark.parametrize(("line", "said", "fixed"), TRAPS, ids=[trap[0] for trap in TRAPS])
def test_a_value_that_should_be_quoted(faults: Faults, line: str, said: str, fixed: str) -> None:
    text = f"name: x\nblocks:\n  - name: y\n    {line}\n    timeout: 5s\n"

    assert faults(text) == [f"x.runbook.yaml:4: not valid YAML: {said}\n  hint: quote the whole value: {fixed}"]


@pytest.mark.parametrize(("line", "fixed"), [(trap[0], trap[2]) for trap in TRAPS])
def test_the_fixed_line_keeps_the_value(line: str, fixed: str) -> None:
    key, _, value = line.partition(": ")

    assert parse_yaml(fixed) == {key: value}


def test_an_entry_of_a_list_that_should_be_quoted(faults: Faults) -> None:
    text = 'blocks:\n  - script: x\n    assert:\n      - "a" in output.stdout\n      - output.x\n'

    assert faults(text) == [
        "x.runbook.yaml:4: not valid YAML: more text after a text in quotes\n"
        """  hint: quote the whole value: - '"a" in output.stdout'"""
    ]


OTHERS = [
    ("a:\n\tb: 1\n", 2, "a tab in the indentation, which YAML does not allow", "indent with spaces"),
    (
        "a: 1\n b: 2\n",
        2,
        'not valid YAML: a ": " where no key can stand',
        'indent the keys of one mapping alike; quote a value that has ": " in it',
    ),
    (
        "a:\n  b: 1\n c: 2\n",
        3,
        "not valid YAML: the line does not fit in with those above it",
        "indent it as its neighbours are; begin each entry of a list with -",
    ),
    (
        "a:\n- x\nb\nc: 2\n",
        3,
        "not valid YAML: line 3 is neither a key with a value nor an entry of a list",
        "a key ends with a colon; a text of several lines is written as a block: key: |",
    ),
    (
        'a: 1\nb: "x\nc: 2\n',
        2,
        "not valid YAML: the quote that opens in line 2 is never closed",
        "close it, or quote the whole value with the other kind of quote",
    ),
    (
        "a: [1,\nb: 2\n",
        1,
        "not valid YAML: the bracket that opens in line 1 is not closed where it should be",
        "close it, or quote the whole value if the bracket is part of a text",
    ),
    (
        'a: "\\d+"\n',
        1,
        "not valid YAML: a backslash in double quotes that YAML does not know",
        "use single quotes, or a block: key: |",
    ),
]


@pytest.mark.parametrize(("text", "line", "said", "hint"), OTHERS, ids=[row[2][-30:] for row in OTHERS])
def test_other_faults_are_reported_in_plain_words(faults: Faults, text: str, line: int, said: str, hint: str) -> None:
    assert faults(text) == [f"x.runbook.yaml:{line}: {said}\n  hint: {hint}"]


CUT = [
    (
        """- {script: x}\n- script: y\n  assert: output.stdout == "a #1\"""",
        4,
        "block #2 (script): assert",
        """assert: 'output.stdout == "a #1"'""",
    ),
    ('- script: echo "a # b"', 2, "block #1 (script): script", """- script: 'echo "a # b"'"""),
    ('- script:\n    code: echo "a # b"', 3, "block #1 (script): code", """code: 'echo "a # b"'"""),
    (
        "- script: y\n  assert:\n    - x\n    - output.x == (1 # 2)",
        5,
        "block #1 (script): assert",
        "- 'output.x == (1 # 2)'",
    ),
]


@pytest.mark.parametrize(("blocks", "line", "what", "fixed"), CUT, ids=[row[2] for row in CUT])
def test_a_value_cut_by_a_comment(faults: Faults, blocks: str, line: int, what: str, fixed: str) -> None:
    assert faults(f"blocks:\n{blocks}\n") == [
        f"x.runbook.yaml:{line}: {what} is cut short: to YAML a comment begins at #\n"
        f"  hint: quote the whole value: {fixed}"
    ]


def test_a_comment_after_a_whole_expression_is_a_comment(load: Callable[..., object]) -> None:
    assert load("blocks:\n- script: x # the script\n  assert: output.n == (1) # one\n")


def test_a_list_entry_that_is_a_mapping(faults: Faults) -> None:
    assert faults("blocks:\n- script: x\n  assert:\n  - output.x == {a: 1}\n") == [
        "x.runbook.yaml:4: block #1 (script): an entry of assert must be text, not a mapping\n"
        "  hint: quote the whole value: - 'output.x == {a: 1}'"
    ]


@pytest.mark.parametrize("text", ["a", "it's", 'a "b"', """it's "b\"""", "a\\b", "it's a\\b"])
def test_quoting_keeps_the_text(text: str) -> None:
    assert parse_yaml(quote_yaml(text)) == text
