"""A map of which every version stays as it was, and shares with the next all but what changed.

Ten thousand blocks keep ten thousand versions: each costs a few small tuples, whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, TypeVar

ValueT = TypeVar("ValueT")

_BITS = 4
_WIDTH = 1 << _BITS
_DEEPEST = 60
_EMPTY: tuple[Any, ...] = (None,) * _WIDTH


class PersistentMap(Mapping[str, ValueT]):
    """Names and values, in the order in which the names came; `set` gives the next version.

    A tree over the bits of the names' hashes: a branch is a tuple with a place for each of the next bits, which holds
    None, a branch, or a leaf. Where the bits are used up, names of one hash share a dict.
    """

    __slots__ = ("_root", "_size")

    def __init__(self, values: Mapping[str, ValueT] | None = None) -> None:
        self._root = _EMPTY
        self._size = 0  # nothing is ever taken away, so that it is the next name's number, too
        for name, value in (values or {}).items():
            grown = self.set(name, value)
            self._root, self._size = grown._root, grown._size

    def set(self, name: str, value: ValueT) -> PersistentMap[ValueT]:
        """The map with that value for that name."""
        grown: PersistentMap[ValueT] = PersistentMap()
        known = self._leaf(name)
        number = self._size if known is None else known.number
        grown._root = _with(self._root, 0, _Leaf(name, value, number))
        grown._size = self._size + (known is None)
        return grown

    def __getitem__(self, name: str) -> ValueT:
        leaf = self._leaf(name)
        if leaf is None:
            raise KeyError(name)
        value: ValueT = leaf.value
        return value

    def _leaf(self, name: str) -> _Leaf | None:
        found: Any = self._root
        bits = hash(name)
        while type(found) is tuple:
            found = found[bits & (_WIDTH - 1)]
            bits >>= _BITS
        if type(found) is dict:
            found = found.get(name)
        return None if found is None or found.name != name else found

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


def _with(branch: tuple[Any, ...], depth: int, leaf: _Leaf) -> tuple[Any, ...]:
    at = (hash(leaf.name) >> depth) & (_WIDTH - 1)
    return (*branch[:at], _joined(branch[at], depth + _BITS, leaf), *branch[at + 1 :])


def _joined(found: Any, depth: int, leaf: _Leaf) -> Any:
    """What stands in a place once the leaf has come to what stands there."""
    if found is None or (type(found) is _Leaf and found.name == leaf.name):
        return leaf
    if type(found) is tuple:
        return _with(found, depth, leaf)
    if depth >= _DEEPEST:
        others = found if type(found) is dict else {found.name: found}
        return {**others, leaf.name: leaf}
    return _with(_with(_EMPTY, depth, found), depth, leaf)


def _leaves(found: Any) -> Iterator[_Leaf]:
    match found:
        case _Leaf():
            yield found
        case tuple():
            for below in found:
                yield from _leaves(below)
        case dict():
            yield from found.values()
