"""The text and the JSON of plans: `--runbook-plan` and `--runbook-plan-json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from ...document.plan import PlanMasker, PlannedBlock, PlannedProblem, RunbookPlan
from ...text import escape_json_controls, show_limit
from .prose_texts import prose_rows
from .text_rows import counted, labelled_rows

SHOWN_LINES = 12
NAME_WIDTH = 40


def plan_json(plans: Sequence[RunbookPlan], file_problems: Sequence[PlannedProblem], masker: PlanMasker) -> str:
    """Return the plans as JSON, with secrets masked.

    file_problems: the errors of files that could not be read.
    """
    known = {
        "runbooks": [plan.to_json() for plan in plans],
        "unreadable": [asdict(problem) for problem in file_problems],
    }
    # JSON escapes only some of the characters that act on a terminal; all other text stays readable.
    return escape_json_controls(json.dumps(masker.mask_data(known), indent=2, ensure_ascii=False))


def plan_lines(plans: Sequence[RunbookPlan], file_problems: Sequence[PlannedProblem]) -> Iterator[str]:
    """Yield the lines of the plans as text, not masked yet.

    file_problems: the errors of files that could not be read.
    """
    for plan in plans:
        yield from _plan_lines(plan)
        yield ""
    for problem in file_problems:
        yield from _problem_lines(problem, "")
    count = len(file_problems) + sum(len(plan.all_problems) for plan in plans)
    blocks = sum(block.action == "run" for plan in plans for block in plan.blocks)
    what = f"{counted(blocks, 'block')} of {counted(len(plans), 'runbook')} would run"
    yield f"plan: {what}, {counted(count, 'problem')}" if count else f"plan: {what}, no problems found"


def _plan_lines(plan: RunbookPlan) -> Iterator[str]:
    heading = [plan.name] if plan.name else []
    heading += [f"cell {plan.cell}"] if plan.cell else []
    heading += [f"environment {plan.environment}"] if plan.environment else []
    heading += [f"limit {show_limit(plan.limit)}"] if plan.limit else []
    yield "  ".join((plan.path, *heading))
    yield from prose_rows(plan.prose)
    if plan.requires:
        yield from labelled_rows("requires", ", ".join(plan.requires), "  ")
    for problem in plan.problems:
        yield from _problem_lines(problem, "  ")
    for block in plan.blocks:
        yield from _block_lines(block, "  ", plan.prose)


def _block_lines(block: PlannedBlock, indent: str, shown_prose: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a block and of those that it runs. shown_prose: what is shown above it already."""
    name = f"{block.number} {block.name}".strip() or str(block.number)
    kind = f"{block.type}, {block.effects or 'effects unknown'}, limit {show_limit(block.limit)}"
    kind += ", clean-up" if block.is_cleanup else ""
    yield f"{indent}{name:<{NAME_WIDTH}}  {kind}  {block.location}"
    inner = indent + "  "
    if block.action != "run":
        yield from labelled_rows("SKIPPED" if block.action == "skip" else "REFUSED", block.why or "", inner)
        return
    if block.why is not None:
        yield from labelled_rows("if", block.why.removeprefix("when "), inner)
    if block.loop is not None:
        yield from labelled_rows("loop", block.loop, inner)
    yield from prose_rows(block.prose, shown=shown_prose, indent=inner)
    yield from (f"{inner}| {line}" for line in _truncated_lines(block.does))
    yield from labelled_rows("where", block.where or "", inner)
    for name, origin in block.unknown.items():
        yield from labelled_rows("unknown", f"{name} <- {origin}", inner)
    yield from labelled_rows("secrets", ", ".join(block.secrets), inner)
    yield from labelled_rows("sets", ", ".join(f"var.{name}" for name in block.sets), inner)
    for problem in block.problems:
        yield from _problem_lines(problem, inner)
    for child in block.blocks:
        yield from _block_lines(child, inner + "  ", {**shown_prose, **block.prose})


def _problem_lines(problem: PlannedProblem, indent: str) -> Iterator[str]:
    yield from labelled_rows("PROBLEM", f"{problem.message}  {problem.location}", indent)
    yield from labelled_rows("hint", problem.hint or "", indent)


def _truncated_lines(text: str) -> list[str]:
    lines = text.strip("\n").splitlines()
    more = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return [line.rstrip() for line in lines[:SHOWN_LINES]] + more
