"""The root object ``doc`` of templates: ``doc.named["Build"].output.stdout``.

Source: section 4.2 of the runbook format: all nodes are there, text included, and all props are text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import overload

from ..model.runbook import Node

Outputs = Callable[[str], Mapping[str, object] | None]


class _LazyFields(Mapping[str, object]):
    """A lazy mapping. The value of a key is made by the method ``_make_KEY`` when it is read."""

    _keys: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> object:
        if key not in self._keys or not self._has(key):
            raise KeyError(key)
        return getattr(self, f"_make_{key}")()

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._keys if self._has(key))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _has(self, key: str) -> bool:
        return True


class NodeView(_LazyFields):
    """One node: block_type, content, props, and its output if it has run."""

    _keys = ("block_type", "content", "props", "output")

    def __init__(self, node: Node, outputs: Outputs) -> None:
        self._node = node
        self._outputs = outputs

    def _has(self, key: str) -> bool:
        return key != "output" or self._outputs(self._node.id) is not None

    def _make_block_type(self) -> str:
        return self._node.type

    def _make_content(self) -> str:
        return node_text(self._node)

    def _make_props(self) -> dict[str, str]:
        return {name: value if isinstance(value, str) else "" for name, value in self._node.props.items()}

    def _make_output(self) -> object:
        return self._outputs(self._node.id)


class NodeViews(Sequence[NodeView]):
    """The nodes in document order."""

    def __init__(self, nodes: Sequence[Node], outputs: Outputs) -> None:
        self._nodes = nodes
        self._outputs = outputs

    @overload
    def __getitem__(self, index: int) -> NodeView: ...

    @overload
    def __getitem__(self, index: slice) -> list[NodeView]: ...

    def __getitem__(self, index: int | slice) -> NodeView | list[NodeView]:
        if isinstance(index, slice):
            return [NodeView(node, self._outputs) for node in self._nodes[index]]
        return NodeView(self._nodes[index], self._outputs)

    def __len__(self) -> int:
        return len(self._nodes)


class NamedViews(Mapping[str, NodeView]):
    """The nodes by their prop `name`; the last one of a name wins."""

    def __init__(self, by_name: Mapping[str, Node], outputs: Outputs) -> None:
        self._by_name = by_name
        self._outputs = outputs

    def __getitem__(self, name: str) -> NodeView:
        return NodeView(self._by_name[name], self._outputs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


class DocView(_LazyFields):
    """``doc`` as one block sees it: first, last, content, named, and previous, the node directly above the block."""

    _keys = ("first", "last", "content", "named", "previous")

    def __init__(self, nodes: Sequence[Node], by_name: Mapping[str, Node], index: int, outputs: Outputs) -> None:
        self._nodes = nodes
        self._by_name = by_name
        self._index = index
        self._outputs = outputs

    def _has(self, key: str) -> bool:
        return key != "previous" or self._index > 0

    def _make_first(self) -> NodeView:
        return NodeView(self._nodes[0], self._outputs)

    def _make_last(self) -> NodeView:
        return NodeView(self._nodes[-1], self._outputs)

    def _make_content(self) -> NodeViews:
        return NodeViews(self._nodes, self._outputs)

    def _make_named(self) -> NamedViews:
        return NamedViews(self._by_name, self._outputs)

    def _make_previous(self) -> NodeView:
        return NodeView(self._nodes[self._index - 1], self._outputs)


def nodes_by_name(nodes: Sequence[Node]) -> dict[str, Node]:
    """Return every node that has a name, of whatever type; the last one of a name wins."""
    return {name: node for node in nodes if isinstance(name := node.props.get("name"), str)}


def node_text(node: Node) -> str:
    """Return the text of a node: rich text without its links, the code of a terminal or an editor."""
    if node.type in ("run", "terminal", "editor"):
        code = node.props.get("code")
        return code if isinstance(code, str) else ""
    match node.content:
        case str() as text:
            return text
        case bool() | None:
            return ""
        case int() | float() as number:
            return str(number)
        case Sequence() as items:
            return "".join(map(_inline_text, items))
        case _:
            return ""


def _inline_text(item: object) -> str:
    if isinstance(item, Mapping) and item.get("type") == "text" and isinstance(item.get("text"), str):
        return str(item["text"])
    return ""
