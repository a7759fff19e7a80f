"""Prints what would run where, in place of running it: `--runbook-plan` and `--runbook-plan-json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from ..context.storage import NoStorage
from ..document.plan import PlanMasker, PlannedProblem, Planner, RunbookPlan
from ..document.runtime import open_runtime, read_runbook
from ..errors import Location
from ..text import escape_controls
from .collection import BlockItem, RunbookNode, UnreadableItem, with_cell_values
from .options import display_path, flag
from .reports.plan import plan_json, plan_lines
from .reports.text_rows import with_labels
from .selection import unselected_blocks

if TYPE_CHECKING:
    from ..blocks.registry import BlockRegistry
    from ..document.settings import Settings
    from ..errors import RunbookError
    from ..model.runbook import Runbook
    from ..secrets.names import SensitiveNames
    from .options import RunbookOptions

STDOUT = "-"


class PlanPrinter:
    """The plugin object that plans the selected runbooks and prints their plans."""

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        registry: BlockRegistry,
        names: SensitiveNames,
        options: RunbookOptions,
    ) -> None:
        self._config = config
        self._settings = settings
        self._registry = registry
        self._names = names
        self._options = options

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Print the plan of every selected runbook, and run nothing. A problem counts as a failed test."""
        unreadable = [item for item in session.items if isinstance(item, UnreadableItem)]
        nodes = dict.fromkeys(item.node for item in session.items if isinstance(item, BlockItem))
        masker = PlanMasker(self._names)
        plans = anyio.run(self._make_plans, list(nodes), masker)
        file_problems = [_problem(error) for item in unreadable for error in item.error.errors]
        self._print(plans, file_problems, masker)
        session.testsfailed += len(file_problems) + sum(len(plan.all_problems) for plan in plans)
        return True

    async def _make_plans(self, nodes: Sequence[RunbookNode], masker: PlanMasker) -> list[RunbookPlan]:
        settings, registry = self._settings, self._registry

        def read(path: Path, display_path: str) -> Runbook:
            return read_runbook(path, registry, display_path=display_path, unknown_blocks=settings.unknown_blocks)

        async with open_runtime(settings, registry=registry, storage=NoStorage(), masker=masker) as runtime:
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
        inputs = with_cell_values(node, self._options.inputs(node.path.parent, {}, {}, {}))
        cell = None if node.cell is None else node.name
        not_run = unselected_blocks(node, self._registry.catalog, is_alone=flag(self._config, "alone"))
        return planner.plan(node.runbook, inputs, not_run=not_run, cell=cell)

    def _overrider(self, node: RunbookNode, fixture: str) -> str | None:
        """Return which conftest.py or plugin overrides a fixture of ours for a runbook; None: none does."""
        config = self._config
        our_plugin = config.pluginmanager.get_plugin("runbook")
        for plugin in config.pluginmanager.get_plugins():
            if plugin is our_plugin or not hasattr(plugin, fixture) or plugin.__class__.__name__ != "module":
                continue
            path = Path(str(getattr(plugin, "__file__", "")))
            if path.name != "conftest.py":
                return f"fixture {fixture}"
            if node.path.is_relative_to(path.parent):
                return f"fixture {fixture} ({display_path(path, config)})"
        return None

    def _print(self, plans: Sequence[RunbookPlan], file_problems: Sequence[PlannedProblem], masker: PlanMasker) -> None:
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        file = self._config.getoption("runbook_plan_json")
        if file is not None:
            text = plan_json(plans, file_problems, masker)
            if file == STDOUT:
                reporter.write_line("")
                reporter.write_line(text)
                return
            (self._config.invocation_params.dir / file).write_text(text + "\n", encoding="utf-8")
        if self._config.getoption("runbook_plan"):
            reporter.write_line("")
            for line, is_row in with_labels(plan_lines(plans, file_problems)):
                is_red = is_row and line.lstrip().startswith("PROBLEM")
                reporter.write_line(escape_controls(masker.mask(line)), red=is_red)


def _problem(error: RunbookError) -> PlannedProblem:
    return PlannedProblem(message=error.message, location=str(error.location or Location("?")), hint=error.hint)
