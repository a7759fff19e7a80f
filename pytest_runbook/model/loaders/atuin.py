"""Atuin Desktop's documents: a tree of prose and blocks that another program wrote, and whose extras are left alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ...errors import unknown
from ..block_types import PROSE_TYPES
from ..catalog import BlockCatalog, BlockType
from ..runbook import Below, BlockRules, BlockSpec, Form, LeftOut, Node, Runbook, type_for_people
from ..source.json_tree import parse_json
from ..source.located import LocatedDict, LocatedList, Mark, SyntaxFault, plain
from ..source.mapping_reader import Section, describe, show
from ..source.source_file import Source
from .props import atuin_defaults, checked

UnknownBlocks = Literal["error", "skip"]

_NOTED_PROPS = 5


def read_atuin(
    path: Path, source: Source, tree: object, catalog: BlockCatalog, unknown_blocks: UnknownBlocks
) -> Runbook:
    """The runbook of an Atuin document, or of a bare list of its blocks.

    :raises UnreadableFile: with every fault of the file.
    """
    document = _Document(source, catalog, unknown_blocks)
    content = tree if isinstance(tree, LocatedList) else document.head(tree)
    if content is not None:
        document.walk(content)
    source.raise_faults()
    return Runbook(
        path=path,
        place=source.place,
        form=Form.ATUIN,
        id=document.id or source.place.path,
        name=document.name or path.stem,
        nodes=tuple(document.nodes),
        blocks=tuple(document.specs),
        notes=tuple(document.all_notes()),
    )


class _Document:
    """Reads a document's head, and its nodes in pre-order."""

    def __init__(self, source: Source, catalog: BlockCatalog, unknown_blocks: UnknownBlocks) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.nodes: list[Node] = []
        self.specs: list[BlockSpec] = []
        self._notes: list[str] = []
        self._source = source
        self._catalog = catalog
        self._unknown_blocks = unknown_blocks
        self._ids: dict[str, int] = {}
        self._strange_props: dict[str, int] = {}
        self._defaults: dict[str, dict[str, object]] = {}

    def head(self, tree: object) -> LocatedList | None:
        """Read the keys of the file; gives its list of nodes, None and a fault if there is none."""
        if not isinstance(tree, LocatedDict):
            self._source.fault(f"a runbook must be a mapping with content, not {describe(tree)}", line=1)
            return None
        section = Section(tree, self._source)
        self.id = section.written("id") if tree.get("id") is not None else None
        self.name = section.text("name") if tree.get("name") else None
        version = tree.get("version")
        if isinstance(version, (int, float)) and version > 1:
            self._notes.append(f"{self._source.place}: version {version} is newer than what is known here (1)")
        return self._content(section)

    def _content(self, section: Section) -> LocatedList | None:
        content = section.values.get("content")
        if isinstance(content, str):
            content = self._embedded(section, content)
        if isinstance(content, LocatedList):
            return content
        if "content" not in section.values:
            hint = "a runbook with blocks is named NAME.runbook.yaml" if "blocks" in section.values else None
            self._source.fault("no content", line=section.values.line, hint=hint)
        elif not self._source.faults:
            section.wrong("content", "a list of blocks")
        return None

    def _embedded(self, section: Section, content: str) -> object:
        """The content of the older export, a text of JSON."""
        line = section.values.line_of("content")
        try:
            return parse_json(content, only_line=line)
        except SyntaxFault as fault:
            self._source.fault(f"content is a text, but no list of blocks: {fault.message}", line=line)
            return None

    def walk(self, items: LocatedList) -> None:
        """Read the nodes of a list, each followed by its children."""
        for item, mark in zip(items, items.marks, strict=True):
            self._node(item, mark)

    def _node(self, item: object, mark: Mark) -> None:
        position = f"#{len(self.nodes) + 1}"
        if not isinstance(item, LocatedDict):
            self._source.fault(
                f"a block must be a mapping, not {describe(item)}", line=mark.value, block=f"block {position}"
            )
            return
        section = Section(item, self._source, f"block {position}")
        node = self._read_node(section, position)
        self.nodes.append(node)
        if node.type and node.type not in PROSE_TYPES:
            self._block(section, node)
        children = item.get("children")
        if isinstance(children, LocatedList):
            self.walk(children)
        elif children is not None:
            section.wrong("children", "a list of blocks")

    def _read_node(self, section: Section, position: str) -> Node:
        values = section.values
        node_type = section.text("type") if values.get("type") is not None else None
        if node_type is None and values.get("type") is None:
            section.fault("type", "has no type")
        node_id = section.written("id") if values.get("id") is not None else None
        props = values.get("props")
        if props is not None and not isinstance(props, LocatedDict):
            section.wrong("props", "a mapping")
        return Node(
            id=self._unique(node_id or position, values),
            type=node_type or "",
            props=_plain_mapping(props),
            content=plain(values.get("content")),
            place=self._source.place.at(values.line),
        )

    def _unique(self, node_id: str, values: LocatedDict) -> str:
        unique, count = node_id, self._ids.get(node_id, 1)
        while unique in self._ids:
            count += 1
            unique = f"{node_id}~{count}"
        if count > 1:
            place = self._source.place.at(values.key_line("id"))
            self._notes.append(f'{place}: id "{show(node_id)}" is repeated; this block is called "{show(unique)}"')
        self._ids[node_id] = count
        self._ids.setdefault(unique, 1)
        return unique

    def _block(self, section: Section, node: Node) -> None:
        block_type = self._catalog.atuin(node.type)
        name = node.props.get("name")
        called = f'"{show(name)}"' if isinstance(name, str) and name.strip() else show(node.id)
        section.label = f"block {called} ({show(type_for_people(node.type))})"
        if block_type is not None:
            self._add(section, node, block_type)
        elif self._unknown_blocks == "skip":
            self._add_unknown(node)
        else:
            message, hint = unknown("block type", show(node.type), self._catalog.atuin_names)
            section.fault("type", message, hint)

    def _add(self, section: Section, node: Node, block_type: BlockType) -> None:
        values = section.values
        lines = {key: mark.value for key, mark in values.marks.items()}
        props = dict(self._defaults_of(block_type))
        given = values.get("props")
        if isinstance(given, LocatedDict):
            self._read_props(Section(given, self._source, section.label), block_type, props, lines)
        for prop in block_type.props:
            if prop.required and node.props.get(prop.name) is None:
                section.fault("props", f"{prop.name} is missing", prop.help or None)
        name = props.get("name")
        written = isinstance(node.props.get("name"), str) and isinstance(name, str)
        self._append(node, block_type.name, str(name) if written else "", props, lines, BlockRules())

    def _read_props(
        self, section: Section, block_type: BlockType, props: dict[str, object], lines: dict[str, int]
    ) -> None:
        for key, value in section.values.items():
            prop = block_type.atuin_props.get(key)
            if prop is None:
                self._strange_props.setdefault(f"{block_type.name}.{show(key)}", section.values.key_line(key))
            elif value is not None:
                props[prop.name] = checked(section, key, prop)
                lines[prop.name] = section.values.line_of(key)

    def _add_unknown(self, node: Node) -> None:
        rules = BlockRules(skip=LeftOut(reason=f'unknown block type "{show(node.type)}"', below=Below.RUN))
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
                place=node.place,
                lines=lines,
                node=len(self.nodes) - 1,
            )
        )

    def _defaults_of(self, block_type: BlockType) -> dict[str, object]:
        if block_type.name not in self._defaults:
            self._defaults[block_type.name] = atuin_defaults(block_type)
        return self._defaults[block_type.name]

    def all_notes(self) -> list[str]:
        """What is odd in the file, the unknown props in one note."""
        if not self._strange_props:
            return self._notes
        named = ", ".join(list(self._strange_props)[:_NOTED_PROPS])
        more = len(self._strange_props) - _NOTED_PROPS
        place = self._source.place.at(min(self._strange_props.values()))
        return [
            *self._notes,
            f"{place}: unknown props are passed over: {named}{f' and {more} more' if more > 0 else ''}",
        ]


def _plain_mapping(props: object) -> Mapping[str, object]:
    return {key: plain(value) for key, value in props.items()} if isinstance(props, dict) else {}
