"""From a path to a `Runbook`: whichever form the file has, with the checks file beside it."""

from __future__ import annotations

from pathlib import Path

from ..errors import Location, UnreadableFile
from .block_types import default_catalog
from .catalog import BlockCatalog
from .loaders.atuin import UnknownBlocks, read_atuin
from .loaders.checks import reject_checks_files, with_checks
from .loaders.markdown import front_matter, holds_blocks, read_markdown
from .loaders.plain import read_plain
from .runbook import Form, Runbook
from .source.located import LocatedDict, split_lines, to_builtins
from .source.source_file import read_source, read_text


def load_runbook(
    path: Path,
    *,
    display_path: str | None = None,
    catalog: BlockCatalog | None = None,
    unknown_blocks: UnknownBlocks = "error",
) -> Runbook:
    """The runbook of a file, with its checks.

    display_path: how the path is shown to people; the path itself where that is None.
    catalog: the block types; those of this package where that is None.
    unknown_blocks: what becomes of blocks in Atuin documents whose type nobody knows: the file can't be read, or they
        are skipped, saying so.

    :raises UnreadableFile: with every fault that was found.
    """
    location = Location(display_path or str(path))
    catalog = catalog or default_catalog()
    if is_markdown(path):
        text = read_text(path, location)
        reject_checks_files(path, text)
        return read_markdown(path.absolute(), text, catalog)
    source, tree = read_source(path, location)
    if form_of(path, tree) is Form.PLAIN:
        reject_checks_files(path, source)
        return read_plain(path.absolute(), source, tree, catalog)
    return with_checks(read_atuin(path.absolute(), source, tree, catalog, unknown_blocks), path, catalog)


def is_markdown(path: Path) -> bool:
    """True for a document whose fenced code are blocks, by its name."""
    return path.suffix == ".md"


def read_tree(path: Path, location: Location) -> object:
    """The tree of a file; of a Markdown document, its front matter.

    :raises UnreadableFile: if it can't be read.
    """
    if not is_markdown(path):
        return read_source(path, location)[1]
    source = read_text(path, location)
    return front_matter(source, split_lines(source.text))


def form_of(path: Path, tree: object) -> Form:
    """The form of a file: by its name; by what is in it where the name does not say."""
    if path.suffix == ".atrb":
        return Form.ATUIN
    if ".runbook." in path.name:
        return Form.PLAIN
    return Form.PLAIN if isinstance(tree, LocatedDict) and "content" not in tree else Form.ATUIN


def load_values(path: Path, *, display_path: str | None = None) -> dict[str, object]:
    """Names and their values, typed, of a YAML or JSON file.

    :raises UnreadableFile: if the file can't be read or holds no mapping.
    """
    location = Location(display_path or str(path))
    source, tree = read_source(path, location)
    if not isinstance(tree, LocatedDict):
        source.add_fault("the file holds no mapping", line=1, hint="write NAME: value, one a line")
    source.raise_faults()
    assert isinstance(tree, LocatedDict)
    return {name: to_builtins(value) for name, value in tree.items()}


def looks_like_runbook(path: Path) -> bool:
    """True unless the file can be read and is clearly something else than a runbook."""
    try:
        if is_markdown(path):
            return holds_blocks(read_text(path, Location(str(path))).text)
        _, tree = read_source(path, Location(str(path)))
    except UnreadableFile:
        return True
    if isinstance(tree, LocatedDict):
        return bool({"blocks", "content"} & tree.keys())
    return isinstance(tree, list) and all(isinstance(node, LocatedDict) and "type" in node for node in tree)
