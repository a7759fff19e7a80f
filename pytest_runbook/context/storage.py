"""Storage of active contexts beyond a run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

_STALE_AFTER = 60.0  # seconds; a file is written within milliseconds


class StoredContext:
    """The active context of one block in stored form.

    items, fingerprint: the value, or a function that makes it on the first read, for not every storage reads them.
    """

    def __init__(
        self, items: list[dict[str, Any]] | Callable[[], list[dict[str, Any]]], fingerprint: str | Callable[[], str]
    ) -> None:
        self._items = items
        self._fingerprint = fingerprint

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items in the form of `context_to_json`; empty if none of them can be stored."""
        if callable(self._items):
            self._items = self._items()
        return self._items

    @property
    def fingerprint(self) -> str:
        """A digest of the block's definition, host and variables. The context is valid only for these."""
        if callable(self._fingerprint):
            self._fingerprint = self._fingerprint()
        return self._fingerprint

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredContext) and (self.items, self.fingerprint) == (other.items, other.fingerprint)

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def __repr__(self) -> str:
        return f"StoredContext({self.items!r}, {self.fingerprint!r})"


class ContextStorage(Protocol):
    """Stores active contexts by document and block."""

    def save(self, document_id: str, block_id: str, context: StoredContext) -> None: ...

    def load(self, document_id: str, block_id: str) -> StoredContext | None: ...

    def delete(self, document_id: str, block_id: str) -> None: ...

    def delete_for_document(self, document_id: str) -> None: ...


class NoStorage:
    """Stores nothing."""

    def save(self, document_id: str, block_id: str, context: StoredContext) -> None:
        pass

    def load(self, document_id: str, block_id: str) -> StoredContext | None:
        return None

    def delete(self, document_id: str, block_id: str) -> None:
        pass

    def delete_for_document(self, document_id: str) -> None:
        pass


class MemoryStorage:
    """Stores contexts in memory, for the lifetime of the process."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, str], StoredContext] = {}

    def save(self, document_id: str, block_id: str, context: StoredContext) -> None:
        self._contexts[document_id, block_id] = context

    def load(self, document_id: str, block_id: str) -> StoredContext | None:
        return self._contexts.get((document_id, block_id))

    def delete(self, document_id: str, block_id: str) -> None:
        self._contexts.pop((document_id, block_id), None)

    def delete_for_document(self, document_id: str) -> None:
        for key in [key for key in self._contexts if key[0] == document_id]:
            del self._contexts[key]


class FileStorage:
    """Stores each block's context in one file of mode 0600 below a folder. Files are written atomically.

    A file that can't be read back counts as absent, whatever it holds.

    :raises OSError: from `save`, if the file can't be written (a full disk, a read-only folder).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folders: dict[str, Path] = {}
        self._created: set[Path] = set()

    def save(self, document_id: str, block_id: str, context: StoredContext) -> None:
        path = self._path(document_id, block_id)
        self._create_folder(path.parent)
        data = json.dumps({"stamp": context.fingerprint, "items": context.items}, separators=(",", ":"))
        write_atomically(path, data.encode())

    def load(self, document_id: str, block_id: str) -> StoredContext | None:
        try:
            data = json.loads(self._path(document_id, block_id).read_text(encoding="ascii"))
            return StoredContext(items=list(data["items"]), fingerprint=str(data["stamp"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def delete(self, document_id: str, block_id: str) -> None:
        self._path(document_id, block_id).unlink(missing_ok=True)

    def delete_for_document(self, document_id: str) -> None:
        shutil.rmtree(self._folder_of(document_id), ignore_errors=True)
        self._created.clear()

    def _path(self, document_id: str, block_id: str) -> Path:
        return self._folder_of(document_id) / f"{_file_name(block_id)}.json"

    def _folder_of(self, document_id: str) -> Path:
        if document_id not in self._folders:
            self._folders[document_id] = self._folder / _file_name(document_id)
        return self._folders[document_id]

    def _create_folder(self, folder: Path) -> None:
        if folder not in self._created:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_stale_temporaries(folder)
            self._created.add(folder)


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file completely or not at all, even if the process is killed or the disk is full.

    :raises OSError: if it can't be written.
    """
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        # The name of the temporary file can be guessed: never write through a symbolic link that was put there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def fingerprint_of(parts: Mapping[str, object]) -> str:
    """Return a digest of the values that a stored context depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _remove_stale_temporaries(folder: Path) -> None:
    """Remove temporary files of processes that were killed while they wrote."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process has removed it
            if path.suffix != ".json" and time.time() - path.stat().st_mtime > _STALE_AFTER:
                path.unlink()


def _file_name(identifier: str) -> str:
    """Return a file name that is valid on any file system, and different for different ids."""
    readable = "".join(character if character.isalnum() else "-" for character in identifier)[:40]
    return f"{readable}-{hashlib.sha256(identifier.encode(errors='replace')).hexdigest()[:12]}"
