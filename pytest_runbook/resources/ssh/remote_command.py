"""A script as the line that a bootstrap shell evaluates before it becomes the script's interpreter."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ...errors import BlockFailed
from ..process.interpreters import ARGUMENT_LIMIT, Command, Interpreter
from ..process.output_variables import VARIABLE_NAMES
from ..process.process_group import ProcessLabel
from .shell_quoting import NEWLINE, shell_join, shell_quote

WRAPPER = 'IFS= read -r _runbook;eval "$_runbook"'
LONG_CODE = 16 << 10
"""Bytes. The shell reads its line byte by byte, so longer code goes into a file where that makes no difference."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Step(StrEnum):
    """How far the bootstrap shell came."""

    FOLDER = "folder"
    DIRECTORY = "directory"
    PROGRAM = "program"
    READY = "ready"


# The functions that the shell has before it gets the line of a program: to make its file, and to report each step.
# Neither ' nor ! may be in it: they mean something to the login shell that reads it.
# SHLVL: a bash that takes itself for the first one of a connection reads ~/.bashrc, which the login shell has read
# already. The exec of a bash decrements it.
_SETUP = ";".join(
    (
        f"{NEWLINE}=${{IFS#??}}",
        '_rb_e(){ echo "$_rb_n $$ $1";exit 1;}',
        f'_rb_file(){{ _rb_d=$1;_rb_f=$1/$$.vars;true >"$_rb_f"||_rb_e {Step.FOLDER}',
        " ".join(("export SHLVL=2", *(f'{name}="$_rb_f"' for name in VARIABLE_NAMES))),
        "}",
        f'_rb_find(){{ command -v "$1" >/dev/null 2>&1||_rb_e {Step.PROGRAM};}}',
        f'_rb_go(){{ [ -e "$_rb_d/$_rb_n.stop" ]&&exit 1;echo "$_rb_n $$ {Step.READY}";}}',
        'echo "$_rb_n" >&2',
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCommand:
    """A script to run on a host.

    is_secret: the code must not appear on a command line.
    cwd: relative to where a login begins; ``~`` is the home directory on the host. env: on top of the login's
    environment.
    """

    interpreter: Interpreter
    code: str
    label: ProcessLabel
    is_secret: bool = False
    cwd: str = ""
    env: Mapping[str, str]
    stdin: bytes = b""

    @property
    def programs(self) -> Sequence[str]:
        """The programs that the host must have."""
        return tuple(dict.fromkeys((self.interpreter.words[0], self.interpreter.program)))

    @property
    def encoded(self) -> bytes:
        return self.code.encode(errors="surrogateescape")

    @property
    def needs_file(self) -> bool:
        """True if the code is too long for an argument, or better off in a file."""
        if self.is_secret and self.interpreter.direct_command(self.code, is_secret=True) is None:
            return True
        language = self.interpreter.language
        is_same_from_file = language is not None and language.from_file is not None
        return len(self.encoded) >= (LONG_CODE if is_same_from_file else ARGUMENT_LIMIT)

    def line(self, folder: str, code_file: str = "") -> bytes:
        """Return the one line that the shell evaluates.

        folder: where its output-variable file goes. code_file: the path of the code, if it needs a file.
        :raises BlockFailed: if something in it can't be passed to a program.
        """
        line = ";".join(self._steps(folder, code_file))
        if "\0" in line:
            raise BlockFailed("a NUL can't be in a command, a folder or a variable", hint="encode it, or use stdin")
        return line.encode(errors="surrogateescape") + b"\n"

    def _steps(self, folder: str, code_file: str) -> Iterator[str]:
        """Yield the commands of the line. They are short, because the shell reads them byte by byte."""
        command = self._command(code_file)
        environment = {**self.env, **self.label.environment, **command.environment}
        yield f"_rb_file {shell_quote(folder)}"
        yield "export " + " ".join(f"{checked_name(name)}={shell_quote(value)}" for name, value in environment.items())
        if self.cwd:
            yield f"cd -- {_directory(self.cwd)} >/dev/null||_rb_e {Step.DIRECTORY}"
        for program in self.programs:
            yield f"_rb_find {shell_quote(program)}"
        yield "_rb_go"
        yield f"exec {shell_join(command.argv)}"

    def _command(self, code_file: str) -> Command:
        direct = None if code_file else self.interpreter.direct_command(self.code, is_secret=self.is_secret)
        return direct or Command(self.interpreter.argv_for_file(Path(code_file)))


def bootstrap_setup(nonce: str) -> str:
    """Return what the bootstrap shell evaluates before it gets the line. nonce: marks its own output."""
    return f"_rb_n={nonce};{_SETUP}"


def bootstrap_script(nonce: str) -> str:
    """Return the script of a bootstrap shell, which waits for the line."""
    return f"{bootstrap_setup(nonce)};{WRAPPER}"


def stop_file(folder: str, nonce: str) -> str:
    """Return the path of the file that keeps a program from starting if it was cancelled before that."""
    return f"{folder}/{nonce}.stop"


def code_file(folder: str) -> str:
    """Return a new path for long code."""
    return f"{folder}/{secrets.token_hex(12)}.code"


def _directory(path: str) -> str:
    """Return a directory as a shell word; ``~`` becomes the home directory on the host."""
    if path == "~" or path.startswith("~/"):
        return f'"$HOME"{shell_quote(path[1:])}'
    return shell_quote(path)


def checked_name(name: str) -> str:
    """Return the name of a variable if a shell accepts it.

    :raises BlockFailed: if it does not.
    """
    if not _NAME.fullmatch(name):
        hint = "letters, digits and underscores, no digit first"
        raise BlockFailed(f'no shell takes "{name}" for the name of a variable', hint=hint)
    return name
