"""What would run where, printed in place of running it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ..context.storage import NoStorage
from ..document.plan import PlannedBlock, PlannedProblem, Planner, PlanRedactor, RunbookPlan
from ..document.runtime import open_runtime, read_runbook
from ..errors import Place
from ..text import escape_controls, show_limit
from . import options as given
from .collection import BlockItem, RunbookNode, UnreadableItem, in_cell

if TYPE_CHECKING:
    from .session import RunbookSession

LABEL_WIDTH = 9
SHOWN_LINES = 12
NAME_WIDTH = 40
STDOUT = "-"


class Plans:
    """The plugin object that prints them."""

    def __init__(self, books: RunbookSession) -> None:
        self._books = books

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Plan every runbook that was selected, in place of running anything."""
        unreadable = [item for item in session.items if isinstance(item, UnreadableItem)]
        nodes = dict.fromkeys(item.node for item in session.items if isinstance(item, BlockItem))
        redactor = PlanRedactor(self._books.redactor.names)
        plans = anyio.run(self._plans, list(nodes), redactor)
        faults = [_problem(error) for item in unreadable for error in item.error.errors]
        self._tell(session.config, plans, faults, redactor)
        session.testsfailed += len(faults) + sum(len(plan.all_problems) for plan in plans)
        return True

    async def _plans(self, nodes: Sequence[RunbookNode], redactor: PlanRedactor) -> list[RunbookPlan]:
        books = self._books
        async with open_runtime(
            books.settings, registry=books.registry, storage=NoStorage(), redactor=redactor
        ) as runtime:

            def read(path: Path, shown: str) -> Any:
                return read_runbook(path, books.registry, shown=shown, unknown_blocks=books.settings.unknown_blocks)

            plans = []
            for node in nodes:
                planner = Planner(
                    runtime=runtime,
                    read=read,
                    others=self._overrider(node, "runbook_vars"),
                    answers_others=self._overrider(node, "runbook_answers"),
                )
                plans.append(self._plan(planner, node))
            return plans

    def _plan(self, planner: Planner, node: RunbookNode) -> RunbookPlan:
        assert node.book is not None, "it was collected"
        inputs = in_cell(node, self._books.given.inputs(node.path.parent, {}, {}, {}))
        cell = None if node.cell is None else node.name
        return planner.plan(node.book, inputs, left_out=self._books.gaps(node), cell=cell)

    def _overrider(self, node: RunbookNode, fixture: str) -> str | None:
        """The conftest.py, or plugin, whose fixture of that name counts for a runbook; None: nobody overrides ours."""
        config = self._books.config
        ours = config.pluginmanager.get_plugin("runbook")
        for plugin in config.pluginmanager.get_plugins():
            if plugin is ours or not hasattr(plugin, fixture) or plugin.__class__.__name__ != "module":
                continue
            path = Path(str(getattr(plugin, "__file__", "")))
            if path.name != "conftest.py":
                return f"fixture {fixture}"
            if node.path.is_relative_to(path.parent):
                return f"fixture {fixture} ({given.shown_path(path, config)})"
        return None

    def _tell(
        self,
        config: pytest.Config,
        plans: Sequence[RunbookPlan],
        faults: Sequence[PlannedProblem],
        redactor: PlanRedactor,
    ) -> None:
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        file = config.getoption("runbook_plan_json")
        if file is not None:
            text = as_json(plans, faults, redactor)
            if file == STDOUT:
                reporter.write_line("")
                reporter.write_line(text)
                return
            (config.invocation_params.dir / file).write_text(text + "\n", encoding="utf-8")
        if config.getoption("runbook_plan"):
            reporter.write_line("")
            for line in lines_of(plans, faults):
                reporter.write_line(escape_controls(redactor.redact(line)), red=line.lstrip().startswith("PROBLEM"))


def as_json(plans: Sequence[RunbookPlan], faults: Sequence[PlannedProblem], redactor: PlanRedactor) -> str:
    """All of it as JSON, without secrets."""
    known = {"runbooks": [plan.to_json() for plan in plans], "unreadable": [asdict(fault) for fault in faults]}
    return json.dumps(redactor.redact_data(known), indent=2, ensure_ascii=False)


def lines_of(plans: Sequence[RunbookPlan], faults: Sequence[PlannedProblem]) -> Iterator[str]:
    """All of it, as people read it."""
    for plan in plans:
        yield from _lines_of_plan(plan)
        yield ""
    for fault in faults:
        yield from _problem_lines(fault, "")
    count = len(faults) + sum(len(plan.all_problems) for plan in plans)
    blocks = sum(block.action == "run" for plan in plans for block in plan.blocks)
    what = f"{_count(blocks, 'block')} of {_count(len(plans), 'runbook')} would run"
    yield f"plan: {what}, {_count(count, 'problem')}" if count else f"plan: {what}, no problems found"


def _lines_of_plan(plan: RunbookPlan) -> Iterator[str]:
    said = [plan.name] if plan.name else []
    said += [f"cell {plan.cell}"] if plan.cell else []
    said += [f"environment {plan.environment}"] if plan.environment else []
    said += [f"limit {show_limit(plan.limit)}"] if plan.limit else []
    yield "  ".join((plan.path, *said))
    if plan.requires:
        yield from _row("requires", ", ".join(plan.requires), "  ")
    for problem in plan.problems:
        yield from _problem_lines(problem, "  ")
    for block in plan.blocks:
        yield from _lines_of_block(block, "  ")


def _lines_of_block(block: PlannedBlock, indent: str) -> Iterator[str]:
    name = f"{block.number} {block.name}".strip() or str(block.number)
    kind = f"{block.type}, {block.effects or 'effects unknown'}, limit {show_limit(block.limit)}"
    kind += ", clean-up" if block.is_cleanup else ""
    yield f"{indent}{name:<{NAME_WIDTH}}  {kind}  {block.place}"
    inner = indent + "  "
    if block.action != "run":
        yield from _row("SKIPPED" if block.action == "skip" else "REFUSED", block.why or "", inner)
        return
    if block.why is not None:
        yield from _row("if", block.why.removeprefix("when "), inner)
    if block.loop is not None:
        yield from _row("loop", block.loop, inner)
    yield from (f"{inner}| {line}" for line in _shown(block.does))
    yield from _row("where", block.where or "", inner)
    for name, giver in block.unknown.items():
        yield from _row("unknown", f"{name} <- {giver}", inner)
    yield from _row("secrets", ", ".join(block.secrets), inner)
    yield from _row("sets", ", ".join(f"var.{name}" for name in block.sets), inner)
    for problem in block.problems:
        yield from _problem_lines(problem, inner)
    for child in block.blocks:
        yield from _lines_of_block(child, inner + "  ")


def _problem_lines(problem: PlannedProblem, indent: str) -> Iterator[str]:
    yield from _row("PROBLEM", f"{problem.message}  {problem.place}", indent)
    yield from _row("hint", problem.hint or "", indent)


def _shown(text: str) -> list[str]:
    lines = text.strip("\n").splitlines()
    more = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return [line.rstrip() for line in lines[:SHOWN_LINES]] + more


def _row(label: str, text: str, indent: str) -> Iterator[str]:
    if text:
        first, *rest = text.splitlines()
        yield f"{indent}{label:<{LABEL_WIDTH}}{first}"
        yield from (f"{indent}{'':<{LABEL_WIDTH}}{line}" for line in rest)


def _problem(error: Any) -> PlannedProblem:
    return PlannedProblem(message=error.message, place=str(error.place or Place("?")), hint=error.hint)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
