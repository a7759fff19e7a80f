"""JSON with lines, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_runbook.model.source.json_tree import parse_json
from pytest_runbook.model.source.located import EntryLocation, LocatedDict, LocatedList, SyntaxFault

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_reads_what_json_writes(value: object, indent: int | str | None, escaped: bool) -> None:
    assert parse_json(json.dumps(value, indent=indent, ensure_ascii=escaped)) == value


def test_every_entry_knows_its_line() -> None:
    tree = parse_json('{\n "a": 1.10,\n "b":\n  [true,\n   "x"],\n "c": {\n  "d": null}\n}\n')

    assert isinstance(tree, LocatedDict)
    assert tree.locations == {
        "a": EntryLocation(2, 2, "1.10"),
        "b": EntryLocation(3, 4, None),
        "c": EntryLocation(6, 6, None),
    }
    assert isinstance(tree["b"], LocatedList)
    assert tree["b"].locations == [EntryLocation(4, 4, "true"), EntryLocation(5, 5, None)]


def test_json_within_a_file_is_at_that_line() -> None:
    tree = parse_json('{\n\n"a": 1}', only_line=7)

    assert isinstance(tree, LocatedDict)
    assert (tree.line, tree.line_of("a")) == (7, 7)


def test_surrogate_pairs_are_one_character() -> None:
    assert parse_json(r'"\ud83d\ude00"') == "😀"


def test_hundred_levels_are_read() -> None:
    assert parse_json("[" * 100 + "]" * 100) is not None


@pytest.mark.parametrize("text", ["[" * 101, "[" * 100_000, '{"a":' * 100_000])
def test_more_levels_are_refused(text: str) -> None:
    with pytest.raises(SyntaxFault, match="nested more than 100 deep"):
        parse_json(text)


REFUSED = [
    ('{"a": 1,\n "a": 2}', 2, 'key "a" is there twice: in line 1 and again here', "keep one of them"),
    ("{}\n{}", 2, "not valid JSON: more text after the end of the JSON value", None),
    ('{"a": 1,\n}', 2, "not valid JSON: a comma before }", "JSON allows no comma after the last entry"),
    ("[1,\n]", 2, "not valid JSON: a comma before ]", "JSON allows no comma after the last entry"),
    ('{"a" 1}', 1, 'not valid JSON: expected : after the key, not "1}"', None),
    ("{a: 1}", 1, 'not valid JSON: expected a key in double quotes, not "a:"', None),
    ('{"a": 1 "b"}', 1, 'not valid JSON: expected , or }, not ""b"}"', None),
    ("[1 2]", 1, 'not valid JSON: expected , or ], not "2]"', None),
    ("[", 1, "not valid JSON: expected a value, not the end of the file", None),
    ("['a']", 1, "not valid JSON: expected a value, not \"'a']\"", "a text is written in double quotes"),
    ("[\n// a\n1]", 2, 'not valid JSON: expected a value, not "//"', "JSON has no comments"),
    ("[True]", 1, 'not valid JSON: expected a value, not "True]"', "a text is written in double quotes"),
    ("[NaN]", 1, 'not valid JSON: expected a value, not "NaN]"', "a text is written in double quotes"),
    ("[1e999]", 1, "not valid JSON: the number 1e999 is too large", None),
    ("[" + "9" * 1001 + "]", 1, "not valid JSON: a number of more than 1,000 digits", None),
    ("[01]", 1, 'not valid JSON: expected , or ], not "1]"', None),
    ('["a', 1, "not valid JSON: a text whose quotes are never closed", None),
    ('["a\nb"]', 1, "not valid JSON: a line break or control character in a text", "a line break is written \\n"),
    (r'["\q"]', 1, "not valid JSON: an unknown escape in a text", "a backslash is written \\\\"),
    (
        r'["\ud83d"]',
        1,
        "not valid JSON: half of a surrogate pair (\\ud800 to \\udfff), which stands for no character",
        None,
    ),
]


@pytest.mark.parametrize(("text", "line", "message", "hint"), REFUSED, ids=[row[0][:12] for row in REFUSED])
def test_what_is_refused(text: str, line: int, message: str, hint: str | None) -> None:
    with pytest.raises(SyntaxFault) as caught:
        parse_json(text)

    assert (caught.value.line, caught.value.message, caught.value.hint) == (line, message, hint)
