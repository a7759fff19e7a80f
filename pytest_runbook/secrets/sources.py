"""Secrets by name. Each is read from its source when it is first used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol

from ..errors import BlockFailed, TemplateError
from ..model.runbook import SecretSource
from .provenance import ContextValue, Origin

MAX_SECRET_FILE_SIZE = 1 << 20
"""Bytes."""
COMMAND_TIMEOUT = 30.0
"""Seconds for a command that has no timeout of its own."""


@dataclass(frozen=True, slots=True)
class SecretCommand:
    """A command that prints a secret. argv: its words. timeout: in seconds."""

    argv: tuple[str, ...]
    folder: Path
    timeout: float

    @classmethod
    def of(cls, command: str | tuple[str, ...], folder: Path, timeout: float) -> SecretCommand:
        """Return the command of a secret source. command: its words, or a shell command line."""
        return cls(("sh", "-c", command) if isinstance(command, str) else command, folder, timeout)

    def __str__(self) -> str:
        words = self.argv[2:] if self.argv[:2] == ("sh", "-c") else self.argv
        return " ".join(words)


class SecretCommands(Protocol):
    """Runs the commands that print secrets, each once in a run."""

    async def run(self, command: SecretCommand) -> bool:
        """Run a command unless it has run already. Return True if it ran, here or in another task, during this call."""
        ...

    def printed(self, command: SecretCommand) -> str:
        """Return what a command printed.

        :raises BlockFailed: if it failed.
        :raises LookupError: if it has not run.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets(Mapping[str, ContextValue]):
    """The declared secrets of a runbook, as a mapping.

    Reading a secret that is missing or empty raises `TemplateError`.

    sources: by name, each with the folder that its paths and commands are relative to.
    commands: runs the commands that print secrets, at the request of `fetch`.
    fixture: returns the value of a fixture; None if it was not provided.
    on_read: called with the value and the name of each secret before the value is returned.
    inherited: the secrets of the runbook that runs this one.
    """

    sources: Mapping[str, tuple[SecretSource, Path]]
    commands: SecretCommands
    fixture: Callable[[str], ContextValue | None]
    on_read: Callable[[str, str], None]
    inherited: Mapping[str, ContextValue] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ContextValue:
        if name not in self.sources:
            return self.inherited[name]
        return _SecretReader(self, *self.sources[name]).value()

    def __iter__(self) -> Iterator[str]:
        return iter({**self.sources, **dict.fromkeys(self.inherited)})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self.sources or name in self.inherited

    def command(self, name: str) -> SecretCommand | None:
        """Return the command that prints a secret; None if it has another source."""
        source, folder = self.sources[name]
        if source.command is None:
            return None
        return SecretCommand.of(source.command, folder, source.timeout or COMMAND_TIMEOUT)

    def all_sources(self) -> Iterator[SecretSource]:
        """Yield the source of each secret, including those of the runbook that runs this one."""
        yield from (source for source, _ in self.sources.values())
        if isinstance(self.inherited, Secrets):
            yield from self.inherited.all_sources()

    async def fetch(self, names: Iterable[str] | None) -> bool:
        """Run the commands that print these secrets; None: all secrets. Return True if one was run.

        A command that failed is not an error here, but where its secret is read.
        """
        requested = set(self) if names is None else set(names)
        commands = [command for name in self.sources if name in requested and (command := self.command(name))]
        ran = [await self.commands.run(command) for command in commands]
        if isinstance(self.inherited, Secrets):
            ran.append(await self.inherited.fetch(requested - self.sources.keys()))
        return any(ran)

    def read_available(self) -> None:
        """Read all secrets that need no command and no fixture, so that `on_read` gets them. Errors are ignored."""
        for name, (source, _) in self.sources.items():
            if source.command is None and source.fixture is None:
                try:
                    self[name]
                except TemplateError:
                    continue


class _NoSecretCommands:
    """Stands for the commands where none may be run."""

    async def run(self, command: SecretCommand) -> bool:
        return False

    def printed(self, command: SecretCommand) -> str:
        raise LookupError(command)


def read_available_secrets(sources: Iterable[SecretSource], folder: Path, on_read: Callable[[str, str], None]) -> None:
    """Read the declared secrets that need no command and no fixture, so that `on_read` gets them. folder: of the
    file.
    """
    known = {source.name: (source, folder) for source in sources}
    Secrets(sources=known, commands=_NoSecretCommands(), fixture=lambda name: None, on_read=on_read).read_available()


@dataclass(frozen=True, slots=True)
class _SecretReader:
    """Reads one secret from its source."""

    secrets: Secrets
    source: SecretSource
    folder: Path

    def value(self) -> ContextValue:
        text, origin = self._read()
        name = f"secret.{self.source.name}"
        if "\0" in text:
            self._fail(f"{origin} holds a NUL", "a secret is a text; encode it as base64")
        self.secrets.on_read(text, name)
        return ContextValue(text, Origin(origin), sensitive=True)

    def _read(self) -> tuple[str, str]:
        """Return the secret, and its source for reports."""
        source = self.source
        if source.env is not None:
            return self._read_environment(source.env), f"the environment variable {source.env}"
        if source.file is not None:
            path = self.folder / Path(source.file).expanduser()
            return self._read_file(path), f"the file {path}"
        command = self.secrets.command(source.name)
        if command is not None:
            return self._read_command(command), f"the command {command}"
        if source.fixture is not None:
            return self._read_fixture(source.fixture), f'fixture "{source.fixture}"'
        if not source.value:
            self._fail(
                f"{source.location} gave an empty text", "give its value, or say where it comes from: {env: NAME}"
            )
        return source.value, str(source.location)

    def _read_environment(self, variable: str) -> str:
        text = os.environ.get(variable, "")
        if not text:
            state = "is empty" if variable in os.environ else "is not set"
            self._fail(
                f"the environment variable {variable} {state}", f"give {variable} to the process that runs pytest"
            )
        return text

    def _read_file(self, path: Path) -> str:
        hint = "a path is relative to the file that declares the secret; ~ is the home"
        try:
            if not path.is_file():
                self._fail(f"{path} is no file" if path.exists() else f"there is no file {path}", hint)
            if path.stat().st_size > MAX_SECRET_FILE_SIZE:
                self._fail(f"{path} is too large for a secret: {path.stat().st_size} bytes", "at most 1 MiB")
            text = without_newline(path.read_text(encoding="utf-8"))
        except OSError as error:
            self._fail(f"{path} can't be read: {error.strerror}", "may this user read it?", error)
        except ValueError as error:
            self._fail(f"{path} is no text in UTF-8", "a secret is a text; encode it as base64", error)
        if not text:
            self._fail(f"{path} is empty", "has the program that writes it run?")
        return text

    def _read_command(self, command: SecretCommand) -> str:
        try:
            text = self.secrets.commands.printed(command)
        except BlockFailed as error:
            self._fail(error.message, error.hint, error)
        except LookupError as error:
            self._fail(f"the command {command} has not run yet", "it runs before the first block that reads it", error)
        if not text:
            self._fail(
                f"the command {command} printed nothing", "what it prints on stdout is the secret; run it by hand"
            )
        return text

    def _read_fixture(self, name: str) -> str:
        value = self.secrets.fixture(name)
        if value is None:
            self._fail(
                f'fixture "{name}" was not given', "only blocks that pytest runs have fixtures; use {env: NAME} here"
            )
        if not isinstance(value.value, str):
            self._fail(f'fixture "{name}" gave no text, but {type(value.value).__name__}', "return the secret as a str")
        if not value.value:
            self._fail(f'fixture "{name}" gave an empty text', "skip in it (pytest.skip) where there is none")
        return value.value

    def _fail(self, message: str, hint: str | None, cause: Exception | None = None) -> NoReturn:
        name = f"secret.{self.source.name}"
        details = f"declared in {self.source.location}" + (f"; {hint}" if hint else "")
        raise TemplateError(f"{name}: {message}", name=name, hint=details) from cause


def without_newline(text: str) -> str:
    """Return a text without one newline at its end."""
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
