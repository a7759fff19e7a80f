"""Loads checks files: the assertions and other keys for a runbook that another program writes, in a file beside it.

No check is dropped silently: a key that matches no block, or more than one, is an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from ...errors import FileError, Location, UnreadableFile
from ..catalog import BlockCatalog
from ..keys.defaults import Defaults
from ..keys.flow import check_required
from ..keys.key_table import keys_in
from ..keys.reading import (
    add_unknown_block_key,
    block_fields,
    block_rules,
    check_if_started,
    file_fields,
    item_names,
    take_defaults,
)
from ..runbook import BlockSpec, Runbook, display_type
from ..source.located import LocatedDict, LocatedList
from ..source.mapping_reader import MappingReader, describe_type, did_you_mean, did_you_mean_or_known, excerpt
from ..source.source_file import SourceFile, read_source

CHECKS_SUFFIXES = (".checks.yaml", ".checks.yml")
_TARGET_SUFFIXES = (".atrb", ".json")
_MISNAMED = (".checks.json", ".check.yaml", ".check.yml")
_PLAIN_SUFFIXES = (".runbook.yaml", ".runbook.yml", ".runbook.json", ".runbook.md", ".yaml", ".yml")
NUMBERED = re.compile(r"(.*)#(\d+)", re.DOTALL)
_TYPE_AND_NUMBER = re.compile(r"(\S+)[ #](\d{1,9})")
_DIGEST = re.compile(r"[0-9a-f]{12,64}")
_RUNBOOK_KEY_HINT = "- runbook: NAME.atrb"
_MAX_LISTED = 5


def block_digest(spec: BlockSpec) -> str:
    """Return the SHA-256 of the props of a block, its name left out."""
    props = {name: value for name, value in spec.props.items() if name != "name"}
    return hashlib.sha256(json.dumps(props, sort_keys=True, default=str).encode()).hexdigest()


def is_checks_file(path: Path) -> bool:
    """Return True for the name of a checks file."""
    return path.name.endswith(CHECKS_SUFFIXES)


def orphan_checks(path: Path, *, display_path: str | None = None) -> FileError | None:
    """Return the error of a checks file without a runbook beside it; None if it has one."""
    names = runbooks_of(path)
    if names is not None:
        return _missing_target(path, names, display_path)
    stem = path.name.removesuffix(".yaml").removesuffix(".yml").removesuffix(".checks")
    targets = [path.with_name(stem + suffix) for suffix in (*_TARGET_SUFFIXES, *_PLAIN_SUFFIXES)]
    if any(target.exists() for target in targets):
        return None
    location = Location(display_path or str(path))
    try:
        read_source(path, location)
    except UnreadableFile as error:
        return error.errors[0]
    message = f"checks for a runbook that is not there: {' or '.join(target.name for target in targets[:2])}"
    return FileError(message, location=location, hint=_target_hint(path, targets[0].name))


def _missing_target(path: Path, names: Sequence[str], display_path: str | None) -> FileError | None:
    """Return the error of a checks file that names a runbook which is not beside it; None if all are."""
    missing = next(_missing_runbooks(path, names), None)
    if missing is None:
        return None
    message = f"checks for a runbook that is not there: {excerpt(missing)}"
    return FileError(message, location=Location(display_path or str(path)), hint=_target_hint(path, missing))


def _missing_runbooks(file: Path, names: Iterable[str]) -> Iterator[str]:
    """Return the names of which there is no file beside the checks file."""
    return (name for name in names if Path(name).name != name or not (file.parent / name).is_file())


def _target_hint(file: Path, name: str) -> str:
    there = sorted(item.name for item in file.parent.iterdir() if item.suffix in _TARGET_SUFFIXES)
    return did_you_mean(name, there) or "`runbook: NAME.atrb` names the runbook of a checks file"


def find_checks(path: Path) -> list[Path]:
    """Return the checks files of a runbook, named like it or naming it with `runbook`. More than one is an error."""
    found = dict.fromkeys(
        (*(path.with_name(path.stem + suffix) for suffix in CHECKS_SUFFIXES), *_checks_in(path.parent))
    )
    return [file for file in found if file.is_file() and _is_for(file, path)]


def _checks_in(folder: Path) -> tuple[Path, ...]:
    try:
        return _checks_files(folder, folder.stat().st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=1024)
def _checks_files(folder: Path, changed: int) -> tuple[Path, ...]:
    """Return the checks files of a folder. It may hold a thousand runbooks, so that they are listed once.

    changed: the folder's time of modification, a part of the key of the cache.
    """
    return tuple(sorted(file for suffix in CHECKS_SUFFIXES for file in folder.glob(f"*{suffix}")))


def _is_for(file: Path, path: Path) -> bool:
    """Return True if a checks file belongs to a runbook: it names the runbook, or is named like it and names none.

    A checks file with an error counts for every runbook that it may mean, so that its error is reported.
    """
    names, unreadable = _known_targets(file)
    is_named_like = file.name in (path.stem + suffix for suffix in CHECKS_SUFFIXES)
    if names is None:
        return is_named_like or path.name in unreadable
    return path.name in names or (is_named_like and any(_missing_runbooks(file, names)))


def runbooks_of(file: Path) -> tuple[str, ...] | None:
    """Return the runbooks that a checks file names itself; None if it is for the one that it is named like."""
    return _known_targets(file)[0]


def _known_targets(file: Path) -> tuple[tuple[str, ...] | None, str]:
    """Return the runbooks that a checks file names (None: none), and its text if it can't be parsed."""
    try:
        return _targets(file, file.stat().st_mtime_ns)
    except OSError:
        return None, ""


@lru_cache(maxsize=1024)
def _targets(file: Path, changed: int) -> tuple[tuple[str, ...] | None, str]:
    """Read what `_known_targets` returns.

    changed: the file's time of modification, a part of the key of the cache.
    """
    content = file.read_bytes()
    if b"runbook" not in content:
        return None, ""
    try:
        _, tree = read_source(file, Location(str(file)))
    except UnreadableFile:
        return None, content.decode(errors="replace")
    parts = tree if isinstance(tree, LocatedList) else [tree]
    return tuple(name for part in parts if isinstance(part, LocatedDict) for name in _names(part)) or None, ""


def _names(part: LocatedDict) -> list[str]:
    named = part.get("runbook")
    return [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]


def reject_checks_files(path: Path, source: SourceFile) -> None:
    """Add a fault for each checks file beside a plain runbook, unless it belongs to another runbook."""
    stem = re.sub(r"(\.runbook)?\.\w+$", "", path.name)
    stems = {path.stem, stem}
    if any(path.with_name(stem + suffix).exists() for suffix in _TARGET_SUFFIXES if stem + suffix != path.name):
        stems.discard(stem)
    named = [checks for name in sorted(stems) for checks in find_checks(path.with_name(f"{name}.any"))]
    for checks in dict.fromkeys((*named, *(checks for checks in find_checks(path) if runbooks_of(checks)))):
        message = "checks files are for runbooks that another program owns"
        hint = f"write its keys into {path.name} itself"
        source.faults.append(FileError(message, location=_beside(source.location, checks), hint=hint))


def with_checks(runbook: Runbook, path: Path, catalog: BlockCatalog) -> Runbook:
    """Return the runbook with the keys of its checks file, if it has one.

    :raises UnreadableFile: with every fault of the checks file.
    """
    _reject_misnamed(runbook, path)
    found = find_checks(path)
    if not found:
        return runbook
    location = _beside(runbook.location, found[0])
    source, tree = read_source(found[0], location)
    if len(found) > 1:
        source.add_fault(f"{found[1].name} is there, too", hint="keep one of them")
    merged = _merged(runbook, source, tree, catalog)
    source.raise_faults()
    return merged


def _reject_misnamed(runbook: Runbook, path: Path) -> None:
    """Refuse a file beside the runbook that is meant to be its checks file, but has a name that is never read.

    :raises UnreadableFile: if there is one.
    """
    for suffix in _MISNAMED:
        if (file := path.with_name(path.stem + suffix)).is_file():
            hint = f"call it {path.stem}.checks.yaml; JSON is YAML, too"
            raise UnreadableFile(
                [FileError("nothing reads this file", location=_beside(runbook.location, file), hint=hint)]
            )


def entries_of(
    runbook: Runbook, path: Path, catalog: BlockCatalog
) -> Iterator[tuple[str, int, LocatedDict, BlockSpec]]:
    """Yield the entries of a checks file without faults: the key, its line, the entry and its block."""
    source, tree = read_source(path, Location(path.name))
    part = _part_for(runbook.path.name, source, tree)
    blocks = part.get("blocks") if isinstance(part, LocatedDict) else None
    if not isinstance(blocks, LocatedDict):
        return
    checks, entries = _ChecksMerger(runbook, source, catalog, Defaults()), MappingReader(blocks, source)
    for key, value in blocks.items():
        assert isinstance(value, LocatedDict)
        index = checks.find(entries, MappingReader(value, source), key)
        if index is not None:
            yield key, blocks.key_line(key), value, runbook.blocks[index]


def _beside(location: Location, path: Path) -> Location:
    """Return how reports show a file in the same folder."""
    return Location(str(Path(location.path).with_name(path.name)))


def _part_for(name: str, source: SourceFile, tree: object) -> object:
    """Return the part of a checks file for a runbook: of a list, the one that names it."""
    if not isinstance(tree, LocatedList):
        return tree
    for part, location in zip(tree, tree.locations, strict=True):
        if not isinstance(part, LocatedDict) or "runbook" not in part:
            source.add_fault(
                "a part of a list of checks must name its runbook",
                line=location.value_line,
                hint=_RUNBOOK_KEY_HINT,
            )
    parts = [part for part in tree if isinstance(part, LocatedDict) and name in _names(part)]
    for part in parts[1:]:
        source.add_fault(f"{excerpt(name)} has a part above already", line=part.line)
    if not parts:
        source.add_fault(f"no part of it is for {excerpt(name)}", line=1, hint=_RUNBOOK_KEY_HINT)
    return parts[0] if parts else LocatedDict(tree.line)


def _merged(runbook: Runbook, source: SourceFile, tree: object, catalog: BlockCatalog) -> Runbook:
    tree = _part_for(runbook.path.name, source, tree)
    if not isinstance(tree, LocatedDict):
        source.add_fault(f"a checks file must be a mapping, not {describe_type(tree)}", line=1)
        return runbook
    reader = MappingReader(tree, source)
    fields = file_fields(reader, "checks")
    _check_target(reader, runbook.path, fields.pop("runbook", (runbook.path.name,)))  # type: ignore[arg-type]  # names
    entries = fields.pop("blocks", None)
    checks = _ChecksMerger(runbook, source, catalog, take_defaults(fields))
    if isinstance(entries, MappingReader):
        for key in entries.values:
            checks.merge(entries, key)
    check_required(reader, fields.get("require", ()), item_names(checks.specs, catalog))  # type: ignore[arg-type]  # its reader gives them
    return replace(
        runbook,
        blocks=tuple(checks.specs),
        load_warnings=(*runbook.load_warnings, *checks.warnings),
        checks_location=source.location,
        **fields,  # type: ignore[arg-type]  # each reader gives what its field holds
    )


def _check_target(reader: MappingReader, path: Path, names: Sequence[str]) -> None:
    """Add a fault for each runbook that a checks file names and that does not exist, unless it also names this one."""
    for name in _missing_runbooks(path, names if path.name not in names else ()):
        reader.add_fault("runbook", f"there is no runbook {excerpt(name)}", _target_hint(path, name))


class _ChecksMerger:
    """Merges the entries of ``blocks`` into their blocks."""

    def __init__(self, runbook: Runbook, source: SourceFile, catalog: BlockCatalog, defaults: Defaults) -> None:
        self.specs = [self._with_defaults(defaults, spec, catalog) for spec in runbook.blocks]
        self.warnings: list[str] = []
        self._runbook_blocks = runbook.blocks
        self._source = source
        self._catalog = catalog
        self._by_id = {spec.id: index for index, spec in enumerate(self.specs)}
        self._by_name: dict[str, list[int]] = {}
        for index, spec in enumerate(self.specs):
            if spec.name:
                self._by_name.setdefault(spec.name, []).append(index)
        self._names_and_ids = {**self._by_name, **self._by_id}.keys()
        self._items = item_names(self.specs, catalog)

    @staticmethod
    def _with_defaults(defaults: Defaults, spec: BlockSpec, catalog: BlockCatalog) -> BlockSpec:
        rules = replace(defaults.rules_of(catalog.atuin_type(spec.type)), skip=spec.rules.skip)
        return defaults.apply(replace(spec, rules=rules))

    def merge(self, entries: MappingReader, key: str) -> None:
        """Read an entry and merge it into its block."""
        value = entries.values[key]
        if not isinstance(value, LocatedDict):
            entries.add_wrong_value(key, "a mapping of keys such as assert")
            return
        reader = MappingReader(value, self._source, f'block "{excerpt(key)}"')
        index = self.find(entries, reader, key)
        if index is None:
            return
        spec = self.specs[index]
        line = entries.values.key_line(key)
        if spec.checks_location is not None:
            entries.add_fault(
                key, f'"{excerpt(key)}" is the block that line {spec.checks_location.line} is about already'
            )
        fields = block_fields(reader, self._catalog.atuin_type(spec.type), "entry", self._keys(reader))
        _, code, connection = (fields.pop(name, None) for name in ("id", "code", "connection"))
        if isinstance(code, str):
            self._check_code(reader, code, self._runbook_blocks[index])
        if connection is not None:
            spec = self._with_connection(reader, connection, spec)
        rules = block_rules(reader, fields, spec.rules)
        if rules.is_cleanup:
            check_if_started(reader, rules, self._items)
        rules = replace(rules, skip=spec.rules.skip or rules.skip)
        self.specs[index] = replace(spec, rules=rules, checks_location=self._source.location.at(line))

    def _keys(self, reader: MappingReader) -> list[str]:
        keys = []
        for key in reader.values:
            if key in keys_in("entry"):
                keys.append(key)
            elif self._catalog.plain_type(key):
                hint = "a checks file holds assertions about a block, not its work"
                reader.add_fault(key, f"{key} can't be set for a block of another program", hint)
            else:
                add_unknown_block_key(reader, key, "entry")
        return keys

    def _with_connection(self, reader: MappingReader, connection: object, spec: BlockSpec) -> BlockSpec:
        """Return the block with the name of a connection in place of its own URI."""
        if "connection" not in spec.props:
            reader.add_fault("connection", f"{spec.type} blocks have no connection", "blocks that run SQL have")
            return spec
        return replace(spec, props={**spec.props, "connection": connection})

    def _check_code(self, reader: MappingReader, code: str, spec: BlockSpec) -> None:
        """Add a warning if a block has changed since its check was written."""
        digits = code.removeprefix("sha256:")
        if not _DIGEST.fullmatch(digits):
            hint = f"code: sha256:{block_digest(spec)} is that of the block as it is"
            reader.add_fault("code", f'code "{excerpt(code)}" is no SHA-256', hint)
        elif not block_digest(spec).startswith(digits):
            location = self._source.location.at(reader.values.key_line("code"))
            now = f"see whether the check still fits; then write code: sha256:{block_digest(spec)[: len(digits)]}"
            self.warnings.append(
                f"{location}: {spec.label} has changed since its check was written ({spec.location}): {now}"
            )

    def find(self, entries: MappingReader, reader: MappingReader, key: str) -> int | None:
        """Return the index of the block of an entry; None, and a fault, unless exactly one matches."""
        if "id" in reader.values:
            return self._find_by_id(reader, key)
        if key in self._by_id:
            return self._by_id[key]
        named = self._by_name.get(key, [])
        if len(named) == 1:
            return named[0]
        if named:
            self._add_ambiguous(entries, key, named)
        else:
            self._add_not_found(entries, key)
        return None

    def _find_by_id(self, reader: MappingReader, key: str) -> int | None:
        block_id = reader.scalar_text("id")
        if block_id is None:
            return None
        index = self._by_id.get(block_id)
        if index is None:
            reader.add_fault("id", f'no block has the id "{excerpt(block_id)}"', self._id_hint(key, block_id))
            return None
        name = self.specs[index].name
        numbered = NUMBERED.fullmatch(key)
        if name and name not in (key, numbered[1] if numbered else key) and key != block_id:
            location = self._source.location.at(reader.values.key_line("id"))
            self.warnings.append(f'{location}: block "{excerpt(key)}" is renamed: it is called "{excerpt(name)}" now')
        return index

    def _id_hint(self, key: str, block_id: str) -> str:
        """Return a hint with the id of the one block with the name of the entry; else with the nearest id."""
        named = self._by_name.get(key, [])
        if len(named) == 1:
            return f'"{excerpt(key)}" has the id {excerpt(self.specs[named[0]].id)}'
        return did_you_mean_or_known(block_id, self._by_id)

    def _add_ambiguous(self, entries: MappingReader, key: str, named: list[int]) -> None:
        places = ", ".join(str(self.specs[index].location) for index in named[:_MAX_LISTED])
        hint = f'name one: "{excerpt(key)}#{len(named)}": {{id: {excerpt(self.specs[named[-1]].id)}}}'
        entries.add_fault(key, f'{len(named)} blocks are called "{excerpt(key)}": {places}', hint)

    def _find_by_number(self, key: str) -> BlockSpec | None:
        """Return the block that reports call ``script 3``, its type with its number among those of the type."""
        match = _TYPE_AND_NUMBER.fullmatch(key)
        if match is None:
            return None
        of_type = [spec for spec in self.specs if display_type(spec.type) == match[1]]
        return next(islice(of_type, int(match[2]) - 1, None), None) if int(match[2]) else None

    def _add_not_found(self, entries: MappingReader, key: str) -> None:
        numbered = NUMBERED.fullmatch(key)
        named = self._by_name.get(numbered[1], []) if numbered else []
        if numbered and 0 < int(numbered[2][:9]) <= len(named):
            block_id = self.specs[named[int(numbered[2][:9]) - 1]].id
            hint = f'"{excerpt(key)}": {{id: {excerpt(block_id)}}}'
            entries.add_fault(key, f'"{excerpt(key)}" needs an id: numbers change when blocks are added', hint)
            return
        if (spec := self._find_by_number(key)) is not None:
            hint = (
                f'it is called "{excerpt(spec.name)}"'
                if spec.name
                else f'name one: "{excerpt(key)}": {{id: {spec.id}}}'
            )
            entries.add_fault(key, f'no block is called "{excerpt(key)}"', hint)
            return
        entries.add_fault(key, f'no block is called "{excerpt(key)}"', did_you_mean_or_known(key, self._names_and_ids))
