"""Runs runbooks as tests. The engine behind it needs no pytest.

The names below are the public ones. Each is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .blocks.behavior import BlockBehavior as BlockBehavior
    from .blocks.registry import BlockPlugin as BlockPlugin
    from .blocks.registry import BlockRegistry as BlockRegistry
    from .context.answers import LocalValues as LocalValues
    from .context.block_context import BlockContext as BlockContext
    from .context.items import BlockExecutionOutput as BlockExecutionOutput
    from .context.items import DocumentCwd as DocumentCwd
    from .context.items import DocumentEnvVar as DocumentEnvVar
    from .context.items import DocumentEnvVars as DocumentEnvVars
    from .context.items import DocumentSshConfig as DocumentSshConfig
    from .context.items import DocumentSshHost as DocumentSshHost
    from .context.items import DocumentVar as DocumentVar
    from .context.items import DocumentVars as DocumentVars
    from .context.output import Output as Output
    from .context.resolver import ContextResolver as ContextResolver
    from .context.resolver import ResolvedContext as ResolvedContext
    from .context.storage import ContextStorage as ContextStorage
    from .context.storage import FileStorage as FileStorage
    from .context.storage import MemoryStorage as MemoryStorage
    from .context.storage import NoStorage as NoStorage
    from .context.storage import StoredContext as StoredContext
    from .document.document import Document as Document
    from .document.inputs import Inputs as Inputs
    from .document.run import RunbookRun as RunbookRun
    from .document.runtime import Runtime as Runtime
    from .document.runtime import open_runtime as open_runtime
    from .document.settings import DefaultDirectory as DefaultDirectory
    from .document.settings import Settings as Settings
    from .errors import AssertionsFailed as AssertionsFailed
    from .errors import BlockExecutionError as BlockExecutionError
    from .errors import BlockFailed as BlockFailed
    from .errors import BlockSkipped as BlockSkipped
    from .errors import Cancelled as Cancelled
    from .errors import ContextError as ContextError
    from .errors import FileError as FileError
    from .errors import InternalError as InternalError
    from .errors import InvalidValue as InvalidValue
    from .errors import Location as Location
    from .errors import Refused as Refused
    from .errors import RunbookError as RunbookError
    from .errors import TemplateError as TemplateError
    from .errors import TimedOut as TimedOut
    from .errors import Unreachable as Unreachable
    from .errors import UnreadableFile as UnreadableFile
    from .execution.child_runbooks import ChildReference as ChildReference
    from .execution.context import ExecutionContext as ExecutionContext
    from .execution.context import WorkResult as WorkResult
    from .execution.handle import ExecutionHandle as ExecutionHandle
    from .execution.report_details import ReportDetails as ReportDetails
    from .execution.result import AssertionTrace as AssertionTrace
    from .execution.result import AttemptGroup as AttemptGroup
    from .execution.result import BlockResult as BlockResult
    from .execution.result import Iteration as Iteration
    from .execution.result import Operand as Operand
    from .execution.result import Outcome as Outcome
    from .execution.result import OutputSection as OutputSection
    from .execution.result import Provenance as Provenance
    from .execution.result import Verdict as Verdict
    from .execution.time_limit import TimeLimit as TimeLimit
    from .messages.channel import CallbackChannel as CallbackChannel
    from .messages.channel import ClientMessageChannel as ClientMessageChannel
    from .messages.channel import MessageStream as MessageStream
    from .messages.client_messages import BlockContextUpdate as BlockContextUpdate
    from .messages.client_messages import BlockExecutionOutputChanged as BlockExecutionOutputChanged
    from .messages.client_messages import BlockOutput as BlockOutput
    from .messages.client_messages import BlockStateChanged as BlockStateChanged
    from .messages.client_messages import ClientMessage as ClientMessage
    from .messages.client_messages import ClientPrompt as ClientPrompt
    from .messages.client_messages import InputKind as InputKind
    from .messages.client_messages import Lifecycle as Lifecycle
    from .messages.client_messages import PromptAnswer as PromptAnswer
    from .messages.client_messages import PromptOption as PromptOption
    from .messages.events import Event as Event
    from .messages.events import EventBus as EventBus
    from .messages.events import EventKind as EventKind
    from .messages.status import ExecutionState as ExecutionState
    from .messages.status import ExecutionStatus as ExecutionStatus
    from .model.catalog import BlockType as BlockType
    from .model.catalog import Prop as Prop
    from .model.catalog import PropType as PropType
    from .model.loading import load_runbook as load_runbook
    from .model.prose import Prose as Prose
    from .model.runbook import BlockSpec as BlockSpec
    from .model.runbook import Effects as Effects
    from .model.runbook import Runbook as Runbook
    from .model.runbook import SecretSource as SecretSource
    from .policy.effects import Effect as Effect
    from .portal import EngineThread as EngineThread
    from .portal import OpenRunbook as OpenRunbook
    from .resources.process.login_environment import LoginShell as LoginShell
    from .resources.terminal.pty import PtyStore as PtyStore
    from .secrets.masker import Masker as Masker
    from .secrets.provenance import ContextValue as ContextValue
    from .secrets.provenance import Origin as Origin

_PUBLIC_NAMES = {
    "blocks.behavior": ("BlockBehavior",),
    "blocks.registry": (
        "BlockPlugin",
        "BlockRegistry",
    ),
    "context.answers": ("LocalValues",),
    "context.block_context": ("BlockContext",),
    "context.items": (
        "BlockExecutionOutput",
        "DocumentCwd",
        "DocumentEnvVar",
        "DocumentEnvVars",
        "DocumentSshConfig",
        "DocumentSshHost",
        "DocumentVar",
        "DocumentVars",
    ),
    "context.output": ("Output",),
    "context.resolver": (
        "ContextResolver",
        "ResolvedContext",
    ),
    "context.storage": (
        "ContextStorage",
        "FileStorage",
        "MemoryStorage",
        "NoStorage",
        "StoredContext",
    ),
    "document.document": ("Document",),
    "document.inputs": ("Inputs",),
    "document.run": ("RunbookRun",),
    "document.runtime": (
        "Runtime",
        "open_runtime",
    ),
    "document.settings": (
        "DefaultDirectory",
        "Settings",
    ),
    "errors": (
        "AssertionsFailed",
        "BlockExecutionError",
        "BlockFailed",
        "BlockSkipped",
        "Cancelled",
        "ContextError",
        "FileError",
        "InternalError",
        "InvalidValue",
        "Location",
        "Refused",
        "RunbookError",
        "TemplateError",
        "TimedOut",
        "Unreachable",
        "UnreadableFile",
    ),
    "execution.child_runbooks": ("ChildReference",),
    "execution.context": (
        "ExecutionContext",
        "WorkResult",
    ),
    "execution.handle": ("ExecutionHandle",),
    "execution.report_details": ("ReportDetails",),
    "execution.result": (
        "AssertionTrace",
        "AttemptGroup",
        "BlockResult",
        "Iteration",
        "Operand",
        "Outcome",
        "OutputSection",
        "Provenance",
        "Verdict",
    ),
    "execution.time_limit": ("TimeLimit",),
    "messages.channel": (
        "CallbackChannel",
        "ClientMessageChannel",
        "MessageStream",
    ),
    "messages.client_messages": (
        "BlockContextUpdate",
        "BlockExecutionOutputChanged",
        "BlockOutput",
        "BlockStateChanged",
        "ClientMessage",
        "ClientPrompt",
        "InputKind",
        "Lifecycle",
        "PromptAnswer",
        "PromptOption",
    ),
    "messages.events": (
        "Event",
        "EventBus",
        "EventKind",
    ),
    "messages.status": (
        "ExecutionState",
        "ExecutionStatus",
    ),
    "model.catalog": (
        "BlockType",
        "Prop",
        "PropType",
    ),
    "model.loading": ("load_runbook",),
    "model.prose": ("Prose",),
    "model.runbook": (
        "BlockSpec",
        "Effects",
        "Runbook",
        "SecretSource",
    ),
    "policy.effects": ("Effect",),
    "portal": (
        "EngineThread",
        "OpenRunbook",
    ),
    "resources.process.login_environment": ("LoginShell",),
    "resources.terminal.pty": ("PtyStore",),
    "secrets.masker": ("Masker",),
    "secrets.provenance": (
        "ContextValue",
        "Origin",
    ),
}
_MODULE_OF = {name: module for module, names in _PUBLIC_NAMES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
