"""Runs blocks that a test writes as data, through the whole engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio

from pytest_runbook.document.document import Document
from pytest_runbook.document.run import RunbookRun
from pytest_runbook.document.runtime import Runtime, open_runtime
from pytest_runbook.document.settings import Settings
from pytest_runbook.execution.result import BlockResult

Block = Mapping[str, object]


@dataclass(frozen=True)
class Ran:
    """What came of the blocks, in their order; outputs are None where a block left none."""

    results: tuple[BlockResult, ...]
    outputs: tuple[Mapping[str, object] | None, ...]

    @property
    def result(self) -> BlockResult:
        """That of the last block."""
        return self.results[-1]

    @property
    def output(self) -> Mapping[str, object]:
        output = self.outputs[-1]
        assert output is not None, self.result
        return output


def written(folder: Path, *blocks: Block, **keys: object) -> Path:
    """A runbook of these blocks as a file. keys: further ones of the file."""
    path = folder / "book.runbook.json"
    path.write_text(json.dumps({**keys, "blocks": blocks}))
    return path


def open_book(runtime: Runtime, folder: Path, *blocks: Block, **keys: object) -> Document:
    """The same, open."""
    return runtime.open_document(written(folder, *blocks, **keys))


def run_book(folder: Path, *blocks: Block, settings: Settings | None = None, **keys: object) -> Ran:
    """Run these blocks, each whatever became of those before."""
    path = written(folder, *blocks, **{"on_failure": "continue", **keys})
    return run_file(path, settings or Settings(root=folder))


def run_file(path: Path, settings: Settings | None = None) -> Ran:
    """Run a file's blocks."""

    async def run() -> Ran:
        async with open_runtime(settings) as runtime:
            document = runtime.open_document(path)
            results = await RunbookRun(document, runtime).run_all()
            return Ran(results, tuple(document.output(result.block_id) for result in results))

    return anyio.run(run)
