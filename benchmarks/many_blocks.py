"""Many blocks of one type that query a server, against the unavoidable part: as many bare calls of the driver."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio

from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import open_runtime
from pytest_runbook.execution.result import Outcome

from .measure import Finding, Series, in_process, pytest_process, run_rounds

ROUNDS = 5
BLOCKS = 500
MAX_MILLISECONDS = 0.7


def compare(folder: Path, name: str, block: str, calls: Callable[[int], Awaitable[None]]) -> Iterator[Finding]:
    """Measure what a block adds to a bare call, and what a pytest item adds to a block.

    name: the block type's display name. block: its YAML, one entry of a list. calls: makes that many bare calls.
    """
    for size, count in {"many": BLOCKS, "one": 1}.items():
        (folder / f"{size}.runbook.yaml").write_text("blocks:\n" + block * count)
        (folder / f"test_{size}.py").write_text("".join(f"def test_{number}(): pass\n" for number in range(count)))
    series_by_name = run_rounds(
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
    series = list(series_by_name.values())
    item, alone, call, empty = (each(*pair) for pair in zip(series[::2], series[1::2], strict=True))
    yield Finding(f"a bare call for {name}", f"{call:.2f} ms")
    claim = f"what a block with an assertion adds to it: at most {MAX_MILLISECONDS} ms"
    yield Finding(claim, f"{alone - call:.2f} ms", alone - call <= MAX_MILLISECONDS)
    yield Finding("what a pytest item adds to that", f"{item - alone:.2f} ms")
    yield Finding("an empty test", f"{empty:.2f} ms")


def each(many: Series, one: Series) -> float:
    """Return the milliseconds that one more block or call takes."""
    return (many.median - one.median) / (BLOCKS - 1) * 1000


async def run_engine(folder: Path, size: str) -> None:
    async with open_runtime() as runtime:
        results = await RunbookRun(runtime.open_document(folder / f"{size}.runbook.yaml"), runtime).run_all()
        assert {result.outcome for result in results} == {Outcome.PASSED}
