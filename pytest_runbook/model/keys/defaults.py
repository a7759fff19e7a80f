"""The key ``defaults``: rules for all blocks of a file, unless a block has its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..catalog import BlockType
from ..runbook import BlockRules, BlockSpec

_BARE_SHELLS = frozenset({"bash", "sh", "dash", "ksh", "zsh"})


@dataclass(frozen=True, slots=True)
class Defaults:
    """rules: of every block that does work. shell_options: for scripts whose interpreter is a shell without options."""

    rules: BlockRules = field(default_factory=BlockRules)
    shell_options: str | None = None

    def rules_of(self, block_type: BlockType | None) -> BlockRules:
        """Return the rules with which a block of that type starts; empty ones if the type does no work."""
        return self.rules if block_type is None or block_type.is_item else BlockRules()

    def apply(self, spec: BlockSpec) -> BlockSpec:
        """Return the block with the options for its shell."""
        interpreter = str(spec.props.get("interpreter", "")).strip()
        if self.shell_options is None or spec.type != "script" or interpreter.rpartition("/")[2] not in _BARE_SHELLS:
            return spec
        command = f"{interpreter} {self.shell_options} -c"
        return replace(spec, props={**spec.props, "interpreter": command})
