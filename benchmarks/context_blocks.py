"""More and more context blocks above one script: the cost of a block must not grow with the number above it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .measure import Finding, pytest_process, ratio, run_rounds

ROUNDS = 3
SIZES = (1_000, 2_500, 5_000, 10_000)


def findings(folder: Path) -> Iterator[Finding]:
    for size in (1, *SIZES):
        (folder / f"context_{size}.runbook.yaml").write_text(runbook(size))
    series_by_name = run_rounds(
        ROUNDS,
        {f"{size:,} context blocks": pytest_process(folder, f"context_{size}.runbook.yaml") for size in (1, *SIZES)},
    )
    least, *medians = (series.median for series in series_by_name.values())
    each = [(median - least) / size for size, median in zip(SIZES, medians, strict=True)]
    for size, seconds in zip(SIZES, each, strict=True):
        yield Finding(f"the cost of a context block in a runbook of {size:,}", f"{seconds * 1000:.3f} ms")
    yield ratio(f"that cost in {SIZES[-1]:,} / in {SIZES[0]:,}: at most 1.50", each[-1], each[0], at_most=1.5)


def runbook(size: int) -> str:
    """Return a runbook of blocks that read the same variable and set one each, and a script that checks the last."""
    blocks = (f'  - vars: {{v{number}: "{{{{ var.base }}}}/{number % 10}"}}\n' for number in range(size))
    last = f"  - script: test '{{{{ var.v{size - 1} }}}}' = /srv/{(size - 1) % 10}\n"
    return "vars: {base: /srv}\nblocks:\n" + "".join(blocks) + last
