"""Loads plain runbooks: each block has one key that names its type, and further keys. Unknown keys are errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import Location
from ..catalog import BlockCatalog, BlockType, Prop
from ..keys.declarations import declared_env, declared_vars
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
from ..runbook import BlockRules, BlockSpec, Form, Node, Runbook, display_type
from ..source.located import LocatedDict, LocatedList
from ..source.mapping_reader import MappingReader, describe_type, excerpt
from ..source.source_file import SourceFile
from .props import plain_defaults, read_prop

# Type keys that hold names with values, one block for each, and the type of those blocks.
EXPANDED: Mapping[str, str] = {"vars": "var", "env": "env"}
BLOCK_LISTS = ("blocks", "finally")


def read_plain(path: Path, source: SourceFile, tree: object, catalog: BlockCatalog) -> Runbook:
    """Return the runbook of a plain file.

    :raises UnreadableFile: with every fault of the file.
    """
    if not isinstance(tree, LocatedDict):
        source.fail(f"a runbook must be a mapping with blocks, not {describe_type(tree)}", line=1)
    reader = MappingReader(tree, source)
    fields = file_fields(reader, "file")
    block_lists = {key: fields.pop(key, None) for key in BLOCK_LISTS}
    blocks = _BlockReader(source, catalog, take_defaults(fields))
    if "blocks" not in tree:
        is_atuin = "content" in tree
        hint = "an Atuin document is named NAME.atrb" if is_atuin else "for example: blocks: [{script: echo hello}]"
        source.add_fault("no blocks", line=tree.line, hint=hint)
    for key, items in block_lists.items():
        if isinstance(items, LocatedList):
            blocks.read(items, key)
    blocks.check_if_started()
    check_required(reader, fields.get("require", ()), item_names(blocks.specs, catalog))  # type: ignore[arg-type]  # its reader gives them
    source.raise_faults()
    fields.setdefault("name", re.sub(r"(\.runbook)?\.\w+$", "", path.name))
    return Runbook(
        path=path,
        location=source.location,
        form=Form.PLAIN,
        id=source.location.path,
        nodes=tuple(blocks.nodes),
        blocks=tuple(blocks.specs),
        **fields,  # type: ignore[arg-type]  # each reader gives what its field holds
    )


@dataclass(slots=True)
class _Block:
    """A block that is being read: its reader, its type and the values that are known so far."""

    reader: MappingReader
    type: BlockType
    id: str
    name: str
    props: dict[str, object]
    rules: BlockRules
    lines: dict[str, int] = field(default_factory=dict)


class _BlockReader:
    """Reads lists of blocks into nodes and specs."""

    def __init__(self, source: SourceFile, catalog: BlockCatalog, defaults: Defaults) -> None:
        self.nodes: list[Node] = []
        self.specs: list[BlockSpec] = []
        self._source = source
        self._catalog = catalog
        self._rules_of = defaults.rules_of
        self._ids: dict[str, Location] = {}
        self._cleanups: list[tuple[MappingReader, BlockRules]] = []
        self._defaults: dict[str, dict[str, object]] = {}

    def read(self, items: LocatedList, key: str) -> None:
        """Read the blocks of the file's key ``blocks`` or ``finally``."""
        prefix = "" if key == "blocks" else key
        for number, (item, location) in enumerate(zip(items, items.locations, strict=True), 1):
            self._read_block(item, location.value_line, f"{prefix}#{number}", in_finally=key == "finally")

    def _read_block(self, item: object, line: int, position: str, *, in_finally: bool) -> None:
        if not isinstance(item, LocatedDict):
            message = f"a block must be a mapping that names its type, not {describe_type(item)}"
            self._source.add_fault(
                message, line=line, block=f"block {position}", hint="for example: - script: echo hello"
            )
            return
        reader = MappingReader(item, self._source, _label(item, position))
        key = self._type_key(reader)
        if key is None:
            return
        block_type = self._catalog.plain_type(key)
        assert block_type is not None
        reader.label = f"{reader.label} ({display_type(block_type.name)})"
        fields = self._fields(reader, key, block_type)
        name, block_id = str(fields.pop("name", "")), str(fields.pop("id", "") or position)
        rules = self._rules(reader, fields, block_type, in_finally=in_finally)
        block = _Block(reader, block_type, block_id, name, {}, rules)
        block.lines = {entry: location.value_line for entry, location in item.locations.items()}
        if key in EXPANDED:
            self._add_each(block, key)
        else:
            self._read_props(block, key)
            self._add(block)

    def _type_key(self, reader: MappingReader) -> str | None:
        """Return the key that names the block's type; None, and a fault, unless there is exactly one."""
        named = [key for key in reader.values if self._catalog.plain_type(key)]
        found = [key for key in named if key not in keys_in("block")] or named
        if len(found) == 1:
            return found[0]
        if found:
            message = f"names {len(found)} block types: {', '.join(found)}"
            reader.add_fault(found[1], message, "one block does one thing: write two blocks")
        else:
            self._no_type(reader)
        return None

    def _no_type(self, reader: MappingReader) -> None:
        unknown_keys = [key for key in reader.values if key not in keys_in("block")]
        for key in unknown_keys:
            add_unknown_block_key(reader, key, "block", self._catalog.plain_names)
        if not unknown_keys:
            hint = f"one of: {', '.join(self._catalog.plain_names)}"
            self._source.add_fault("names no block type", line=reader.values.line, block=reader.label, hint=hint)

    def _fields(self, reader: MappingReader, type_key: str, block_type: BlockType) -> dict[str, object]:
        """Read the keys beside the one that names the type. Return their values by field."""
        names, known = [], keys_in("block")
        for key in reader.values:
            if key == type_key:
                continue
            if key in known:
                names.append(key)
            elif key in block_type.plain_props:
                hint = f"write {type_key}: {{{block_type.main or 'prop'}: ..., {key}: ...}}"
                reader.add_fault(key, f"{key} is a prop of {type_key} and belongs into its mapping", hint)
            else:
                add_unknown_block_key(reader, key, "block", block_type.plain_props)
        return block_fields(reader, block_type, "block", names)

    def _rules(
        self, reader: MappingReader, fields: dict[str, object], block_type: BlockType, *, in_finally: bool
    ) -> BlockRules:
        if in_finally:
            fields = {"is_cleanup": True, **fields}
        rules = block_rules(reader, fields, self._rules_of(block_type))
        if rules.if_started and rules.is_cleanup:
            self._cleanups.append((reader, rules))
        return rules

    def _read_props(self, block: _Block, key: str) -> None:
        value = block.reader.values[key]
        if isinstance(value, LocatedDict):
            self._read_mapping(block, key, MappingReader(value, block.reader.source, block.reader.label))
        elif value is not None and block.type.main is None:
            block.reader.add_wrong_value(key, "a mapping of props")
            return
        elif value is not None:
            self._read_main(block, key, block.type.plain_props[block.type.main or ""])
        elif block.type.main and not any(prop.plain_required for prop in block.type.props):
            block.reader.add_fault(key, f"{key} has no value", f"{key}: {{}} takes its defaults")
        self._merge_name(block)
        self._check_required(block, key)

    def _read_main(self, block: _Block, key: str, main: Prop) -> None:
        """Read a bare value as the type's main prop, or split it into several props."""
        value = read_prop(block.reader, key, main)
        if not isinstance(value, str):
            block.props[main.name] = value
            return
        if main.templated or main.expression:
            block.reader.check_not_cut(key, value, block.reader.values.line_of(key))
        match = re.fullmatch(block.type.main_pattern, value, re.DOTALL) if block.type.main_pattern else None
        found = {main.name: value} if match is None else match.groupdict()
        for name, text in found.items():
            if text is not None:
                block.props[name] = text
                block.lines[name] = block.reader.values.line_of(key)
        self._imply(block)

    def _read_mapping(self, block: _Block, key: str, inner: MappingReader) -> None:
        for spelling in inner.values:
            prop = block.type.plain_props.get(spelling)
            if prop is None and key == "var":
                inner.add_fault(
                    spelling, f'unknown prop "{excerpt(spelling)}"', "several variables: vars: {NAME: value}"
                )
            elif prop is None and spelling in keys_in("block"):
                message = f"{spelling} is a key of blocks and no prop of {key}"
                inner.add_fault(spelling, message, f"{spelling} stands beside {key}")
            elif prop is None:
                inner.add_unknown_key(spelling, block.type.plain_props)
            elif prop.name in block.props:
                inner.add_fault(spelling, f"{prop.name} is there twice")
            elif inner.values[spelling] is None and prop.type != "any":
                inner.add_fault(spelling, f"{spelling} has no value", "leave it out to take its default")
            else:
                self._read_prop(block, inner, spelling)
        self._imply(block)

    def _read_prop(self, block: _Block, inner: MappingReader, spelling: str) -> None:
        prop = block.type.plain_props[spelling]
        value = read_prop(inner, spelling, prop)
        block.props[prop.name] = value
        block.lines[prop.name] = inner.values.line_of(spelling)
        if (prop.templated or prop.expression) and isinstance(value, str):
            inner.check_not_cut(spelling, value, block.lines[prop.name])

    def _imply(self, block: _Block) -> None:
        if block.type.main in block.props:
            for name, value in block.type.implied:
                block.props.setdefault(name, value)

    def _merge_name(self, block: _Block) -> None:
        """Make one of the name beside the type and the prop of that name; both is a fault."""
        inside = block.props.get("name")
        if block.name and inside:
            block.reader.add_fault("name", "name is there twice: beside the type and among its props")
        elif block.name and "name" in block.type.plain_props:
            block.props["name"] = block.name
        elif isinstance(inside, str):
            block.name = inside

    def _check_required(self, block: _Block, key: str) -> None:
        for prop in block.type.props:
            if prop.plain_required and prop.name not in block.props:
                block.reader.add_fault(key, f"{key} needs {prop.name}", prop.help or None)
            elif prop.plain_required and not prop.may_be_empty and block.props[prop.name] == "":
                block.reader.add_fault(key, f"{prop.name} is empty")
        for group in block.type.one_of:
            present = [name for name in group if block.props.get(name) not in (None, "")]
            if not present:
                block.reader.add_fault(key, f"{key} needs {_alternatives(block.type, group)}")
            elif len(present) > 1:
                block.reader.add_fault(key, f"{key} takes {_alternatives(block.type, group)}, not both")

    def _add_each(self, block: _Block, key: str) -> None:
        """Add one block for each name of ``vars`` or ``env``."""
        if block.name:
            block.reader.add_fault("name", f"name means nothing here: {key} blocks are called by the names in them")
        block_type = self._catalog[EXPANDED[key]]
        read = declared_vars if key == "vars" else declared_env
        for declaration in read(block.reader, key):
            line = declaration.location.line or block.reader.values.line
            props = {"name": declaration.name, "value": declaration.value}
            lines = {"name": line, "value": line}
            single = _Block(
                block.reader, block_type, f"{block.id}.{declaration.name}", declaration.name, props, block.rules, lines
            )
            self._add(single, line)

    def _add(self, block: _Block, line: int | None = None) -> None:
        location = self._source.location.at(line or block.reader.values.line)
        if block.id in self._ids:
            first = self._ids[block.id].line
            block.reader.add_fault(
                "id", f'id "{excerpt(block.id)}" is that of line {first}, too', "change one: ids are unique"
            )
        self._ids.setdefault(block.id, location)
        spec = BlockSpec(
            id=block.id,
            type=block.type.name,
            name=block.name,
            props={**self._defaults_of(block.type), **block.props},
            rules=block.rules,
            location=location,
            lines=block.lines,
            node=len(self.nodes),
        )
        self.nodes.append(Node(id=block.id, type=block.type.name, props=block.props, location=location))
        self.specs.append(spec)

    def _defaults_of(self, block_type: BlockType) -> dict[str, object]:
        if block_type.name not in self._defaults:
            self._defaults[block_type.name] = plain_defaults(block_type)
        return self._defaults[block_type.name]

    def check_if_started(self) -> None:
        """Add a fault for each missing block that a clean-up names."""
        known = item_names(self.specs, self._catalog)
        for reader, rules in self._cleanups:
            check_if_started(reader, rules, known)


def _label(item: LocatedDict, position: str) -> str:
    name = item.get("name")
    return f'block "{excerpt(name)}"' if isinstance(name, str) and name.strip() else f"block {position}"


def _alternatives(block_type: BlockType, names: Sequence[str]) -> str:
    """Return the props of a group as authors write them, joined by "or"."""
    return " or ".join(block_type.plain_props[name].spellings[-1] for name in names)
