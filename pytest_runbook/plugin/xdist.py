"""The scheduler for workers of xdist: keeps each runbook whole on one worker, whatever the mode of distribution.

It is chosen when the first worker has collected: a session without runbooks keeps the scheduler that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling, Scheduling  # type: ignore[import-untyped]  # it has no stubs


def _by_group(node_id: str) -> str:
    return node_id.rpartition("@")[2] if node_id.rfind("@") > node_id.rfind("]") else node_id


SCOPES: Mapping[str, Callable[[str], str]] = {
    "load": str,
    "worksteal": str,
    "loadgroup": _by_group,
    "loadfile": lambda node_id: node_id.partition("::")[0],
    "loadscope": lambda node_id: node_id.rpartition("::")[0],
}
"""By xdist's mode: the scope of a test's node id. Tests of one scope run on one worker."""
MIN_PENDING_TESTS = 2

IsBlockId = Callable[[str], bool]


def scheduler(config: pytest.Config, log: Any, default: Scheduling, is_block_id: IsBlockId) -> Scheduling:
    """Return a scheduler that keeps runbooks whole.

    default: the session's own scheduler. It is returned as it is for an unknown mode and for one of another plugin.
    is_block_id: returns True for the node id of a runbook's block.
    """
    is_known = config.getoption("dist") in SCOPES and type(default).__module__.startswith("xdist.")
    if not is_known:
        return default
    return LateScheduling(default, lambda: WholeRunbooks(config, log, is_block_id), is_block_id)


class WholeRunbooks(LoadScopeScheduling):  # type: ignore[misc]  # it has no stubs
    """Sends each runbook and the runbooks that it needs to one worker, and other tests as the mode does.

    A block that crashed its worker is not run again.
    """

    def __init__(self, config: pytest.Config, log: Any, is_block_id: IsBlockId) -> None:
        super().__init__(config, log)
        self._is_block_id = is_block_id
        self._scope = SCOPES[config.getoption("dist")]
        self._crashed: set[str] = set()
        self._groups: Mapping[str, str] | None = None

    def remove_node(self, node: Any) -> str | None:
        units = self.assigned_work[node].values()
        unfinished = (node_id for unit in units for node_id, is_done in unit.items() if not is_done)
        self._crashed.update(filter(self._is_block_id, [next(unfinished, "")]))
        return super().remove_node(node)  # type: ignore[no-any-return]

    def _assign_work_unit(self, node: Any) -> None:
        """Assign units until the worker has two tests to run: it starts one only when it knows the next."""
        is_short = True
        while is_short and self.workqueue:
            unit = next(iter(self.workqueue.values()))
            unit.update(dict.fromkeys(self._crashed & unit.keys(), True))
            super()._assign_work_unit(node)
            is_short = self._pending_of(self.assigned_work[node]) < MIN_PENDING_TESTS

    def _split_scope(self, nodeid: str) -> str:
        if not self._is_block_id(nodeid):
            return self._scope(nodeid)
        if self._groups is None:
            from .dependencies import dependency_groups  # here: it imports YAML, which only runbooks need

            names = dict.fromkeys(known.partition("::")[0] for known in self.collection if self._is_block_id(known))
            self._groups = dependency_groups(self.config.rootpath, names)
        return self._groups.get(nodeid.partition("::")[0]) or nodeid.rpartition("::")[0]


class LateScheduling:
    """The session's own scheduler, until a worker reports that it collected runbooks.

    scheduler: the one that does the work.
    """

    def __init__(self, default: Scheduling, with_runbooks: Callable[[], Scheduling], is_block_id: IsBlockId) -> None:
        self.scheduler = default
        self._with_runbooks = with_runbooks
        self._is_block_id = is_block_id
        self._is_final = False

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        if not self._is_final and any(map(self._is_block_id, collection)):
            nodes, self.scheduler = self.scheduler.nodes, self._with_runbooks()
            for known in nodes:
                self.scheduler.add_node(known)
        self._is_final = True
        self.scheduler.add_node_collection(node, collection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scheduler, name)
