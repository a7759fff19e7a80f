"""Maps block types to the classes that run them. Each class is imported when a runbook first needs it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module

from ..model.block_types import BLOCK_TYPES
from ..model.catalog import BlockCatalog, BlockType
from .behavior import BlockBehavior

BUILT_IN = {
    "script": "script.Script",
    "run": "terminal.Terminal",
    "http": "http.Http",
    "prometheus": "prometheus.Prometheus",
    "sqlite": "sql.sqlite.Sqlite",
    "postgres": "sql.postgres.Postgres",
    "mysql": "sql.mysql.Mysql",
    "clickhouse": "sql.clickhouse.Clickhouse",
    "dropdown": "dropdown.Dropdown",
    "pause": "pause.Pause",
    "sub-runbook": "sub_runbook.SubRunbook",
    "kubernetes-get": "kubernetes.KubernetesGet",
    "var": "variables.Var",
    "local-var": "variables.LocalVar",
    "editor": "variables.Editor",
    "env": "context_blocks.Env",
    "directory": "context_blocks.Directory",
    "local-directory": "context_blocks.LocalDirectory",
    "host-select": "context_blocks.HostSelect",
    "ssh-connect": "context_blocks.SshConnect",
    "var_display": "display.VarDisplay",
    "markdown_render": "display.MarkdownRender",
}
"""Module and class in this package, by the name of the block type. Types that are not here can't be run yet."""


@dataclass(frozen=True, slots=True)
class BlockPlugin:
    """A block type from outside this package: its data, and the class that runs it."""

    block_type: BlockType
    behavior: type[BlockBehavior]


class BlockRegistry:
    """The block types that are available to one run.

    catalog: the data that the loaders need of each type.
    """

    def __init__(self, plugins: Iterable[BlockPlugin] = ()) -> None:
        self.catalog = BlockCatalog.of(BLOCK_TYPES)
        self._behaviors: dict[str, type[BlockBehavior]] = {}
        for plugin in plugins:
            self.add(plugin)

    def add(self, plugin: BlockPlugin) -> None:
        """Add a block type.

        :raises ValueError: if one of its names is taken.
        """
        self.catalog.add(plugin.block_type)
        self._behaviors[plugin.block_type.name] = plugin.behavior

    def behavior(self, type_name: str) -> type[BlockBehavior] | None:
        """Return the class that runs the type; None if there is none."""
        if type_name not in self._behaviors:
            if type_name not in BUILT_IN:
                return None
            module, _, name = BUILT_IN[type_name].rpartition(".")
            self._behaviors[type_name] = getattr(import_module(f"{__package__}.{module}"), name)
        return self._behaviors[type_name]
