"""A program that embeds the engine and does everything at once: contexts stay true, and nothing of it leaks."""

from __future__ import annotations

import gc
import json
import os
import random
import threading
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio
import psutil

from pytest_runbook import (
    BlockContext,
    Document,
    ExecutionHandle,
    Runbook,
    Runtime,
    Settings,
    load_runbook,
    open_runtime,
)
from tests.harness import written

DOCUMENTS, EXECUTIONS, AT_ONCE = 100, 1000, 24
SECONDS = float(os.environ.get("RUNBOOK_LOAD_SECONDS", "0"))
"""It goes on for so long at least; for as long as the executions take where nobody says more."""
QUICK = ("printf '{{ var.a | default(0) }}.'", "echo a=$RANDOM >> $ATUIN_OUTPUT_VARS", "exit 3")
CODES = (*QUICK, *QUICK, *QUICK, "sleep 1000")
SLOW = CODES[-1]
VALUES = (
    "1",
    "{{ var.a | default('-') }}+",
    "{{ doc.content | length }} of {{ block.id }}",
    "{{ doc.named['s1'].output.stdout | default('') }}",
)


def version(folder: Path, number: int, draw: random.Random) -> Runbook:
    """A version of the document of that number: scripts that stay, and between them what changes."""
    nodes: list[dict[str, object]] = []
    for index in range(3):
        declared = {"name": draw.choice("abc"), "value": draw.choice(VALUES)}
        nodes.append({"id": f"v{index}", "type": "var", "props": declared})
        code = {"name": f"s{index}", "code": CODES[(number + index) % len(CODES)]}
        nodes.append({"id": f"s{index}", "type": "script", "props": code})
    if draw.random() < 0.3:
        nodes.pop(draw.randrange(len(nodes)))
    data = json.dumps({"id": f"d{number}", "name": f"d{number}", "version": 1, "content": nodes})
    return load_runbook(written(folder, data, f"{number}.json"))


def assert_as_from_scratch(runtime: Runtime, document: Document) -> None:
    """Each block sees what it would see in a document that was opened just now, with what blocks left."""
    fresh = runtime.open_document(document.runbook)
    for spec in document.runbook.blocks:
        left = document._chain.entries[document._index[spec.id]].active
        fresh.update_active_context(spec.id, partial(fill, left))
    for spec in document.runbook.blocks:
        assert document.resolved_context(spec.id) == fresh.resolved_context(spec.id)


def fill(left: BlockContext, context: BlockContext) -> None:
    for item in left:
        context.insert(item)


class Player:
    """Starts, cancels and edits in random order, never more than so many at once."""

    def __init__(self, runtime: Runtime, folder: Path, seed: int) -> None:
        self.runtime = runtime
        self.folder = folder
        self.draw = random.Random(seed)
        self.documents = [runtime.open_document(version(folder, number, self.draw)) for number in range(DOCUMENTS)]
        self.handles: list[ExecutionHandle] = []
        self.slow: set[str] = set()
        self.steps: Counter[str] = Counter()

    async def play(self) -> None:
        end = anyio.current_time() + SECONDS
        while len(self.handles) < EXECUTIONS or anyio.current_time() < end:
            number = self.draw.randrange(DOCUMENTS)
            document = self.documents[number]
            step = self.draw.choice(("start", "start", "start", "edit", "cancel"))
            self.steps[step] += 1
            match step:
                case "start":
                    await self.start(document)
                case "edit":
                    document.put_document(version(self.folder, number, self.draw))
                case "cancel":
                    document.cancel(reason="at random")
            for touched in (document, self.draw.choice(self.documents)):
                assert_as_from_scratch(self.runtime, touched)

    async def start(self, document: Document) -> None:
        waiting = [spec for spec in document.items if spec.id not in document.running]
        if not waiting:
            return
        spec = self.draw.choice(waiting)
        handle = document.start_execution(spec.id)
        self.handles.append(handle)
        if spec.props["code"] == SLOW:
            self.slow.add(handle.id)
        while len(running := [one for one in self.handles[-4 * AT_ONCE :] if not one.status.is_settled]) > AT_ONCE:
            next((one for one in running if one.id in self.slow), running[0]).cancel("enough at once")
            await anyio.sleep(0.001)

    async def finish(self) -> None:
        for document in self.documents:
            document.cancel(reason="the end")
        for handle in self.handles:
            await handle.wait()


def open_files() -> Counter[str]:
    """What this process has open, by kind."""
    kinds: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder itself was one of them
            kinds[str(descriptor.readlink()).split(":")[0]] += 1
    return kinds


def test_a_thousand_executions_leave_true_contexts_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> Player:
        tasks = len(anyio.get_running_tasks())
        async with open_runtime(Settings(root=tmp_path, invocation=tmp_path)) as runtime:
            player = Player(runtime, tmp_path, seed=20)
            await player.play()
            await player.finish()
            for document in player.documents:
                assert_as_from_scratch(runtime, document)
                assert document.running == {}
            folder = runtime.resources.folder
        assert len(anyio.get_running_tasks()) == tasks
        assert not folder.exists()
        return player

    gc.collect()  # what other tests have dropped goes now, and not in between
    before, children, threads = open_files(), set(psutil.Process().children()), threading.active_count()
    player = anyio.run(main)
    kinds = Counter(handle.result.kind for handle in player.handles if handle.result is not None)

    assert len(player.handles) >= EXECUTIONS
    assert min(player.steps[step] for step in ("start", "edit", "cancel")) >= EXECUTIONS / 10
    assert kinds.keys() == {None, "block", "cancelled"}
    assert set(psutil.Process().children()) <= children
    assert open_files() <= before
    assert threading.active_count() <= threads
    print(f"{len(player.handles)} executions, {dict(player.steps)}, {dict(kinds)}")
