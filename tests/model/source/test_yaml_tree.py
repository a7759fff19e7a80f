"""YAML 1.2 core schema, lines, and what is refused."""

from __future__ import annotations

import math

import pytest
import yaml

from pytest_runbook.model.source import yaml_tree
from pytest_runbook.model.source.located import EntryLocation, LocatedDict, LocatedList, SyntaxFault
from pytest_runbook.model.source.yaml_tree import EXPANDED_LIMIT, parse_yaml, resolve_scalar

TYPED = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "0": 0, "-0": 0, "7": 7, "+7": 7, "-12": -12, "123456789012345678901234567890": 123456789012345678901234567890,
    "0x1F": 31, "-0x1f": -31, "0o17": 15, "+0o17": 15, "0b101": 5,
    "1.5": 1.5, "-1.5": -1.5, "+1.5": 1.5, ".5": 0.5, "1.": 1.0, "1e3": 1000.0, "1E-3": 0.001, "0.0": 0.0, "00.5": 0.5,
    ".inf": math.inf, "+.Inf": math.inf, "-.INF": -math.inf,
}  # fmt: skip
TEXT = [
    "nULL", "none", "None", "tRUE", "yes", "Yes", "no", "NO", "on", "Off", "y", "n",
    "007", "-007", "00", "1_000", "0x", "0xG", "0o8", "0b2", "0X1F", "08", "1e", "1e999", "-1e999", "e3", ".", "-", "+",
    "-.", "inf", "nan", "Infinity", "+-1", "1.2.3", "12:30", "12:30:45", "190:20:30", "2024-01-31",
    "2001-12-14t21:59:43.10-05:00", "=", "<<", "1 2", "1st", "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize(("written", "value"), TYPED.items())
def test_core_schema_types_plain_scalars(written: str, value: object) -> None:
    resolved = resolve_scalar(written)

    assert (type(resolved), resolved) == (type(value), value)


@pytest.mark.parametrize("written", TEXT, ids=lambda text: text[:20])
def test_everything_else_is_text(written: str) -> None:
    assert resolve_scalar(written) == written


@pytest.mark.parametrize("written", [".nan", ".NaN", ".NAN"])
def test_not_a_number(written: str) -> None:
    resolved = resolve_scalar(written)

    assert isinstance(resolved, float)
    assert math.isnan(resolved)


@pytest.mark.parametrize("written", ['"5"', "'5'", "|-\n  5", ">-\n  5"])
def test_quoted_and_block_scalars_are_text(written: str) -> None:
    assert parse_yaml(f"a: {written}") == {"a": "5"}


def test_keys_are_text_as_written() -> None:
    assert parse_yaml("404: a\ntrue: b\n~: c\n1.10: d") == {"404": "a", "true": "b", "~": "c", "1.10": "d"}


def test_merge_keys_are_ordinary_keys() -> None:
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a}") == {"a": {"x": 1}, "b": {"<<": {"x": 1}}}


def test_aliases_repeat_values() -> None:
    assert parse_yaml("a: &t 1.10\nb: *t\nc: &l [*t]\nd: [*l, *l]") == {
        "a": 1.1,
        "b": 1.1,
        "c": [1.1],
        "d": [[1.1], [1.1]],
    }


def test_every_entry_knows_its_line() -> None:
    tree = parse_yaml("""\
a: 1.10
b:
  text
c: |

  first
d:
  - x
  - "y
    z"
  - >
    folded
e: {f: g,
  h: i}
""")

    assert isinstance(tree, LocatedDict)
    assert tree.locations == {
        "a": EntryLocation(1, 1, "1.10"),
        "b": EntryLocation(2, 3, None),
        "c": EntryLocation(4, 5, None),
        "d": EntryLocation(7, 8, None),
        "e": EntryLocation(13, 13, None),
    }
    assert isinstance(tree["d"], LocatedList)
    assert tree["d"].locations == [EntryLocation(8, 8, None), EntryLocation(9, 9, None), EntryLocation(11, 12, None)]
    assert isinstance(tree["e"], LocatedDict)
    assert (tree["e"].line_of("f"), tree["e"].line_of("h")) == (13, 14)


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_like(separator: str) -> None:
    tree = parse_yaml(separator.join(["a: 1", "b: |", "  x", "  y", "c: 2"]))

    assert isinstance(tree, LocatedDict)
    assert (tree["b"], tree.line_of("c")) == ("x\ny\n", 5)


def test_lines_are_counted_as_editors_do() -> None:
    tree = parse_yaml("a: 'x\u2028\x85y'\nb: 1\nc:\n- d\n")

    assert isinstance(tree, LocatedDict)
    assert isinstance(tree["c"], LocatedList)
    assert (tree.line_of("b"), tree["c"].locations[0].value_line) == (2, 4)


def test_faults_are_at_lines_as_editors_count_them() -> None:
    with pytest.raises(SyntaxFault) as caught:
        parse_yaml("a: 'x\u2028y'\n b: 1\n")

    assert caught.value.line == 2


def test_a_line_break_of_another_kind_at_the_end() -> None:
    assert parse_yaml("\x85(") == "("


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("text", [nested(100), "a: " + nested(99)])
def test_hundred_levels_are_read(text: str) -> None:
    assert parse_yaml(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        nested(101),
        "[" * 100_000,
        "{a: " * 100_000,
        "- " * 100_000 + "x",
        "a: &a " + nested(50) + "\nb: [" * 1 + "[" * 49 + "*a" + "]" * 50,
    ],
    ids=["lists", "open lists", "open mappings", "block lists", "by alias"],
)
def test_more_levels_are_refused(text: str) -> None:
    with pytest.raises(SyntaxFault, match="nested more than 100 deep"):
        parse_yaml(text)


def test_aliases_that_blow_up_are_refused() -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )

    with pytest.raises(SyntaxFault, match=f"aliases repeat more than {EXPANDED_LIMIT:,} values"):
        parse_yaml(laughs)


REFUSED = [
    ("a: 1\nb: 2\na: 3", 3, 'key "a" is there twice: in line 1 and again here', "keep one of them"),
    ("a: 1\n---\nb: 2", 2, "a second YAML document begins here", "one file holds one runbook: split it"),
    (
        "a: !!str 5",
        1,
        'YAML tag "tag:yaml.org,2002:str" is not supported',
        "quote the value if the mark is part of a text",
    ),
    ("a: !x {}", 1, 'YAML tag "!x" is not supported', "quote the value if the mark is part of a text"),
    ("a:\n  *b", 2, 'alias "*b" names no anchor above it', "quote the value if the star is part of a text"),
    ("&a [*a]", 1, 'alias "*a" names no anchor above it', "quote the value if the star is part of a text"),
    ("? [a]\n: b", 1, "a key must be text", "quote it if braces or brackets are part of a text"),
    (
        "a: b\nc: \x07",
        2,
        "control character U+0007, which YAML does not allow",
        r'in double quotes it can be written: "\x07"',
    ),
    ("a: \ufffe", 1, "control character U+FFFE, which YAML does not allow", None),
]


@pytest.mark.parametrize(("text", "line", "message", "hint"), REFUSED, ids=[row[2][:20] for row in REFUSED])
def test_what_is_refused(text: str, line: int, message: str, hint: str | None) -> None:
    with pytest.raises(SyntaxFault) as caught:
        parse_yaml(text)

    assert (caught.value.line, caught.value.message, caught.value.hint) == (line, message, hint)


def test_no_document_is_nothing() -> None:
    assert parse_yaml("# nothing here\n") is None


def test_a_document_may_begin_and_end_with_marks() -> None:
    assert parse_yaml("%YAML 1.2\n---\na: 1\n...\n") == {"a": 1}


def test_pure_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: 1.10\nb: |\n  x\nc: [&t true, *t, {d: '5'}]\n"
    quick = parse_yaml(text)

    monkeypatch.setattr(yaml_tree, "_LOADER", yaml.SafeLoader)
    pure = parse_yaml(text)

    assert isinstance(quick, LocatedDict)
    assert isinstance(pure, LocatedDict)
    assert (pure, pure.locations) == (quick, quick.locations)
