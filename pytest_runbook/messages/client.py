"""What an execution says to its client: the pytest reporter, a terminal, an embedding program.

The kinds are those of the reference; `to_json` gives its wire form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..context.resolver import ResolvedContext


class Lifecycle(StrEnum):
    """The stations of an execution."""

    STARTED = "started"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ERROR = "error"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOutput:
    """A piece of what a running block gives. Exactly one of the fields beside block_id is set.

    stdout, stderr: text as it arrives, secrets masked. binary: a terminal's bytes. data: structured data.
    detail: with a lifecycle: the execution's id, the error's message, or the exit code.
    """

    block_id: str
    stdout: str | None = None
    stderr: str | None = None
    binary: bytes | None = None
    data: Mapping[str, object] | None = None
    lifecycle: Lifecycle | None = None
    detail: object = None


@dataclass(frozen=True, slots=True)
class BlockStateChanged:
    """What a block shows of itself changed: a display's value, resolved options, a sub-runbook's progress."""

    block_id: str
    state: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BlockContextUpdate:
    """What a block sees changed."""

    block_id: str
    context: ResolvedContext


@dataclass(frozen=True, slots=True)
class BlockExecutionOutputChanged:
    """A block's ``output`` is there, or gone."""

    block_id: str


class InputKind(StrEnum):
    """What a person is asked for: a line, a longer text, or one of several choices."""

    STRING = "string"
    TEXT = "text"
    DROPDOWN = "dropdown"


@dataclass(frozen=True, slots=True)
class PromptOption:
    """A button or a choice: what is shown, and what is sent back."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPrompt:
    """A question to a person. The answer goes to `ExecutionHandle.answer` with the prompt's id.

    input: what to type or choose; None where the buttons alone answer. choices: those of a dropdown.
    is_hidden: what is typed is a secret. icon: info, warning, error, success or question.
    """

    block_id: str
    prompt_id: str
    title: str
    prompt: str
    icon: str = "question"
    input: InputKind | None = None
    choices: tuple[PromptOption, ...] = ()
    is_hidden: bool = False
    buttons: tuple[PromptOption, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """What the person chose: a button, and the input's value where there was one."""

    button: str
    value: str | None = None


ClientMessage = BlockOutput | BlockStateChanged | BlockContextUpdate | BlockExecutionOutputChanged | ClientPrompt
