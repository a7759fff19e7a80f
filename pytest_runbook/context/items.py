"""The items of a block's context: one small frozen type for each kind.

A declaration of a context block and the results of a run have different types: a single variable, or a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..secrets.provenance import ContextValue

LOCAL_HOSTS = ("", "local", "localhost")
"""Names of this machine, in lower case."""


@dataclass(frozen=True, slots=True)
class DocumentVar:
    """A variable that a block declares."""

    name: str
    value: ContextValue


@dataclass(frozen=True, slots=True)
class DocumentVars:
    """Variables that a block set when it ran, in order. The last one of a name wins."""

    values: tuple[DocumentVar, ...] = ()

    def adding(self, *values: DocumentVar) -> DocumentVars:
        """Return a copy with further variables at the end."""
        return DocumentVars((*self.values, *values))


@dataclass(frozen=True, slots=True)
class DocumentEnvVar:
    """An environment variable for the programs of the blocks below."""

    name: str
    value: ContextValue


@dataclass(frozen=True, slots=True)
class DocumentEnvVars:
    """Environment variables that a block set when it ran."""

    values: tuple[DocumentEnvVar, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentCwd:
    """A working directory, rendered but not resolved: it may be relative, or hold ``~`` and ``$NAME``. Empty: the
    default one.
    """

    path: ContextValue


@dataclass(frozen=True, slots=True)
class DocumentSshHost:
    """The host on which the programs below run: ``[user@]host[:port]``. None means this machine."""

    host: ContextValue | None

    @classmethod
    def of(cls, value: ContextValue) -> DocumentSshHost:
        """Return the item for a host's name.

        ``local`` and its synonyms mean this machine; other names keep their case.
        """
        name = str(value.value).strip()
        local = name.casefold() in LOCAL_HOSTS
        return cls(None if local else ContextValue(name, value.origin, value.sensitive))


@dataclass(frozen=True, slots=True)
class DocumentSshConfig:
    """How to log in to the host of the blocks below.

    identity_key, certificate: a path, or the text itself. passphrase: of the key. password: of the user.
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
        """Return the passphrase and the password, by what reports call them."""
        named = {"the passphrase": self.passphrase, "the password": self.password}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class BlockExecutionOutput:
    """The output of a block: the keys of ``output``.

    fields: JSON-like, usually an `Output`. Lazy mappings and lists are read only when a value is used.
    sensitive: True if all of it is secret.
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
