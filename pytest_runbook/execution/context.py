"""The execution context: everything that a block type may use while its block runs."""

from __future__ import annotations

import codecs
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.items import BlockExecutionOutput
from ..context.resolver import ContextResolver
from ..errors import BlockFailed, InvalidValue, RunbookError, TemplateError
from ..messages.channel import ClientMessageChannel, NullChannel
from ..messages.client_messages import BlockOutput, ClientPrompt, InputKind, Lifecycle, PromptAnswer, PromptOption
from ..messages.events import Event, EventBus, EventKind
from ..model.runbook import BlockSpec, Connection, Effects, SshAccess
from ..policy.effects import NO_LIMIT, EffectLimit
from ..resources.resources import Resources
from ..secrets.masker import Masker, StreamMasker
from ..secrets.provenance import ReadLog
from .child_runbooks import ChildOutcome, ChildProgress, ChildReference
from .handle import ExecutionHandle
from .report_details import ReportDetails

ContextChange = Callable[[BlockContext], None]
_LOSSLESS = "surrogateescape"  # bytes that are no UTF-8 come out as they went in


class ContextStore(Protocol):
    """Stores the contexts of all blocks. `Document` implements it."""

    def update_active_context(self, block_id: str, change: ContextChange) -> None: ...

    def update_passive_context(self, block_id: str, change: ContextChange) -> None: ...

    def clear_active_context(self, block_id: str) -> None: ...

    def show_state(self, block_id: str, state: Mapping[str, object]) -> None: ...


class ChildRunner(Protocol):
    """Runs sub-runbooks."""

    async def run_child(
        self, context: ExecutionContext, reference: ChildReference, report_progress: Callable[[ChildProgress], object]
    ) -> ChildOutcome:
        """Run a runbook to its end, within the time that is left for the block. If cancelled, run its clean-ups first.

        The runbook sees the context of the block. Its own contexts are not stored. The results so far are in the
        context's `report_details`, also while it runs.

        :raises RunbookError: if there is no such runbook, or it can't be read.
        """
        ...

    def answer(self, prompt_id: str, answer: PromptAnswer) -> None:
        """Answer a prompt of a block in a sub-runbook.

        :raises KeyError: if no running sub-runbook has a prompt of this id.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkResult:
    """The result of a block type's work.

    output: the keys of ``output``; None if the block has none.
    variables: in order; set unless the work fails, also if an assertion does.
    default_assertion: the assertion that every block of the type has (``output.exit_code == 0``); None if it has none.
    failure: the error if the default assertion does not hold. An assertion of the author about the same field replaces
    both.
    """

    output: Mapping[str, object] | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    default_assertion: str | None = None
    failure: RunbookError | None = None


@dataclass(slots=True, kw_only=True)
class ExecutionContext:
    """Everything that a running block may use.

    A block type gets it as the only argument of `execute`. It renders the block's props, sends output to the client,
    emits events, asks the user, and changes the contexts that the blocks below see. It also holds the resources that
    blocks share, such as connections and terminals. Output, states,
    events and the texts of prompts are masked; choices and buttons of a prompt are not.

    resolver: the context above the block; later changes do not affect it.
    folder: the folder of the runbook's file. root: blocks send files only from below `folder` or `root`.
    local_values: answers to the block. is_interactive: True if the client answers prompts.
    connections: databases by the names that the runbook uses. ssh: how to log in to its hosts.
    read_log: the values that the block has read so far.
    effect_limit: the strongest effect that is allowed.
    is_quiet: True for a block that is no item: it sends no lifecycle messages and no events of its start and end.
    """

    spec: BlockSpec
    runbook_id: str
    run_id: str
    folder: Path
    root: Path
    resolver: ContextResolver
    local_values: LocalValues
    handle: ExecutionHandle
    store: ContextStore
    children: ChildRunner
    resources: Resources
    masker: Masker
    channel: ClientMessageChannel
    events: EventBus
    connections: Mapping[str, Connection] = field(default_factory=dict)
    ssh: SshAccess = field(default_factory=SshAccess)
    is_interactive: bool = False
    effect_limit: EffectLimit = NO_LIMIT
    is_quiet: bool = False
    read_log: ReadLog = field(default_factory=ReadLog)
    report_details: ReportDetails = field(default_factory=ReportDetails)
    _streams: dict[str, _TextStream] = field(default_factory=dict)

    @property
    def read_only(self) -> bool:
        """True if nothing may be changed. Connections that have a read-only mode are opened in it."""
        return self.effect_limit.level is Effects.READ

    def render(self, prop: str, *, forbid_empty: bool = False) -> str:
        """Return a text prop, rendered; "" if the block does not have it.

        forbid_empty: a ``{{ }}`` in it that prints nothing is an error.

        :raises TemplateError: if it can't be rendered, with its line.
        """
        value = self.spec.props.get(prop)
        return self.render_text(value, prop, forbid_empty=forbid_empty) if isinstance(value, str) else ""

    def render_text(self, text: str, key: str, *, forbid_empty: bool = False) -> str:
        """Return a text at `key` of the block, rendered unless the block has `template: false`."""
        if not self.spec.rules.template:
            return text
        try:
            return self.resolver.resolve(text, self.read_log, forbid_empty=forbid_empty)
        except TemplateError as error:
            location = self.spec.location_of(key)
            raise error.with_location(location.shifted((error.line or 1) - 1), self.spec.label) from None

    def is_secret(self, text: str) -> bool:
        """Return True if a text must not appear on a command line: it holds a secret, or the block has read one."""
        return self.read_log.sensitive or self.masker.holds_secret(text)

    def require(self, prop: str, *, forbid_empty: bool = False) -> str:
        """Return a text prop that must not be empty, rendered.

        forbid_empty: a ``{{ }}`` in it that prints nothing is an error.

        :raises InvalidValue: if it is empty.
        """
        text = self.render(prop, forbid_empty=forbid_empty)
        if not text.strip():
            raise InvalidValue(
                f"`{prop}` is empty", location=self.spec.location_of(prop), hint=f"give the block its {prop}"
            )
        return text

    def file(self, prop: str, path: str) -> Path:
        """Return the absolute path of a file that a block sends. path: relative to the folder of its runbook.

        :raises BlockFailed: if there is none, or it lies outside of `folder` and `root`.
        """
        location = self.spec.location_of(prop)
        resolved = (self.folder / path.strip()).resolve()
        if not any(resolved.is_relative_to(folder.resolve()) for folder in (self.folder, self.root)):
            hint = f"files that are sent lie below {self.root}"
            raise BlockFailed(f"`{prop}` leads out of the project: {resolved}", location=location, hint=hint)
        if not resolved.is_file():
            raise BlockFailed(
                f"`{prop}`: there is no file {resolved}", location=location, hint=f"relative to {self.folder}"
            )
        if not os.access(resolved, os.R_OK):
            raise BlockFailed(
                f"`{prop}`: {resolved} can't be read", location=location, hint="look at its mode and owner"
            )
        return resolved

    def check_reachable(self, target: str) -> None:
        """Fail at once if an earlier block could not reach a target. A block with `retry` always tries.

        :raises KnownUnreachable: if an earlier block could not reach it.
        """
        if self.spec.rules.retry is None:
            self.resources.reachability.check(target)

    def block_started(self) -> None:
        self._announce(Lifecycle.STARTED, self.handle.id if self.has_listener else None, EventKind.BLOCK_STARTED, {})

    def block_finished(self, exit_code: int | None = None, *, success: bool = True) -> None:
        self._announce(Lifecycle.FINISHED, exit_code, EventKind.BLOCK_FINISHED, {"success": success})

    def block_failed(self, message: str) -> None:
        message = self.masker.mask(message)
        self._announce(Lifecycle.ERROR, message, EventKind.BLOCK_FAILED, {"error": message})

    def block_cancelled(self) -> None:
        self._announce(Lifecycle.CANCELLED, None, EventKind.BLOCK_CANCELLED, {})

    def block_paused(self) -> None:
        self._announce(Lifecycle.PAUSED, None, EventKind.SERIAL_EXECUTION_PAUSED, {})

    def update_active_context(self, change: ContextChange) -> None:
        """Change what this execution leaves to the blocks below. They see it at once."""
        self.store.update_active_context(self.spec.id, change)

    def update_passive_context(self, change: ContextChange) -> None:
        """Change the declaration of the block, until its document changes."""
        self.store.update_passive_context(self.spec.id, change)

    def clear_active_context(self) -> None:
        self.store.clear_active_context(self.spec.id)

    def set_output(self, output: Mapping[str, object]) -> None:
        """Set the block's ``output``."""
        item = BlockExecutionOutput(output, sensitive=self.spec.rules.sensitive)
        self.update_active_context(lambda context: context.insert(item))

    @property
    def has_listener(self) -> bool:
        """False if no client gets the messages, so that they need not be made."""
        return not isinstance(self.channel, NullChannel)

    def send_output(
        self,
        stdout: bytes = b"",
        stderr: bytes = b"",
        *,
        binary: bytes = b"",
        data: Mapping[str, object] | None = None,
    ) -> None:
        """Send output to the client as it arrives: masked, and with characters that are split over chunks put together.

        binary: output of a terminal, masked as well.
        Nothing is sent for a block that is marked as sensitive.
        """
        if not self.has_listener or self.spec.rules.sensitive:
            return
        for name, chunk in (("stdout", stdout), ("stderr", stderr), ("binary", binary)):
            if chunk and (text := self._stream(name).feed(chunk)):
                self._send_text(name, text)
        if data is not None:
            self.channel.send(BlockOutput(block_id=self.spec.id, data=self._masked(data)))

    def finish_output(self) -> None:
        """Send the output that was held back because a secret or a character might not have been complete."""
        for name, stream in self._streams.items():
            if text := stream.finish():
                self._send_text(name, text)
        self._streams.clear()

    def set_state(self, state: Mapping[str, object]) -> None:
        """Set the visible state of the block: its options, its progress."""
        self.store.show_state(self.spec.id, self._masked(state))

    def emit_event(self, kind: EventKind, data: Mapping[str, object]) -> None:
        """Emit an event of this block, with its ids."""
        if self.events.has_subscribers:
            ids = {"block_id": self.spec.id, "runbook_id": self.runbook_id, "run_id": self.run_id}
            self.events.emit(Event(kind, self._masked({**ids, **data})))

    async def prompt_client(
        self,
        title: str,
        prompt: str,
        *,
        input: InputKind | None = None,
        choices: Sequence[PromptOption] = (),
        is_hidden: bool = False,
        buttons: Sequence[PromptOption] = (),
    ) -> PromptAnswer:
        """Ask the user something and wait for the answer. There is no deadline but the block's."""
        prompt_id = str(uuid.uuid4())
        question = ClientPrompt(
            block_id=self.spec.id,
            execution_id=self.handle.id,
            prompt_id=prompt_id,
            title=self.masker.mask(title),
            prompt=self.masker.mask(prompt),
            input=input,
            choices=tuple(choices),
            is_hidden=is_hidden,
            buttons=tuple(buttons),
        )
        return await self.handle.ask(question, self.channel.send)

    def _announce(self, lifecycle: Lifecycle, detail: object, kind: EventKind, data: Mapping[str, object]) -> None:
        if self.is_quiet:
            return
        if self.has_listener:
            self.channel.send(BlockOutput(block_id=self.spec.id, lifecycle=lifecycle, detail=detail))
        self.emit_event(kind, data)

    def _masked(self, data: Mapping[str, object]) -> dict[str, object]:
        return {key: self.masker.mask_data(value) for key, value in data.items()}

    def _stream(self, name: str) -> _TextStream:
        errors = _LOSSLESS if name == "binary" else "replace"
        return self._streams.setdefault(name, _TextStream(self.masker.stream(), errors))

    def _send_text(self, name: str, text: str) -> None:
        piece: dict[str, Any] = {name: text.encode(errors=_LOSSLESS) if name == "binary" else text}
        self.channel.send(BlockOutput(block_id=self.spec.id, **piece))


class _TextStream:
    """Decodes bytes that arrive in chunks, and masks the text."""

    def __init__(self, masked: StreamMasker, errors: str) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._masked = masked

    def feed(self, chunk: bytes) -> str:
        return self._masked.feed(self._decoder.decode(chunk))

    def finish(self) -> str:
        return self._masked.feed(self._decoder.decode(b"", final=True)) + self._masked.finish()
