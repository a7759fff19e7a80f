"""What a block may tell the blocks below it: one small frozen type for each kind of thing.

What a context block declares and what a program left behind are told apart by type: a single variable, or a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..secrets.provenance import ContextValue

LOCAL_HOSTS = ("", "local", "localhost")


@dataclass(frozen=True, slots=True)
class DocumentVar:
    """A variable that a block declares."""

    name: str
    value: ContextValue


@dataclass(frozen=True, slots=True)
class DocumentVars:
    """Variables that a block's work left, in the order in which they were set; the last of a name wins."""

    values: tuple[DocumentVar, ...] = ()

    def adding(self, *values: DocumentVar) -> DocumentVars:
        return DocumentVars((*self.values, *values))


@dataclass(frozen=True, slots=True)
class DocumentEnvVar:
    """An environment variable for the programs below."""

    name: str
    value: ContextValue


@dataclass(frozen=True, slots=True)
class DocumentEnvVars:
    """Environment variables that a block's work left."""

    values: tuple[DocumentEnvVar, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentCwd:
    """A working directory as written, rendered: may be relative or hold ``~``, ``$NAME``; empty: the default one."""

    path: ContextValue


@dataclass(frozen=True, slots=True)
class DocumentSshHost:
    """The host on which programs below run: ``[user@]host[:port]``; None means this machine again."""

    host: ContextValue | None

    @classmethod
    def of(cls, value: ContextValue) -> DocumentSshHost:
        """What a host's name means: ``local`` and its kin are this machine, every other keeps its case."""
        name = str(value.value).strip()
        local = name.casefold() in LOCAL_HOSTS
        return cls(None if local else ContextValue(name, value.origin, value.sensitive))


@dataclass(frozen=True, slots=True)
class DocumentSshConfig:
    """How to reach that host.

    identity_key, certificate: a path, or the text itself. passphrase: that of the key. password: that of the user.
    """

    user_host: str = ""
    user: str | None = None
    hostname: str | None = None
    port: int | None = None
    identity_key: ContextValue | None = None
    certificate: ContextValue | None = None
    passphrase: ContextValue | None = None
    password: ContextValue | None = None

    def secrets(self) -> dict[str, ContextValue]:
        """What nobody may see, by what it is."""
        named = {"the passphrase": self.passphrase, "the password": self.password}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class BlockExecutionOutput:
    """What a block gave: the keys of ``output``.

    fields: JSON-like, usually an `Output`; lazy mappings and lists are read when somebody asks.
    sensitive: all of it is secret.
    """

    fields: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    sensitive: bool = False


ContextItem = (
    DocumentVar
    | DocumentVars
    | DocumentEnvVar
    | DocumentEnvVars
    | DocumentCwd
    | DocumentSshHost
    | DocumentSshConfig
    | BlockExecutionOutput
)
