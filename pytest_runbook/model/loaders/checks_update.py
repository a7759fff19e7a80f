"""Updates names and ids in the text of a checks file after its runbook has changed.

The rest of the text stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..catalog import BlockCatalog
from ..runbook import BlockSpec, Runbook
from ..source.located import LocatedDict
from ..source.yaml_tree import resolve_scalar
from .checks import NUMBERED, entries_of, find_checks

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_PLAIN = re.compile(r"[A-Za-z0-9_](?:[\w ./-]*[\w.])?")


@dataclass(frozen=True, slots=True)
class ChecksUpdate:
    """The new text of a checks file.

    changes: the changes, one line each. manual_changes: those that the author has to make by hand.
    """

    path: Path
    text: str
    changes: tuple[str, ...]
    manual_changes: tuple[str, ...]


@dataclass(slots=True)
class _Entry:
    """An entry of ``blocks``: its key, the line of the key, its values and its block."""

    key: str
    line: int
    values: LocatedDict
    spec: BlockSpec


def updated_checks(runbook: Runbook, catalog: BlockCatalog) -> ChecksUpdate | None:
    """Return the checks file of a runbook with the current names and ids of its blocks; None if there is none."""
    found = find_checks(runbook.path)
    if not found:
        return None
    text = found[0].read_bytes().decode("utf-8-sig")
    entries = [_Entry(key, line, values, spec) for key, line, values, spec in entries_of(runbook, found[0], catalog)]
    lines = _LINE.findall(text)
    changes: list[str] = []
    manual_changes: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry.line, reverse=True):
        for what, was_done in _edit(lines, entry):
            (changes if was_done else manual_changes).append(f"{entry.line}: {what}")
    return ChecksUpdate(found[0], "".join(lines), tuple(reversed(changes)), tuple(reversed(manual_changes)))


def _edit(lines: list[str], entry: _Entry) -> Iterator[tuple[str, bool]]:
    """Edit the lines of one entry. Yield each change, and True if it could be made."""
    if "id" not in entry.values and entry.key != entry.spec.id:
        yield f'id of "{entry.key}"', _insert_id(lines, entry)
    name = _new_name(entry)
    if name != entry.key:
        yield f'"{entry.key}" is "{name}" now', _rename(lines, entry, name)


def _new_name(entry: _Entry) -> str:
    """Return the key that an entry should have; a number after the name is kept."""
    numbered = NUMBERED.fullmatch(entry.key)
    if not entry.spec.name or entry.key in (entry.spec.id, entry.spec.name):
        return entry.key
    return f"{entry.spec.name}#{numbered[2]}" if numbered else entry.spec.name


def _insert_id(lines: list[str], entry: _Entry) -> bool:
    key = _key_in(lines[entry.line - 1], entry.key)
    if key is None:
        return False
    line, written = lines[entry.line - 1], f"id: {as_yaml(entry.spec.id)}"
    rest = line[key.end() :]
    if rest.lstrip().startswith("{"):
        at = key.end() + rest.index("{") + 1
        lines[entry.line - 1] = f"{line[:at]}{written}{', ' if entry.values else ''}{line[at:]}"
        return True
    first = next(iter(entry.values.locations.values()), None)
    if first is None or first.key_line <= entry.line or rest.split("#")[0].strip():
        return False
    child = lines[first.key_line - 1]
    lines.insert(first.key_line - 1, child[: len(child) - len(child.lstrip())] + written + _line_end(line))
    return True


def _rename(lines: list[str], entry: _Entry, name: str) -> bool:
    line = lines[entry.line - 1]
    key = _key_in(line, entry.key)
    if key is not None:
        lines[entry.line - 1] = f"{line[: key.start('key')]}{as_yaml(name)}{line[key.end('key') :]}"
    return key is not None


def _key_in(line: str, key: str) -> re.Match[str] | None:
    """Return where a key stands in a line; None if that is ambiguous."""
    spellings = "|".join(map(re.escape, (key, json.dumps(key, ensure_ascii=False), "'" + key.replace("'", "''") + "'")))
    found = list(re.finditer(rf"(?<![^\s{{,])(?P<key>{spellings})\s*:(?=\s|$)", line))
    return found[0] if len(found) == 1 else None


def _line_end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :] or "\n"


def as_yaml(text: str) -> str:
    """Return a text as YAML that is read as the same text, in quotes if it needs them."""
    return text if _PLAIN.fullmatch(text) and resolve_scalar(text) is text else json.dumps(text, ensure_ascii=False)
