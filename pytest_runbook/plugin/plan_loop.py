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
from ..document.plan import PlanMasker, PlannedBlock, PlannedProblem, Planner, RunbookPlan
from ..document.runtime import open_runtime, read_runbook
from ..errors import Location
from ..text import escape_controls, show_limit
from . import options as given
from .collection import BlockItem, RunbookNode, UnreadableItem, with_cell_values

if TYPE_CHECKING:
    from .session import RunbookSession

LABEL_WIDTH = 9
SHOWN_LINES = 12
NAME_WIDTH = 40
STDOUT = "-"


class PlanPrinter:
    """The plugin object that prints them."""

    def __init__(self, session: RunbookSession) -> None:
        self._runbook_session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Plan every runbook that was selected, in place of running anything."""
        unreadable = [item for item in session.items if isinstance(item, UnreadableItem)]
        nodes = dict.fromkeys(item.node for item in session.items if isinstance(item, BlockItem))
        masker = PlanMasker(self._runbook_session.masker.names)
        plans = anyio.run(self._make_plans, list(nodes), masker)
        faults = [_problem(error) for item in unreadable for error in item.error.errors]
        self._print(session.config, plans, faults, masker)
        session.testsfailed += len(faults) + sum(len(plan.all_problems) for plan in plans)
        return True

    async def _make_plans(self, nodes: Sequence[RunbookNode], masker: PlanMasker) -> list[RunbookPlan]:
        session = self._runbook_session
        async with open_runtime(
            session.settings, registry=session.registry, storage=NoStorage(), masker=masker
        ) as runtime:

            def read(path: Path, display_path: str) -> Any:
                return read_runbook(
                    path, session.registry, display_path=display_path, unknown_blocks=session.settings.unknown_blocks
                )

            plans = []
            for node in nodes:
                planner = Planner(
                    runtime=runtime,
                    read=read,
                    variable_provider=self._overrider(node, "runbook_vars"),
                    answer_provider=self._overrider(node, "runbook_answers"),
                )
                plans.append(self._plan(planner, node))
            return plans

    def _plan(self, planner: Planner, node: RunbookNode) -> RunbookPlan:
        assert node.runbook is not None, "it was collected"
        inputs = with_cell_values(node, self._runbook_session.options.inputs(node.path.parent, {}, {}, {}))
        cell = None if node.cell is None else node.name
        return planner.plan(node.runbook, inputs, not_run=self._runbook_session.unselected_blocks(node), cell=cell)

    def _overrider(self, node: RunbookNode, fixture: str) -> str | None:
        """The conftest.py, or plugin, whose fixture of that name counts for a runbook; None: nobody overrides ours."""
        config = self._runbook_session.config
        our_plugin = config.pluginmanager.get_plugin("runbook")
        for plugin in config.pluginmanager.get_plugins():
            if plugin is our_plugin or not hasattr(plugin, fixture) or plugin.__class__.__name__ != "module":
                continue
            path = Path(str(getattr(plugin, "__file__", "")))
            if path.name != "conftest.py":
                return f"fixture {fixture}"
            if node.path.is_relative_to(path.parent):
                return f"fixture {fixture} ({given.display_path(path, config)})"
        return None

    def _print(
        self,
        config: pytest.Config,
        plans: Sequence[RunbookPlan],
        faults: Sequence[PlannedProblem],
        masker: PlanMasker,
    ) -> None:
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        file = config.getoption("runbook_plan_json")
        if file is not None:
            text = as_json(plans, faults, masker)
            if file == STDOUT:
                reporter.write_line("")
                reporter.write_line(text)
                return
            (config.invocation_params.dir / file).write_text(text + "\n", encoding="utf-8")
        if config.getoption("runbook_plan"):
            reporter.write_line("")
            for line in lines_of(plans, faults):
                reporter.write_line(escape_controls(masker.mask(line)), red=line.lstrip().startswith("PROBLEM"))


def as_json(plans: Sequence[RunbookPlan], faults: Sequence[PlannedProblem], masker: PlanMasker) -> str:
    """All of it as JSON, without secrets."""
    known = {"runbooks": [plan.to_json() for plan in plans], "unreadable": [asdict(fault) for fault in faults]}
    return json.dumps(masker.mask_data(known), indent=2, ensure_ascii=False)


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
    heading = [plan.name] if plan.name else []
    heading += [f"cell {plan.cell}"] if plan.cell else []
    heading += [f"environment {plan.environment}"] if plan.environment else []
    heading += [f"limit {show_limit(plan.limit)}"] if plan.limit else []
    yield "  ".join((plan.path, *heading))
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
    yield f"{indent}{name:<{NAME_WIDTH}}  {kind}  {block.location}"
    inner = indent + "  "
    if block.action != "run":
        yield from _row("SKIPPED" if block.action == "skip" else "REFUSED", block.why or "", inner)
        return
    if block.why is not None:
        yield from _row("if", block.why.removeprefix("when "), inner)
    if block.loop is not None:
        yield from _row("loop", block.loop, inner)
    yield from (f"{inner}| {line}" for line in _truncated_lines(block.does))
    yield from _row("where", block.where or "", inner)
    for name, origin in block.unknown.items():
        yield from _row("unknown", f"{name} <- {origin}", inner)
    yield from _row("secrets", ", ".join(block.secrets), inner)
    yield from _row("sets", ", ".join(f"var.{name}" for name in block.sets), inner)
    for problem in block.problems:
        yield from _problem_lines(problem, inner)
    for child in block.blocks:
        yield from _lines_of_block(child, inner + "  ")


def _problem_lines(problem: PlannedProblem, indent: str) -> Iterator[str]:
    yield from _row("PROBLEM", f"{problem.message}  {problem.location}", indent)
    yield from _row("hint", problem.hint or "", indent)


def _truncated_lines(text: str) -> list[str]:
    lines = text.strip("\n").splitlines()
    more = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return [line.rstrip() for line in lines[:SHOWN_LINES]] + more


def _row(label: str, text: str, indent: str) -> Iterator[str]:
    if text:
        first, *rest = text.splitlines()
        yield f"{indent}{label:<{LABEL_WIDTH}}{first}"
        yield from (f"{indent}{'':<{LABEL_WIDTH}}{line}" for line in rest)


def _problem(error: Any) -> PlannedProblem:
    return PlannedProblem(message=error.message, location=str(error.location or Location("?")), hint=error.hint)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
