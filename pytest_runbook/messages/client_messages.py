"""Messages from an execution to its client: the pytest reporter, a terminal, an embedding program.

The kinds are those of the reference. `to_json` returns its wire form, for the standard library's json: a ``type`` with
its ``data``. The key ``hidden`` of a prompt is not in the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..context.json_form import JsonObject, wire_data
from ..context.resolver import ResolvedContext


class Lifecycle(StrEnum):
    """The stages of an execution."""

    STARTED = "started"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ERROR = "error"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOutput:
    """A piece of output of a running block. Exactly one field besides block_id is set.

    stdout, stderr: text as it arrives, with secrets masked. binary: the bytes of a terminal. data: structured data.
    detail: with a lifecycle: the execution's id, the error's message, or the exit code.
    """

    block_id: str
    stdout: str | None = None
    stderr: str | None = None
    binary: bytes | None = None
    data: Mapping[str, object] | None = None
    lifecycle: Lifecycle | None = None
    detail: object = None

    def to_json(self) -> JsonObject:
        output = {
            "block_id": self.block_id,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "lifecycle": None if self.lifecycle is None else self._lifecycle_json(self.lifecycle),
            "binary": None if self.binary is None else list(self.binary),
            "object": wire_data(self.data),
        }
        return _message("blockOutput", blockId=self.block_id, output=output)

    def _lifecycle_json(self, lifecycle: Lifecycle) -> JsonObject:
        data: dict[Lifecycle, object] = {
            Lifecycle.STARTED: self.detail,
            Lifecycle.FINISHED: {"exit_code": self.detail, "success": True},
            Lifecycle.ERROR: {"message": self.detail},
        }
        return {"type": str(lifecycle)} | ({"data": data[lifecycle]} if lifecycle in data else {})


@dataclass(frozen=True, slots=True)
class BlockStateChanged:
    """The visible state of a block has changed: the value of a display, resolved options, progress of a sub-runbook."""

    block_id: str
    state: Mapping[str, object]

    def to_json(self) -> JsonObject:
        return _message("blockStateChanged", blockId=self.block_id, state=wire_data(self.state))


@dataclass(frozen=True, slots=True)
class BlockContextUpdate:
    """The context above a block has changed."""

    block_id: str
    context: ResolvedContext

    def to_json(self) -> JsonObject:
        return _message("blockContextUpdate", blockId=self.block_id, context=wire_data(self.context.to_json()))


@dataclass(frozen=True, slots=True)
class BlockExecutionOutputChanged:
    """A block's ``output`` has been set, replaced or removed."""

    block_id: str

    def to_json(self) -> JsonObject:
        return _message("blockExecutionOutputChanged", blockId=self.block_id)


class InputKind(StrEnum):
    """The input of a prompt: a line, a longer text, or one of several choices."""

    STRING = "string"
    TEXT = "text"
    DROPDOWN = "dropdown"


@dataclass(frozen=True, slots=True)
class PromptOption:
    """A button or a choice: the label that is shown, and the value that is sent back."""

    label: str
    value: str

    def to_json(self) -> JsonObject:
        return {"label": self.label, "value": self.value, "variant": None, "color": None}


CANCEL = "cancel"
OK_OR_CANCEL = (PromptOption("OK", "ok"), PromptOption("Cancel", CANCEL))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPrompt:
    """A question to the user. The answer goes to `Document.answer` with the prompt's id.

    input: what to type or choose; None if only the buttons answer. choices: those of a dropdown.
    is_hidden: True if the input is a secret. icon: info, warning, error, success or question.
    """

    block_id: str
    execution_id: str
    prompt_id: str
    title: str
    prompt: str
    icon: str = "question"
    input: InputKind | None = None
    choices: tuple[PromptOption, ...] = ()
    is_hidden: bool = False
    buttons: tuple[PromptOption, ...] = ()

    def to_json(self) -> JsonObject:
        prompt = {
            "title": self.title,
            "prompt": self.prompt,
            "icon": {"type": self.icon},
            "input": None if self.input is None else self._input(self.input),
            "options": [button.to_json() for button in self.buttons],
            "hidden": self.is_hidden,
        }
        return _message("clientPrompt", executionId=self.execution_id, promptId=self.prompt_id, prompt=prompt)

    def _input(self, kind: InputKind) -> JsonObject:
        choices = [[choice.label, choice.value] for choice in self.choices]
        return {"type": str(kind)} | ({"data": choices} if kind is InputKind.DROPDOWN else {})


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """The user's answer: a button, and the input's value if the prompt has an input."""

    button: str
    value: str | None = None


ClientMessage = BlockOutput | BlockStateChanged | BlockContextUpdate | BlockExecutionOutputChanged | ClientPrompt


def _message(kind: str, **data: object) -> JsonObject:
    return {"type": kind, "data": data}
