"""Many blocks of one type that ask a server, against what can't be saved: as many bare calls of the same driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio

from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.execution.result import Outcome

from .measure import Series, Verdict, in_process, pytest_process, take_turns

ROUNDS = 5
BLOCKS = 500
MOST_MILLISECONDS = 0.7


def compare(folder: Path, name: str, block: str, calls: Callable[[int], Awaitable[None]]) -> Iterator[Verdict]:
    """What a block adds to a call, and what being an item of pytest adds to that.

    name: the type's, for people. block: its YAML, one entry of a list. calls: makes so many bare calls.
    """
    for size, count in {"many": BLOCKS, "one": 1}.items():
        (folder / f"{size}.runbook.yaml").write_text("blocks:\n" + block * count)
        (folder / f"test_{size}.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(count)))
    taken = take_turns(
        ROUNDS,
        {
            f"{BLOCKS} {name} blocks": pytest_process(folder, "many.runbook.yaml"),
            f"one {name} block": pytest_process(folder, "one.runbook.yaml"),
            f"{BLOCKS} {name} blocks without pytest": in_process(lambda: anyio.run(run_engine, folder, "many")),
            f"one {name} block without pytest": in_process(lambda: anyio.run(run_engine, folder, "one")),
            f"{BLOCKS} bare calls": in_process(lambda: anyio.run(calls, BLOCKS)),
            "one bare call": in_process(lambda: anyio.run(calls, 1)),
            f"{BLOCKS} empty tests": pytest_process(folder, "test_many.py", plugins=""),
            "one empty test": pytest_process(folder, "test_one.py", plugins=""),
        },
    )
    series = list(taken.values())
    item, alone, call, empty = (each(*pair) for pair in zip(series[::2], series[1::2], strict=True))
    yield Verdict(f"a bare call for {name}", f"{call:.2f} ms")
    claim = f"what a block with an assertion adds to it: at most {MOST_MILLISECONDS} ms"
    yield Verdict(claim, f"{alone - call:.2f} ms", alone - call <= MOST_MILLISECONDS)
    yield Verdict("what being an item of pytest adds to that", f"{item - alone:.2f} ms")
    yield Verdict("an empty test", f"{empty:.2f} ms")


def each(many: Series, one: Series) -> float:
    """Milliseconds for one more."""
    return (many.median - one.median) / (BLOCKS - 1) * 1000


async def run_engine(folder: Path, size: str) -> None:
    async with open_runtime() as runtime:
        results = await RunbookRun(runtime.open_document(folder / f"{size}.runbook.yaml"), runtime).run_all()
        assert {result.outcome for result in results} == {Outcome.PASSED}
