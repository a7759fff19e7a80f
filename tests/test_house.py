"""How the code is kept: one meaning for each name, the field's words, rooms of a size that can be seen at a glance."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_runbook"
MODULES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in MODULES}

BANNED = re.compile(
    "conceal|concealed|concealing|give|gives|giver|given|hand|handed|hear|heard|hears|hurry|let_go|mend|mended|redact|"
    "redacted|redactor|said|say|says|somebody|spoilt|tell|tells|told|whoever|whose"
)
"""Words of a private language; names use those of the field: report, warn, mask, provide, detail, tighten, broken."""

SHARED_FILE_NAMES = frozenset({"__init__", "channel", "errors", "options", "plan", "pool", "session"})
"""Names of files that stand in several rooms: the room says of what."""

MOST_LINES = 600
MOST_MODULES = 20
BLOCK_TYPES = PACKAGE / "blocks"


def names_in(tree: ast.AST) -> Iterator[str]:
    """The names that a module defines: of classes, functions, parameters, attributes and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.arg(arg=name):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def is_banned(name: str) -> bool:
    """True if one of the words in a name is banned: ``let_go`` in ``let_go_at_end``, ``told`` in ``ToldOnce``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return re.search(rf"(?<![a-z])(?:{BANNED.pattern})(?![a-z])", words) is not None


def test_banned_words_are_found_within_names() -> None:
    assert [name for name in ("let_go_at_end", "ToldOnce", "_said", "handle", "saying") if is_banned(name)] == [
        "let_go_at_end", "ToldOnce", "_said",
    ]  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_names_are_words_of_the_field(path: Path) -> None:
    assert sorted(filter(is_banned, {path.stem, *names_in(TREES[path])})) == []


def test_a_public_name_has_one_home() -> None:
    homes = defaultdict[str, list[str]](list)
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                homes[node.name].append(str(path.relative_to(PACKAGE)))

    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def test_a_file_name_stands_twice_only_where_its_room_shows_of_what() -> None:
    names = Counter(path.stem for path in MODULES)

    assert {name for name, number in names.items() if number > 1} <= SHARED_FILE_NAMES


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in MODULES}

    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_room_is_crowded() -> None:
    rooms = Counter(path.parent for path in MODULES if path.stem != "__init__" and path.parent != BLOCK_TYPES)

    assert {str(room.relative_to(PACKAGE)): number for room, number in rooms.items() if number > MOST_MODULES} == {}


def own_package_names(path: Path) -> Iterator[str]:
    """The names, modules apart, that a module imports from a package that it lies in."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and node.level and node.module is None:
            package = path.parents[node.level - 1]
            yield from (
                alias.name
                for alias in node.names
                if not (package / f"{alias.name}.py").exists() and not (package / alias.name).is_dir()
            )


def test_no_module_imports_from_the_package_that_it_lies_in() -> None:
    """The import contract does not see such a circle."""
    assert {str(path.relative_to(PACKAGE)): names for path in MODULES if (names := list(own_package_names(path)))} == {}


def test_every_floor_has_a_folder_of_tests() -> None:
    floors = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    rooms = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}

    assert floors - rooms == set()
