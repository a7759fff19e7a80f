"""Workers of xdist: a runbook stays whole on one of them, whatever the mode of distribution.

Which scheduler a session gets is decided once its workers have told what there is to run: without runbooks it is the
one that it would have had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling, Scheduling  # type: ignore[import-untyped]  # it has no stubs

from . import SUFFIXES


def _by_group(node_id: str) -> str:
    return node_id.rpartition("@")[2] if node_id.rfind("@") > node_id.rfind("]") else node_id


SCOPES: Mapping[str, Callable[[str], str]] = {
    "load": str,
    "worksteal": str,
    "loadgroup": _by_group,
    "loadfile": lambda node_id: node_id.partition("::")[0],
    "loadscope": lambda node_id: node_id.rpartition("::")[0],
}
"""What tests other than ours stay together with, by xdist's mode."""


def scheduler(config: pytest.Config, log: Any, default: Scheduling) -> Scheduling:
    """A scheduler that keeps runbooks whole. default: the one that the session has without them."""
    is_known = config.getoption("dist") in SCOPES and type(default).__module__.startswith("xdist.")
    return LateScheduling(default, lambda: WholeRunbooks(config, log)) if is_known else default


def holds_runbook(ids: Iterable[str]) -> bool:
    """True if any of these node ids is that of a runbook's block."""
    return any(_is_block(node_id) for node_id in ids)


def _is_block(node_id: str) -> bool:
    return node_id.partition("::")[0].endswith(SUFFIXES)


MIN_PENDING_TESTS = 2


class WholeRunbooks(LoadScopeScheduling):  # type: ignore[misc]  # it has no stubs
    """Gives each runbook to one worker, with those that it needs, and other tests as the mode says.

    A block that took its worker down is not run again.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._scope = SCOPES[config.getoption("dist")]
        self._crashed: set[str] = set()
        self._groups: Mapping[str, str] | None = None

    def remove_node(self, node: Any) -> str | None:
        units = self.assigned_work[node].values()
        unfinished = (node_id for unit in units for node_id, is_done in unit.items() if not is_done)
        self._crashed.update(filter(_is_block, [next(unfinished, "")]))
        return super().remove_node(node)  # type: ignore[no-any-return]

    def _assign_work_unit(self, node: Any) -> None:
        """Give a worker enough to do: it begins a test when it knows the next one."""
        is_short = True
        while is_short and self.workqueue:
            unit = next(iter(self.workqueue.values()))
            unit.update(dict.fromkeys(self._crashed & unit.keys(), True))
            super()._assign_work_unit(node)
            is_short = self._pending_of(self.assigned_work[node]) < MIN_PENDING_TESTS

    def _split_scope(self, nodeid: str) -> str:
        if not _is_block(nodeid):
            return self._scope(nodeid)
        if self._groups is None:
            from .dependencies import dependency_groups  # what there is to read files with: nobody else pays for it

            names = dict.fromkeys(known.partition("::")[0] for known in self.collection if _is_block(known))
            self._groups = dependency_groups(self.config.rootpath, names)
        return self._groups.get(nodeid.partition("::")[0]) or nodeid.rpartition("::")[0]


class LateScheduling:
    """The usual scheduler, until a worker tells that there are runbooks.

    scheduler: the one that does the work.
    """

    def __init__(self, default: Scheduling, with_runbooks: Callable[[], Scheduling]) -> None:
        self.scheduler = default
        self._with_runbooks = with_runbooks
        self._is_final = False

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        if not self._is_final and holds_runbook(collection):
            nodes, self.scheduler = self.scheduler.nodes, self._with_runbooks()
            for known in nodes:
                self.scheduler.add_node(known)
        self._is_final = True
        self.scheduler.add_node_collection(node, collection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scheduler, name)
