"""Regular expressions are Python's, and none of them can hang a run."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from pytest_runbook.errors import TemplateError
from pytest_runbook.templates import Expression
from pytest_runbook.templates.regex_search import search_regex
from tests.run_book import run_book

TEXT = "id {i} at 2026-11-29, ERROR [x] a+b\nsecond"
ALIKE = [
    r"error", r"(?i)error", r"^second", r"(?m)^second$", r"\{i\}", r"{i}", r"at {e}", r"a{i<=1}", r"\d{4}-\d{2}",
    r"(?P<year>\d{4})-(\d+)", r"[{e}]+", r"\\{e}", r"\N{LEFT CURLY BRACKET}i", r"(?<=at )\d+", r"id(?!x)", r"a\+b$",
    r".+", r"(?s).+", r"\bERR", r"[^\W\d]+", r"(a)|(b)", r"(?:x|\])+",
]  # fmt: skip


@pytest.mark.parametrize("pattern", ALIKE)
@pytest.mark.parametrize("is_at_start", [True, False])
def test_patterns_find_what_they_find_in_python(pattern: str, is_at_start: bool) -> None:
    expected = re.match(pattern, TEXT) if is_at_start else re.search(pattern, TEXT)
    found = search_regex(pattern, TEXT, is_at_start=is_at_start)

    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert (found[0], found.groups(), found.groupdict()) == (expected[0], expected.groups(), expected.groupdict())


@pytest.mark.parametrize(
    "pattern", [r"(", r"a**", r"[z-a]", r"(?P<a>x)(?P<a>y)", r"\p{L}", r"(?R)", r"\K", "x{99999999999}"]
)
def test_what_is_none_in_python_is_none(pattern: str) -> None:
    with pytest.raises(TemplateError, match="is no regular expression"):
        search_regex(pattern, "text")


@pytest.mark.parametrize("use", ["v is search({})", "v is match({})", "v | regex({}) == 'x'"])
def test_what_takes_too_long_is_an_error(use: str) -> None:
    started = time.process_time()

    with pytest.raises(TemplateError, match="takes more than 1 s on this text"):
        Expression(use.format("'^(a|a)*$'")).evaluate({"v": "a" * 60 + "!"})

    assert time.process_time() - started < 10


def test_an_expected_error_takes_no_longer_either(tmp_path: Path) -> None:
    script = "printf 'a%.0s' $(seq 60) >&2; echo '!' >&2; exit 1"

    result = run_book(tmp_path, {"script": script, "expect_error": "a(a|a)*$", "name": "Slow"}).result

    assert result.outcome == "failed"
    assert "takes more than 1 s" in (result.message or "")
