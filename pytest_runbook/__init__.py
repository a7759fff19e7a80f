"""Runbooks as tests, and the engine that runs them, which needs no pytest.

The names below are the public ones; each is imported from its home when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .blocking import EngineThread as EngineThread
    from .blocking import OpenRunbook as OpenRunbook
    from .blocks.behavior import BlockBehavior as BlockBehavior
    from .blocks.effect import Effect as Effect
    from .blocks.registry import BlockPlugin as BlockPlugin
    from .blocks.registry import BlockRegistry as BlockRegistry
    from .context.block_context import BlockContext as BlockContext
    from .context.items import BlockExecutionOutput as BlockExecutionOutput
    from .context.items import DocumentCwd as DocumentCwd
    from .context.items import DocumentEnvVar as DocumentEnvVar
    from .context.items import DocumentEnvVars as DocumentEnvVars
    from .context.items import DocumentSshConfig as DocumentSshConfig
    from .context.items import DocumentSshHost as DocumentSshHost
    from .context.items import DocumentVar as DocumentVar
    from .context.items import DocumentVars as DocumentVars
    from .context.local_values import LocalValues as LocalValues
    from .context.output import Output as Output
    from .context.resolver import ContextResolver as ContextResolver
    from .context.resolver import ResolvedContext as ResolvedContext
    from .context.storage import ContextStorage as ContextStorage
    from .context.storage import FileStorage as FileStorage
    from .context.storage import MemoryStorage as MemoryStorage
    from .context.storage import NoStorage as NoStorage
    from .context.storage import StoredContext as StoredContext
    from .context.values import ContextValue as ContextValue
    from .context.values import Source as Source
    from .document.document import Document as Document
    from .document.head import Inputs as Inputs
    from .document.run import RunbookRun as RunbookRun
    from .document.runtime import Runtime as Runtime
    from .document.runtime import open_runtime as open_runtime
    from .document.settings import Settings as Settings
    from .document.workspace import DefaultDirectory as DefaultDirectory
    from .errors import AssertionsFailed as AssertionsFailed
    from .errors import BlockExecutionError as BlockExecutionError
    from .errors import BlockFailed as BlockFailed
    from .errors import Cancelled as Cancelled
    from .errors import ContextError as ContextError
    from .errors import FileError as FileError
    from .errors import InternalError as InternalError
    from .errors import Malformed as Malformed
    from .errors import NotTried as NotTried
    from .errors import Place as Place
    from .errors import Refused as Refused
    from .errors import RunbookError as RunbookError
    from .errors import TemplateError as TemplateError
    from .errors import TimedOut as TimedOut
    from .errors import Unreachable as Unreachable
    from .errors import UnreadableFile as UnreadableFile
    from .execution.children import ChildReference as ChildReference
    from .execution.context import ExecutionContext as ExecutionContext
    from .execution.context import Findings as Findings
    from .execution.context import WorkResult as WorkResult
    from .execution.handle import ExecutionHandle as ExecutionHandle
    from .execution.lifecycle import Limit as Limit
    from .execution.result import AssertionTrace as AssertionTrace
    from .execution.result import Attempts as Attempts
    from .execution.result import BlockResult as BlockResult
    from .execution.result import Operand as Operand
    from .execution.result import Outcome as Outcome
    from .execution.result import Provenance as Provenance
    from .execution.result import Section as Section
    from .execution.result import Turn as Turn
    from .execution.result import Verdict as Verdict
    from .masking import Redactor as Redactor
    from .messages.channel import Callback as Callback
    from .messages.channel import ClientMessageChannel as ClientMessageChannel
    from .messages.channel import MessageStream as MessageStream
    from .messages.client import BlockContextUpdate as BlockContextUpdate
    from .messages.client import BlockExecutionOutputChanged as BlockExecutionOutputChanged
    from .messages.client import BlockOutput as BlockOutput
    from .messages.client import BlockStateChanged as BlockStateChanged
    from .messages.client import ClientMessage as ClientMessage
    from .messages.client import ClientPrompt as ClientPrompt
    from .messages.client import InputKind as InputKind
    from .messages.client import Lifecycle as Lifecycle
    from .messages.client import PromptAnswer as PromptAnswer
    from .messages.client import PromptOption as PromptOption
    from .messages.events import Event as Event
    from .messages.events import EventBus as EventBus
    from .messages.events import EventKind as EventKind
    from .messages.status import ExecutionStatus as ExecutionStatus
    from .messages.status import State as State
    from .model.catalog import BlockType as BlockType
    from .model.catalog import Prop as Prop
    from .model.catalog import PropType as PropType
    from .model.loading import load_runbook as load_runbook
    from .model.runbook import BlockSpec as BlockSpec
    from .model.runbook import Effects as Effects
    from .model.runbook import Runbook as Runbook
    from .model.runbook import SecretSource as SecretSource
    from .resources.login_environment import LoginShell as LoginShell
    from .resources.pty import PtyStore as PtyStore

_NAMES_OF = {
    "blocking": ("EngineThread", "OpenRunbook"),
    "blocks.behavior": ("BlockBehavior",),
    "blocks.effect": ("Effect",),
    "blocks.registry": ("BlockPlugin", "BlockRegistry"),
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
    "context.local_values": ("LocalValues",),
    "context.output": ("Output",),
    "context.resolver": ("ContextResolver", "ResolvedContext"),
    "context.storage": ("ContextStorage", "FileStorage", "MemoryStorage", "NoStorage", "StoredContext"),
    "context.values": ("ContextValue", "Source"),
    "document.document": ("Document",),
    "document.head": ("Inputs",),
    "document.run": ("RunbookRun",),
    "document.runtime": ("Runtime", "open_runtime"),
    "document.settings": ("Settings",),
    "document.workspace": ("DefaultDirectory",),
    "errors": (
        "AssertionsFailed",
        "BlockExecutionError",
        "BlockFailed",
        "Cancelled",
        "ContextError",
        "FileError",
        "InternalError",
        "Malformed",
        "NotTried",
        "Place",
        "Refused",
        "RunbookError",
        "TemplateError",
        "TimedOut",
        "Unreachable",
        "UnreadableFile",
    ),
    "execution.children": ("ChildReference",),
    "execution.context": ("ExecutionContext", "Findings", "WorkResult"),
    "execution.handle": ("ExecutionHandle",),
    "execution.lifecycle": ("Limit",),
    "execution.result": (
        "AssertionTrace",
        "Attempts",
        "BlockResult",
        "Operand",
        "Outcome",
        "Provenance",
        "Section",
        "Turn",
        "Verdict",
    ),
    "masking": ("Redactor",),
    "messages.channel": ("Callback", "ClientMessageChannel", "MessageStream"),
    "messages.client": (
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
    "messages.events": ("Event", "EventBus", "EventKind"),
    "messages.status": ("ExecutionStatus", "State"),
    "model.catalog": ("BlockType", "Prop", "PropType"),
    "model.loading": ("load_runbook",),
    "model.runbook": ("BlockSpec", "Effects", "Runbook", "SecretSource"),
    "resources.login_environment": ("LoginShell",),
    "resources.pty": ("PtyStore",),
}
_HOMES = {name: module for module, names in _NAMES_OF.items() for name in names}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
