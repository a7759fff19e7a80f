"""A persistent map: every version stays valid, and shares all unchanged parts with the next one.

Each block of a runbook keeps its own version. With ten thousand blocks, each version costs a few small tuples, whatever
the size of the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, TypeVar

ValueT = TypeVar("ValueT")

_BITS = 4
_WIDTH = 1 << _BITS
# Hashes have 64 bits. Beyond this depth, names that still collide share a dict.
_MAX_DEPTH = 60
_EMPTY: tuple[Any, ...] = (None,) * _WIDTH


class PersistentMap(Mapping[str, ValueT]):
    """Names and values in the order in which the names were added. `set` returns the next version.

    A tree over the bits of the names' hashes: a branch is a tuple with one slot for each value of the next bits. A slot
    holds None, a branch or a leaf. Where the bits are used up, names of the same hash share a dict.
    """

    __slots__ = ("_root", "_size")

    def __init__(self, values: Mapping[str, ValueT] | None = None) -> None:
        self._root = _EMPTY
        self._size = 0  # names are never removed, so that this is also the number of the next name
        for name, value in (values or {}).items():
            updated = self.set(name, value)
            self._root, self._size = updated._root, updated._size

    def set(self, name: str, value: ValueT) -> PersistentMap[ValueT]:
        """Return a map in which a name has this value."""
        updated: PersistentMap[ValueT] = PersistentMap()
        known = self._leaf(name)
        number = self._size if known is None else known.number
        updated._root = _with_leaf(self._root, 0, _Leaf(name, value, number))
        updated._size = self._size + (known is None)
        return updated

    def __getitem__(self, name: str) -> ValueT:
        leaf = self._leaf(name)
        if leaf is None:
            raise KeyError(name)
        value: ValueT = leaf.value
        return value

    def _leaf(self, name: str) -> _Leaf | None:
        node: Any = self._root
        bits = hash(name)
        while type(node) is tuple:
            node = node[bits & (_WIDTH - 1)]
            bits >>= _BITS
        if type(node) is dict:
            node = node.get(name)
        return None if node is None or node.name != name else node

    def __iter__(self) -> Iterator[str]:
        return (leaf.name for leaf in sorted(_leaves(self._root), key=_number))

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"PersistentMap({dict(self)!r})"


class _Leaf:
    __slots__ = ("name", "number", "value")

    def __init__(self, name: str, value: Any, number: int) -> None:
        self.name = name
        self.value = value
        self.number = number


_number = attrgetter("number")


def _with_leaf(branch: tuple[Any, ...], depth: int, leaf: _Leaf) -> tuple[Any, ...]:
    index = (hash(leaf.name) >> depth) & (_WIDTH - 1)
    return (*branch[:index], _placed_leaf(branch[index], depth + _BITS, leaf), *branch[index + 1 :])


def _placed_leaf(node: Any, depth: int, leaf: _Leaf) -> Any:
    """Return the content of a slot after a leaf was added to it."""
    if node is None or (type(node) is _Leaf and node.name == leaf.name):
        return leaf
    if type(node) is tuple:
        return _with_leaf(node, depth, leaf)
    if depth >= _MAX_DEPTH:
        others = node if type(node) is dict else {node.name: node}
        return {**others, leaf.name: leaf}
    return _with_leaf(_with_leaf(_EMPTY, depth, node), depth, leaf)


def _leaves(node: Any) -> Iterator[_Leaf]:
    match node:
        case _Leaf():
            yield node
        case tuple():
            for child in node:
                yield from _leaves(child)
        case dict():
            yield from node.values()
