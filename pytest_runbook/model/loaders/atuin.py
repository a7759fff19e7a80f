"""Loads documents of Atuin Desktop: a tree of prose and blocks. Keys that only the desktop app knows are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ...errors import unknown_name_message
from ..block_types import TEXT_NODE_TYPES
from ..catalog import BlockCatalog, BlockType
from ..runbook import Below, BlockRules, BlockSpec, Form, Node, Runbook, SkipRule, display_type
from ..source.json_tree import parse_json
from ..source.located import EntryLocation, LocatedDict, LocatedList, SyntaxFault, to_builtins
from ..source.mapping_reader import MappingReader, describe_type, excerpt
from ..source.source_file import SourceFile
from .props import atuin_defaults, read_prop

UnknownBlocks = Literal["error", "skip"]

_MAX_LISTED_PROPS = 5


def read_atuin(
    path: Path, source: SourceFile, tree: object, catalog: BlockCatalog, unknown_blocks: UnknownBlocks
) -> Runbook:
    """Return the runbook of an Atuin document, or of a bare list of its blocks.

    :raises UnreadableFile: with every fault of the file.
    """
    document = _Document(source, catalog, unknown_blocks)
    content = tree if isinstance(tree, LocatedList) else document.read_file_keys(tree)
    if content is not None:
        document.walk(content)
    source.raise_faults()
    return Runbook(
        path=path,
        location=source.location,
        form=Form.ATUIN,
        id=document.id or source.location.path,
        name=document.name or path.stem,
        nodes=tuple(document.nodes),
        blocks=tuple(document.specs),
        load_warnings=tuple(document.all_warnings()),
    )


class _Document:
    """Reads the keys of a document, and its nodes in pre-order."""

    def __init__(self, source: SourceFile, catalog: BlockCatalog, unknown_blocks: UnknownBlocks) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.nodes: list[Node] = []
        self.specs: list[BlockSpec] = []
        self._warnings: list[str] = []
        self._source = source
        self._catalog = catalog
        self._unknown_blocks = unknown_blocks
        self._ids: dict[str, int] = {}
        self._unknown_props: dict[str, int] = {}
        self._defaults: dict[str, dict[str, object]] = {}

    def read_file_keys(self, tree: object) -> LocatedList | None:
        """Read the keys of the file. Return its list of nodes; None, and a fault, if there is none."""
        if not isinstance(tree, LocatedDict):
            self._source.add_fault(f"a runbook must be a mapping with content, not {describe_type(tree)}", line=1)
            return None
        reader = MappingReader(tree, self._source)
        self.id = reader.scalar_text("id") if tree.get("id") is not None else None
        self.name = reader.text("name") if tree.get("name") else None
        version = tree.get("version")
        if isinstance(version, (int, float)) and version > 1:
            self._warnings.append(f"{self._source.location}: version {version} is newer than what is known here (1)")
        return self._content(reader)

    def _content(self, reader: MappingReader) -> LocatedList | None:
        content = reader.values.get("content")
        if isinstance(content, str):
            content = self._embedded(reader, content)
        if isinstance(content, LocatedList):
            return content
        if "content" not in reader.values:
            hint = "a runbook with blocks is named NAME.runbook.yaml" if "blocks" in reader.values else None
            self._source.add_fault("no content", line=reader.values.line, hint=hint)
        elif not self._source.faults:
            reader.add_wrong_value("content", "a list of blocks")
        return None

    def _embedded(self, reader: MappingReader, content: str) -> object:
        """Return the content of the older export, which is a text of JSON."""
        line = reader.values.line_of("content")
        try:
            return parse_json(content, only_line=line)
        except SyntaxFault as fault:
            self._source.add_fault(f"content is a text, but no list of blocks: {fault.message}", line=line)
            return None

    def walk(self, items: LocatedList) -> None:
        """Read the nodes of a list, each followed by its children."""
        for item, location in zip(items, items.locations, strict=True):
            self._node(item, location)

    def _node(self, item: object, location: EntryLocation) -> None:
        position = f"#{len(self.nodes) + 1}"
        if not isinstance(item, LocatedDict):
            self._source.add_fault(
                f"a block must be a mapping, not {describe_type(item)}",
                line=location.value_line,
                block=f"block {position}",
            )
            return
        reader = MappingReader(item, self._source, f"block {position}")
        node = self._read_node(reader, position)
        self.nodes.append(node)
        if node.type and node.type not in TEXT_NODE_TYPES:
            self._block(reader, node)
        children = item.get("children")
        if isinstance(children, LocatedList):
            self.walk(children)
        elif children is not None:
            reader.add_wrong_value("children", "a list of blocks")

    def _read_node(self, reader: MappingReader, position: str) -> Node:
        values = reader.values
        node_type = reader.text("type") if values.get("type") is not None else None
        if node_type is None and values.get("type") is None:
            reader.add_fault("type", "has no type")
        node_id = reader.scalar_text("id") if values.get("id") is not None else None
        props = values.get("props")
        if props is not None and not isinstance(props, LocatedDict):
            reader.add_wrong_value("props", "a mapping")
        return Node(
            id=self._unique_id(node_id or position, values),
            type=node_type or "",
            props=_plain_mapping(props),
            content=to_builtins(values.get("content")),
            location=self._source.location.at(values.line),
        )

    def _unique_id(self, node_id: str, values: LocatedDict) -> str:
        unique, count = node_id, self._ids.get(node_id, 1)
        while unique in self._ids:
            count += 1
            unique = f"{node_id}~{count}"
        if count > 1:
            location = self._source.location.at(values.key_line("id"))
            self._warnings.append(
                f'{location}: id "{excerpt(node_id)}" is repeated; this block is called "{excerpt(unique)}"'
            )
        self._ids[node_id] = count
        self._ids.setdefault(unique, 1)
        return unique

    def _block(self, reader: MappingReader, node: Node) -> None:
        block_type = self._catalog.atuin_type(node.type)
        name = node.props.get("name")
        called = f'"{excerpt(name)}"' if isinstance(name, str) and name.strip() else excerpt(node.id)
        reader.label = f"block {called} ({excerpt(display_type(node.type))})"
        if block_type is not None:
            self._add(reader, node, block_type)
        elif self._unknown_blocks == "skip":
            self._add_unknown(node)
        else:
            message, hint = unknown_name_message("block type", excerpt(node.type), self._catalog.atuin_names)
            reader.add_fault("type", message, hint)

    def _add(self, reader: MappingReader, node: Node, block_type: BlockType) -> None:
        values = reader.values
        lines = {key: location.value_line for key, location in values.locations.items()}
        props = dict(self._defaults_of(block_type))
        own_props = values.get("props")
        if isinstance(own_props, LocatedDict):
            self._read_props(MappingReader(own_props, self._source, reader.label), block_type, props, lines)
        for prop in block_type.props:
            if prop.required and node.props.get(prop.name) is None:
                reader.add_fault("props", f"{prop.name} is missing", prop.help or None)
        name = props.get("name")
        has_own_name = isinstance(node.props.get("name"), str) and isinstance(name, str)
        self._append(node, block_type.name, str(name) if has_own_name else "", props, lines, BlockRules())

    def _read_props(
        self, reader: MappingReader, block_type: BlockType, props: dict[str, object], lines: dict[str, int]
    ) -> None:
        for key, value in reader.values.items():
            prop = block_type.atuin_props.get(key)
            if prop is None:
                self._unknown_props.setdefault(f"{block_type.name}.{excerpt(key)}", reader.values.key_line(key))
            elif value is not None:
                props[prop.name] = read_prop(reader, key, prop)
                lines[prop.name] = reader.values.line_of(key)

    def _add_unknown(self, node: Node) -> None:
        rules = BlockRules(skip=SkipRule(reason=f'unknown block type "{excerpt(node.type)}"', below=Below.RUN))
        name = node.props.get("name")
        self._append(node, node.type, name if isinstance(name, str) else "", node.props, {}, rules)

    def _append(
        self, node: Node, kind: str, name: str, props: Mapping[str, object], lines: dict[str, int], rules: BlockRules
    ) -> None:
        self.specs.append(
            BlockSpec(
                id=node.id,
                type=kind,
                name=name,
                props=props,
                rules=rules,
                location=node.location,
                lines=lines,
                node=len(self.nodes) - 1,
            )
        )

    def _defaults_of(self, block_type: BlockType) -> dict[str, object]:
        if block_type.name not in self._defaults:
            self._defaults[block_type.name] = atuin_defaults(block_type)
        return self._defaults[block_type.name]

    def all_warnings(self) -> list[str]:
        """Return the warnings about the file; all unknown props are in one of them."""
        if not self._unknown_props:
            return self._warnings
        listed = ", ".join(list(self._unknown_props)[:_MAX_LISTED_PROPS])
        more = len(self._unknown_props) - _MAX_LISTED_PROPS
        location = self._source.location.at(min(self._unknown_props.values()))
        return [
            *self._warnings,
            f"{location}: unknown props are passed over: {listed}{f' and {more} more' if more > 0 else ''}",
        ]


def _plain_mapping(props: object) -> Mapping[str, object]:
    return {key: to_builtins(value) for key, value in props.items()} if isinstance(props, dict) else {}
