"""What fuzzing begins with: real files and texts, so that it need not find out what a runbook is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pytest_runbook.model.source.located import to_builtins
from pytest_runbook.model.source.yaml_tree import parse_yaml

from .targets import DIALECTS, FILES

TOP = Path(__file__).parents[2]
EXAMPLES = TOP / "example_runbooks"
STATEMENTS = (
    "select 1; select ';' -- ;\n; select $a$;$a$",
    "create trigger t after insert on a begin insert into b values (1); delete from c; end; select 2",
    "with gone as (delete from t returning *) select * from gone",
    "create procedure p() begin if 1 then select case when 1 then 2 end; end if; end; call p()",
    "insert into t values ('a;b', \"c;d\", `e;f`) /* ; */ ; copy t from stdin",
)
VARIABLES = (
    "a=1\nb=x=y\n\nlines<<END\n1\n 2\nEND\nlast=\n",
    "a<<E\r\nx\r\nE\r\n",
    "#a=b\nc<< D \n<<\nD",
    "=x",
    "é=ü\n",
)


def seeds(target: str) -> Iterator[bytes]:
    """Inputs for a target."""
    match target:
        case "files":
            yield from _files()
        case "templates":
            yield from (text.encode() for text in _texts() if "{" in text)
        case "expressions":
            yield from (text.encode() for text in _expressions())
        case "output_variables":
            yield from (text.encode() for text in VARIABLES)
        case "sql":
            for number in range(len(DIALECTS)):
                yield from (bytes([number]) + text.encode() for text in STATEMENTS)


def _files() -> Iterator[bytes]:
    for number, name in enumerate(FILES):
        for path in sorted(EXAMPLES.glob(f"*{name.removeprefix('a')}")):
            yield bytes([number]) + path.read_bytes()


def _texts() -> Iterator[str]:
    """Every text in the examples' files."""
    for path in sorted(EXAMPLES.glob("*.yaml")):
        yield from _texts_in(to_builtins(parse_yaml(path.read_text())))


def _texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts_in(inner)
        case list():
            for inner in value:
                yield from _texts_in(inner)


def _expressions() -> Iterator[str]:
    """Those that the documentation shows, and whatever else is in its code."""
    page = (TOP / "docs" / "expressions.md").read_text()
    yield from re.findall("`([^`\n]+)`", page)
    yield from (text for text in _texts() if re.search("[=<>]|output|var[.]", text))
