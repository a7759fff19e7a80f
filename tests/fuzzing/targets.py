"""What is fuzzed: each target takes any bytes, and fails where something happens that must not, whatever they hold."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_runbook.blocks.registry import BlockRegistry
from pytest_runbook.blocks.sql.statement_effects import effect_of
from pytest_runbook.blocks.sql.statements import returns_rows, split_statements
from pytest_runbook.document.runtime import read_runbook
from pytest_runbook.errors import BlockFailed, TemplateError, UnreadableFile
from pytest_runbook.resources.process.output_variables import decode_output_variables, parse_output_variables
from pytest_runbook.templates import Expression, render, template_problems

FILES = (
    "a.runbook.yaml",
    "a.atrb",
    "a.runbook.json",
    "a.json",
    "a.runbook.md",
    "a.checks.yaml",
)
DIALECTS = ("postgres", "mysql", "sqlite", "clickhouse")
OWNER = """\
id: 0198c0de-0000-7000-8000-000000000001
name: Owner
content:
- {id: 0198c0de-0000-7000-8000-000000000002, type: script, props: {name: Build, code: make}}
- {id: 0198c0de-0000-7000-8000-000000000003, type: http, props: {name: Health, url: "http://localhost"}}
"""
NAMES = {
    "var": {"name": "web-1", "count": 3, "rows": [{"id": 1}, {"id": 2}], "empty": "", "items": "a,b"},
    "env": {"HOME": "/root"},
    "output": {"stdout": "ready\n", "exit_code": 0, "body_json": {"status": "ok", "db": {"lag": 1.5}}, "rows": []},
    "doc": {"named": {"Build": {"output": {"exit_code": 0}}}},
    "block": {"name": "Check"},
    "host": "local",
}
INSIDES = ("<class ", "<function ", "<module ", "<built-in", " object at 0x")


def files(data: bytes) -> None:
    """A file is read, or it is unreadable with faults that say where."""
    name = FILES[data[0] % len(FILES)] if data else FILES[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data[1:])
        if name == "a.checks.yaml":
            path = Path(folder, "a.atrb")
            path.write_text(OWNER)
        try:
            runbook = read_runbook(path, BlockRegistry(), display_path="a")
        except UnreadableFile as error:
            assert error.errors, "unreadable without a fault"
            for fault in error.errors:
                assert fault.message.strip(), f"a fault without a word: {fault!r}"
                assert fault.location is not None, f"a fault without a place: {fault!r}"
        else:
            ids = [spec.id for spec in runbook.blocks]
            assert len(ids) == len(set(ids)), "two blocks of one id"


def templates(data: bytes) -> None:
    """A template gives text, the same each time, and nothing of what is inside of Python; or an error of ours."""
    text = data.decode("utf-8", "replace")
    template_problems(text)
    try:
        rendered = render(text, NAMES)
    except TemplateError as error:
        assert error.message.strip(), "an error without a word"
        return
    assert rendered == render(text, NAMES), "two renderings differ"
    assert not any(inside in rendered and inside not in text for inside in INSIDES), rendered


def expressions(data: bytes) -> None:
    """What decided an expression can be told, and telling it changes nothing of what it is worth."""
    expression = Expression(data.decode("utf-8", "replace"))
    problems = expression.problems()
    explanation = expression.explain(NAMES)
    for operand in explanation.operands:
        assert operand.source, "an operand without a source"
    try:
        value = expression.evaluate(NAMES)
    except TemplateError:
        assert not explanation.holds, "it holds, and can't be evaluated"
        return
    if explanation.error is None:
        assert repr(value) == repr(explanation.value), "explained, it is worth something else"
    assert all(problem.message.strip() for problem in problems)


def output_variables(data: bytes) -> None:
    """Variables come out as they were written, or the file is refused."""
    try:
        variables = decode_output_variables(data)
    except BlockFailed as error:
        assert error.hint, "refused without a word on how to mend it"
        return
    again = parse_output_variables("\n".join(_written(variables)))
    assert again == {name: value for name, value in variables.items() if _can_be_written(name, value)}


def _written(variables: dict[str, str]) -> Iterator[str]:
    for name, value in variables.items():
        if _can_be_written(name, value):
            end = "END"
            while any(line.strip() == end for line in value.split("\n")):
                end += "_"
            yield from (f"{name}<<{end}", *([value] if value else []), end)


def _can_be_written(name: str, value: str) -> bool:
    """True if ``NAME<<END`` can say it: a name without what means something, lines without an end of their own."""
    is_plain = bool(name) and name == name.strip() and not set("=<\n\r") & set(name)
    return is_plain and not any(line.endswith("\r") for line in value.split("\n"))


def sql(data: bytes) -> None:
    """Statements are slices of what was written, in its order, each at the line that it says."""
    dialect = DIALECTS[data[0] % len(DIALECTS)] if data else DIALECTS[0]
    query = data[1:].decode("utf-8", "replace")
    end = 0
    for number, statement in enumerate(split_statements(query, dialect), 1):
        assert statement.number == number
        if statement.tokens:
            assert query[statement.offset :].startswith(statement.text), "no slice of the query"
            assert statement.offset >= end, "statements overlap"
            end = statement.offset + len(statement.text)
        assert 1 <= statement.line <= query.count("\n") + 1
        assert effect_of(statement, dialect).reason
        returns_rows(statement, dialect)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (files, templates, expressions, output_variables, sql)
}
