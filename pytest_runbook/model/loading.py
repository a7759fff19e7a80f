"""From a path to a `Runbook`, in any form that a file may have, with the checks file beside it."""

from __future__ import annotations

from pathlib import Path

from ..errors import Location, UnreadableFile
from .block_types import default_catalog
from .catalog import BlockCatalog
from .loaders.atuin import UnknownBlocks
from .loaders.file_forms import LoadOptions, open_file
from .runbook import Runbook
from .source.located import LocatedDict, to_builtins
from .source.source_file import read_source


def load_runbook(
    path: Path,
    *,
    display_path: str | None = None,
    catalog: BlockCatalog | None = None,
    unknown_blocks: UnknownBlocks = "error",
) -> Runbook:
    """Load the runbook of a file, with its checks.

    display_path: the path as reports show it; None: the path itself.
    catalog: the block types; None: those of this package.
    unknown_blocks: what becomes of blocks in Atuin documents of an unknown type: the file can't be read (``error``), or
        they are skipped with that reason (``skip``).

    :raises UnreadableFile: with every fault that was found.
    """
    loader, file = open_file(path, Location(display_path or str(path)))
    return loader.load(file, LoadOptions(catalog or default_catalog(), unknown_blocks))


def read_tree(path: Path, location: Location) -> object:
    """Return the value that holds the keys of a file; of a Markdown document, its front matter.

    :raises UnreadableFile: if it can't be read.
    """
    loader, file = open_file(path, location)
    return loader.keys(file)


def load_values(path: Path, *, display_path: str | None = None) -> dict[str, object]:
    """Return the names and typed values of a YAML or JSON file.

    :raises UnreadableFile: if the file can't be read or holds no mapping.
    """
    source, tree = read_source(path, Location(display_path or str(path)))
    if not isinstance(tree, LocatedDict):
        source.add_fault("the file holds no mapping", line=1, hint="write NAME: value, one a line")
    source.raise_faults()
    assert isinstance(tree, LocatedDict)
    return {name: to_builtins(value) for name, value in tree.items()}


def looks_like_runbook(path: Path) -> bool:
    """Return True unless the file can be read and is clearly something else than a runbook."""
    try:
        loader, file = open_file(path, Location(str(path)))
    except UnreadableFile:
        return True
    return loader.is_runbook(file)
