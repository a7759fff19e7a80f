"""What a file says for all of its blocks, unless a block says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..catalog import BlockType
from ..runbook import BlockRules, BlockSpec
from ..source.mapping_reader import MappingReader

_BARE_SHELLS = frozenset({"bash", "sh", "dash", "ksh", "zsh"})
DEFAULT_KEYS = ("timeout", "retry", "on_failure", "below", "effects", "sensitive", "template")
SHELL_OPTIONS = "shell_options"


@dataclass(frozen=True, slots=True)
class Defaults:
    """rules: of every block that does work. shell_options: for scripts whose interpreter is a shell without options."""

    rules: BlockRules = field(default_factory=BlockRules)
    shell_options: str | None = None

    def rules_of(self, block_type: BlockType | None) -> BlockRules:
        """What a block of that type starts with; nothing where the block does no work."""
        return self.rules if block_type is None or block_type.is_item else BlockRules()

    def apply(self, spec: BlockSpec) -> BlockSpec:
        """The block with the options of its shell."""
        interpreter = str(spec.props.get("interpreter", "")).strip()
        if self.shell_options is None or spec.type != "script" or interpreter.rpartition("/")[2] not in _BARE_SHELLS:
            return spec
        command = f"{interpreter} {self.shell_options} -c"
        return replace(spec, props={**spec.props, "interpreter": command})


def shell_options(reader: MappingReader) -> str | None:
    return reader.text(SHELL_OPTIONS) if SHELL_OPTIONS in reader.values else None
