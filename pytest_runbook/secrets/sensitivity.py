"""Which of the values that a document holds are secret: those that are said to be, and those whose names say so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..context.block_context import BlockContext
from ..context.items import DocumentEnvVar, DocumentEnvVars, DocumentSshConfig, DocumentVar, DocumentVars
from ..context.resolver import Values
from ..document.inputs import Inputs
from .masker import Masker
from .provenance import ContextValue

_VAR, _ENV = "var", "env"


@dataclass(frozen=True, slots=True)
class SensitivityMarker:
    """Marks them, and tells the masker what must not be seen."""

    masker: Masker

    def mark_value(self, root: str, name: str, value: ContextValue) -> ContextValue:
        """A value as it is called in templates: ``env`` and ``PASSWORD``."""
        if value.sensitive:
            self.masker.add_data(value.value, f"{root}.{name}")
        elif self.masker.add_if_sensitive(name, value.value, f"{root}."):
            return replace(value, sensitive=True)
        return value

    def mark_values(self, root: str, values: Values) -> dict[str, ContextValue]:
        return {name: self.mark_value(root, name, value) for name, value in values.items()}

    def mark_inputs(self, inputs: Inputs) -> Inputs:
        """What is given to a runbook from outside."""
        return replace(
            inputs,
            fixed=self.mark_values(_VAR, inputs.fixed),
            cell=self.mark_values(_VAR, inputs.cell),
            vars=self.mark_values(_VAR, inputs.vars),
            env=self.mark_values(_ENV, inputs.env),
            answers=tuple(self.mark_values("answer", layer) for layer in inputs.answers),
        )

    def mark_context(self, context: BlockContext) -> None:
        """What a block tells the blocks below."""
        for item in context:
            match item:
                case DocumentVar():
                    context.insert(self._var(item))
                case DocumentEnvVar():
                    context.insert(self._env_var(item))
                case DocumentVars(values):
                    context.insert(DocumentVars(tuple(map(self._var, values))))
                case DocumentEnvVars(values):
                    context.insert(DocumentEnvVars(tuple(map(self._env_var, values))))
                case DocumentSshConfig():
                    for name, value in item.secrets().items():
                        self.masker.add(str(value.value), name)

    def _var(self, item: DocumentVar) -> DocumentVar:
        return replace(item, value=self.mark_value(_VAR, item.name, item.value))

    def _env_var(self, item: DocumentEnvVar) -> DocumentEnvVar:
        return replace(item, value=self.mark_value(_ENV, item.name, item.value))
