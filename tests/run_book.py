"""Blocks that a test writes as data, for the harness."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_runbook.document.document import Document
from pytest_runbook.document.runtime import Runtime
from pytest_runbook.document.settings import Settings
from pytest_runbook.execution.result import BlockResult
from tests.harness import Opened, ran, written

Block = Mapping[str, object]
NAME = "book.runbook.json"


@dataclass(frozen=True)
class Ran:
    """What came of the blocks, in their order; outputs are None where a block left none."""

    results: tuple[BlockResult, ...]
    outputs: tuple[Mapping[str, object] | None, ...]

    @classmethod
    def of(cls, book: Opened) -> Ran:
        results = tuple(book.run.results.values())
        return cls(results, tuple(book.document.output(result.block_id) for result in results))

    @property
    def result(self) -> BlockResult:
        """That of the last block."""
        return self.results[-1]

    @property
    def output(self) -> Mapping[str, object]:
        output = self.outputs[-1]
        assert output is not None, self.result
        return output


def text_of(*blocks: Block, **keys: object) -> str:
    """A runbook of these blocks. keys: further ones of the file."""
    return json.dumps({**keys, "blocks": blocks})


def open_book(runtime: Runtime, folder: Path, *blocks: Block, **keys: object) -> Document:
    """The same, open in a runtime of the caller's."""
    return runtime.open_document(written(folder, text_of(*blocks, **keys), NAME))


def run_book(folder: Path, *blocks: Block, settings: Settings | None = None, **keys: object) -> Ran:
    """Run these blocks, each whatever became of those before."""
    text = text_of(*blocks, **{"on_failure": "continue", **keys})
    return Ran.of(ran(folder, text, name=NAME, settings=settings))
