"""The forms of runbook files, in one table. A new form is one row, with its loader in a module beside this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...errors import Location
from ..catalog import BlockCatalog
from ..runbook import Runbook
from ..source.located import LocatedDict, split_lines
from ..source.source_file import SourceFile, read_source, read_text
from .atuin import UnknownBlocks, read_atuin
from .checks import reject_checks_files, with_checks
from .markdown import front_matter, holds_blocks, read_markdown
from .plain import read_plain


class LoadOptions(NamedTuple):
    """catalog: the block types. unknown_blocks: what becomes of Atuin blocks of a type that is not in it."""

    catalog: BlockCatalog
    unknown_blocks: UnknownBlocks


class OpenFile(NamedTuple):
    """A file that was opened. tree: its value; None for text that is neither YAML nor JSON."""

    path: Path
    source: SourceFile
    tree: object


class Loader(NamedTuple):
    """One form of runbook files.

    has_name: True for the name of a file of this form. fits: True for the value of a file whose name fits no form.
    open: opens and parses a file. load: makes the runbook of it.
    keys: returns the value that holds the keys of the file. is_runbook: False for a file that is clearly none.
    `open`, `load` and `keys` raise `UnreadableFile`.
    """

    has_name: Callable[[Path], bool]
    fits: Callable[[object], bool]
    open: Callable[[Path, Location], OpenFile]
    load: Callable[[OpenFile, LoadOptions], Runbook]
    keys: Callable[[OpenFile], object]
    is_runbook: Callable[[OpenFile], bool]


def _open_tree(path: Path, location: Location) -> OpenFile:
    return OpenFile(path, *read_source(path, location))


def _open_text(path: Path, location: Location) -> OpenFile:
    return OpenFile(path, read_text(path, location), None)


def _load_markdown(file: OpenFile, options: LoadOptions) -> Runbook:
    reject_checks_files(file.path, file.source)
    return read_markdown(file.path.absolute(), file.source, options.catalog)


def _load_plain(file: OpenFile, options: LoadOptions) -> Runbook:
    reject_checks_files(file.path, file.source)
    return read_plain(file.path.absolute(), file.source, file.tree, options.catalog)


def _load_atuin(file: OpenFile, options: LoadOptions) -> Runbook:
    runbook = read_atuin(file.path.absolute(), file.source, file.tree, options.catalog, options.unknown_blocks)
    return with_checks(runbook, file.path, options.catalog)


def _holds_blocks(file: OpenFile) -> bool:
    if isinstance(file.tree, LocatedDict):
        return bool({"blocks", "content"} & file.tree.keys())
    return isinstance(file.tree, list) and all(isinstance(node, LocatedDict) and "type" in node for node in file.tree)


MARKDOWN = Loader(
    has_name=lambda path: path.suffix == ".md",
    fits=lambda tree: False,
    open=_open_text,
    load=_load_markdown,
    keys=lambda file: front_matter(file.source, split_lines(file.source.text)),
    is_runbook=lambda file: holds_blocks(file.source.text),
)
ATUIN = Loader(
    has_name=lambda path: path.suffix == ".atrb",
    fits=lambda tree: not isinstance(tree, LocatedDict) or "content" in tree,
    open=_open_tree,
    load=_load_atuin,
    keys=lambda file: file.tree,
    is_runbook=_holds_blocks,
)
PLAIN = Loader(
    has_name=lambda path: ".runbook." in path.name,
    fits=lambda tree: isinstance(tree, LocatedDict) and "content" not in tree,
    open=_open_tree,
    load=_load_plain,
    keys=lambda file: file.tree,
    is_runbook=_holds_blocks,
)
# The first that has the name is taken: x.runbook.md is Markdown.
LOADERS = (MARKDOWN, ATUIN, PLAIN)


def open_file(path: Path, location: Location) -> tuple[Loader, OpenFile]:
    """Open a file and find its loader: by its name, or by its value if the name fits no form.

    :raises UnreadableFile: if it can't be opened or parsed.
    """
    named = next((loader for loader in LOADERS if loader.has_name(path)), None)
    file = (named.open if named else _open_tree)(path, location)
    return named or next(loader for loader in LOADERS if loader.fits(file.tree)), file
