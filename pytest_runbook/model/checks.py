"""Checks files: what must hold of a runbook that another program owns, written in a file of one's own beside it.

No check falls off in silence: a key that finds no block, or more than one, is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import FileError, Place
from .catalog import BlockCatalog
from .common_keys import (
    FILE_KEYS,
    RULES,
    SCOPE,
    block_rules,
    check_if_started,
    file_fields,
    items_called,
    unknown_block_key,
)
from .flow_keys import check_required
from .runbook import Runbook
from .section import Reader, Section, describe, near, show
from .source import Source, read_source
from .tree import LocatedDict

SUFFIXES = (".checks.yaml", ".checks.yml")
CHECKS_KEYS: Mapping[str, Reader] = {key: FILE_KEYS[key] for key in FILE_KEYS if key not in ("version", "name")}
ENTRY_KEYS = ("id", *RULES)
_OWNER_SUFFIXES = (".atrb", ".json")
_PLAIN_SUFFIXES = (".runbook.yaml", ".runbook.yml", ".runbook.json", ".yaml", ".yml")
_NUMBERED = re.compile(r"(.*)#(\d+)", re.DOTALL)
_LISTED = 5


def is_checks_file(path: Path) -> bool:
    """True for a file that says what must hold of the runbook beside it, and is no runbook itself."""
    return path.name.endswith(SUFFIXES)


def orphan_checks(path: Path, *, shown: str | None = None) -> FileError | None:
    """What is wrong with a checks file that has no runbook beside it; None if it has one."""
    stem = path.name.removesuffix(".yaml").removesuffix(".yml").removesuffix(".checks")
    owners = [path.with_name(stem + suffix) for suffix in (*_OWNER_SUFFIXES, *_PLAIN_SUFFIXES)]
    if any(owner.exists() for owner in owners):
        return None
    there = sorted(item.name for item in path.parent.iterdir() if item.suffix in _OWNER_SUFFIXES)
    message = f"checks for a runbook that is not there: {' or '.join(owner.name for owner in owners[:2])}"
    return FileError(message, place=Place(shown or str(path)), hint=near(owners[0].name, there))


def find_checks(path: Path) -> list[Path]:
    """The checks files of a runbook, which should be one at most."""
    return [checks for suffix in SUFFIXES if (checks := path.with_name(path.stem + suffix)).exists()]


def refuse_checks(path: Path, source: Source) -> None:
    """Note a fault for each checks file beside a plain runbook, unless another runbook is its owner."""
    stem = re.sub(r"(\.runbook)?\.\w+$", "", path.name)
    stems = {path.stem, stem}
    if any(path.with_name(stem + suffix).exists() for suffix in _OWNER_SUFFIXES if stem + suffix != path.name):
        stems.discard(stem)
    for checks in (checks for name in sorted(stems) for checks in find_checks(path.with_name(f"{name}.any"))):
        message = "checks files are for runbooks that another program owns"
        hint = f"write its keys into {path.name} itself"
        source.faults.append(FileError(message, place=_beside(source.place, checks), hint=hint))


def with_checks(runbook: Runbook, path: Path, catalog: BlockCatalog) -> Runbook:
    """The runbook with what its checks file says, if it has one.

    :raises UnreadableFile: with every fault of the checks file.
    """
    found = find_checks(path)
    if not found:
        return runbook
    place = _beside(runbook.place, found[0])
    source, tree = read_source(found[0], place)
    if len(found) > 1:
        source.fault(f"{found[1].name} is there, too", hint="keep one of them")
    merged = _merged(runbook, source, tree, catalog)
    source.raise_faults()
    return merged


def _beside(place: Place, path: Path) -> Place:
    """How a file in the same folder is shown."""
    return Place(str(Path(place.path).with_name(path.name)))


def _merged(runbook: Runbook, source: Source, tree: object, catalog: BlockCatalog) -> Runbook:
    if not isinstance(tree, LocatedDict):
        source.fault(f"a checks file must be a mapping, not {describe(tree)}", line=1)
        return runbook
    section = Section(tree, source)
    fields = file_fields(section, CHECKS_KEYS, ("blocks",))
    fields["checks_vars"] = fields.pop("vars", ())
    checks = _Checks(runbook, source, catalog)
    entries = section.mapping("blocks") if "blocks" in tree else None
    if entries is not None:
        for key in entries.values:
            checks.merge(entries, key)
    check_required(section, fields.get("require", ()), items_called(checks.specs, catalog))  # type: ignore[arg-type]  # its reader gives them
    return replace(
        runbook,
        blocks=tuple(checks.specs),
        notes=(*runbook.notes, *checks.notes),
        checks=source.place,
        **fields,  # type: ignore[arg-type]  # each reader gives what its field holds
    )


class _Checks:
    """Merges the entries of ``blocks`` into the blocks that they speak of."""

    def __init__(self, runbook: Runbook, source: Source, catalog: BlockCatalog) -> None:
        self.specs = list(runbook.blocks)
        self.notes: list[str] = []
        self._source = source
        self._catalog = catalog
        self._by_id = {spec.id: index for index, spec in enumerate(self.specs)}
        self._by_name: dict[str, list[int]] = {}
        for index, spec in enumerate(self.specs):
            if spec.name:
                self._by_name.setdefault(spec.name, []).append(index)
        self._called = {**self._by_name, **self._by_id}.keys()

    def merge(self, entries: Section, key: str) -> None:
        """Read an entry and put it on its block."""
        value = entries.values[key]
        if not isinstance(value, LocatedDict):
            entries.wrong(key, "a mapping of keys such as assert")
            return
        section = Section(value, self._source, f'block "{show(key)}"')
        index = self._find(entries, section, key)
        if index is None:
            return
        spec = self.specs[index]
        line = entries.values.key_line(key)
        if spec.checks_place is not None:
            entries.fault(key, f'"{show(key)}" is the block that line {spec.checks_place.line} speaks of already')
        rules = block_rules(section, self._catalog.atuin(spec.type), self._keys(section))
        if rules.is_cleanup:
            check_if_started(section, rules, self._called)
        rules = replace(rules, skip=spec.rules.skip or rules.skip)
        self.specs[index] = replace(spec, rules=rules, checks_place=self._source.place.at(line))

    def _keys(self, section: Section) -> list[str]:
        keys = []
        for key in section.values:
            if key in RULES:
                keys.append(key)
            elif key in SCOPE:
                section.fault(key, f"`{key}` is not supported yet in a checks file")
            elif key != "id":
                unknown_block_key(section, key, ENTRY_KEYS)
        return keys

    def _find(self, entries: Section, section: Section, key: str) -> int | None:
        """The index of the block that an entry speaks of; None and a fault if that is not exactly one."""
        if "id" in section.values:
            return self._find_by_id(section, key)
        if key in self._by_id:
            return self._by_id[key]
        named = self._by_name.get(key, [])
        if len(named) == 1:
            return named[0]
        if named:
            self._ambiguous(entries, key, named)
        else:
            self._missing(entries, key)
        return None

    def _find_by_id(self, section: Section, key: str) -> int | None:
        block_id = section.written("id")
        if block_id is None:
            return None
        index = self._by_id.get(block_id)
        if index is None:
            section.fault("id", f'no block has the id "{show(block_id)}"', near(block_id, self._by_id))
            return None
        name = self.specs[index].name
        numbered = _NUMBERED.fullmatch(key)
        if name and name not in (key, numbered[1] if numbered else key) and key != block_id:
            place = self._source.place.at(section.values.key_line("id"))
            self.notes.append(f'{place}: block "{show(key)}" is renamed: it is called "{show(name)}" now')
        return index

    def _ambiguous(self, entries: Section, key: str, named: list[int]) -> None:
        places = ", ".join(str(self.specs[index].place) for index in named[:_LISTED])
        hint = f'say which: "{show(key)}#{len(named)}": {{id: {show(self.specs[named[-1]].id)}}}'
        entries.fault(key, f'{len(named)} blocks are called "{show(key)}": {places}', hint)

    def _missing(self, entries: Section, key: str) -> None:
        numbered = _NUMBERED.fullmatch(key)
        named = self._by_name.get(numbered[1], []) if numbered else []
        if numbered and 0 < int(numbered[2][:9]) <= len(named):
            block_id = self.specs[named[int(numbered[2][:9]) - 1]].id
            hint = f'"{show(key)}": {{id: {show(block_id)}}}'
            entries.fault(key, f'"{show(key)}" needs an id: numbers change when blocks are added', hint)
            return
        named_some = ", ".join(show(name) for name in list(self._called)[:_LISTED])
        hint = near(key, self._called) or (f"its blocks: {named_some}" if named_some else "it has no blocks")
        entries.fault(key, f'no block is called "{show(key)}"', hint)
