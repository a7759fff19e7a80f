"""Command lines of interpreters: ``bash`` and ``echo hi`` become ``bash -c 'echo hi'``."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from types import MappingProxyType

from ...errors import BlockFailed

# Linux accepts at most 128 KiB in one argument, the final NUL included.
ARGUMENT_LIMIT = 128 << 10
CODE_VARIABLE = "RUNBOOK_CODE"
_NO_MAPPING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """The command-line syntax of one family of interpreters.

    flag: the letter of the option that takes the code.
    valued: the letters of options that take the rest of their word as a value, so that ``-rset`` holds no ``-e``.
    from_file: code that runs a file as if it were the code itself, for code too long for an argument. None: the file is
    passed as an argument.
    from_variable: code that removes `CODE_VARIABLE` from the environment and runs what was in it as if it were the code
    itself. It fails if the variable is missing. None: there is no such code.
    """

    flag: str
    valued: str = ""
    from_file: str | None = None
    from_variable: str | None = None


_MISSING_CODE = "its code did not arrive"
_SHELL = _Language(
    flag="c",
    valued="oO",
    from_file=". {shell}",
    from_variable=f'eval "unset {CODE_VARIABLE};${{{CODE_VARIABLE}?{_MISSING_CODE}}}"',
)
_FISH = _Language(
    flag="c",
    valued="CdDfo",
    from_file="source {shell}",
    from_variable=f'set -q {CODE_VARIABLE}; or exit 121; eval "set -e {CODE_VARIABLE};${CODE_VARIABLE}"',
)
_PYTHON = _Language(
    flag="c",
    valued="WXQm",
    from_file="exec(compile(open({python}, encoding='utf-8').read(), '<string>', 'exec'))",
    from_variable=f"exec(compile(__import__('os').environ.pop('{CODE_VARIABLE}'),'<string>','exec'))",
)
_PERL = _Language(
    flag="e",
    valued="CDFIMVmx0ild",
    from_variable=f'eval"#line 1 \\"-e\\"\\n".(delete($ENV{{{CODE_VARIABLE}}})//die"{_MISSING_CODE}\\n");die$@if$@',
)
_LANGUAGES = {
    **dict.fromkeys(("bash", "sh", "zsh", "dash", "ash", "ksh", "mksh"), _SHELL),
    "fish": _FISH,
    "python": _PYTHON,
    "ruby": _Language(flag="e", valued="CEFIKTWrx"),
    "node": _Language(flag="e", valued="rC"),
    "nodejs": _Language(flag="e", valued="rC"),
    "perl": _PERL,
    "lua": _Language(flag="e", valued="l"),
    "php": _Language(flag="r", valued="cdz"),
}
_LOGIN_SHELLS = ("bash", "zsh", "sh", "fish")
_ENV_OPTIONS_WITH_VALUE = ("-u", "--unset", "-C", "--chdir", "-P")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line that runs code. environment: variables that it needs in addition."""

    argv: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Interpreter:
    """A command that runs code.

    words: the command without the code and without the option for it.
    program_at: the index of the interpreter itself, behind ``env`` and the options of ``env``.
    """

    words: tuple[str, ...]
    program_at: int = 0

    @classmethod
    def parse(
        cls, text: str, *, shell_options: str = "", login: bool = False, interpreters: Mapping[str, str] = _NO_MAPPING
    ) -> Interpreter:
        """Parse the interpreter of a runbook: a program, or a command line quoted as in a shell.

        shell_options: for shells, inserted right behind the program, such as ``-eo pipefail``.
        login: shells become login shells.
        interpreters: replacements for interpreters, by name or path.
        :raises BlockFailed: if the text names no program or its quotes are not closed.
        """
        found = cls._from_words(_words(interpreters.get(text.strip(), text)), text)
        found = found._with_replacement(interpreters)
        if shell_options and found.language in (_SHELL, _FISH):
            found = found._with_options(shlex.split(shell_options))
        if login and found.name in _LOGIN_SHELLS and not found._has_letter("l") and "--login" not in found.options:
            found = found._with_options(["-l"])
        return found

    @property
    def program(self) -> str:
        """The interpreter itself: ``python3`` in ``/usr/bin/env python3 -u``."""
        return self.words[self.program_at]

    @property
    def options(self) -> tuple[str, ...]:
        return self.words[self.program_at + 1 :]

    @cached_property
    def name(self) -> str:
        """The name without folder and version: ``python`` for ``/usr/bin/python3.11``."""
        base = PurePath(self.program).name
        return "python" if base.startswith("python") else re.sub(r"[-.\d]+$", "", base)

    @property
    def language(self) -> _Language | None:
        return _LANGUAGES.get(self.name)

    def argv(self, code: str) -> list[str]:
        """Return the command that runs the code as one argument.

        A space is put in front of code that begins like an option.
        """
        looks_like_option = code.startswith(("-", "+")) and self.language not in (None, _PYTHON)
        return [*self._before_code, f" {code}" if looks_like_option else code]

    def argv_for_file(self, path: Path) -> list[str]:
        """Return the command that runs the code in a file.

        ``$0``, ``sys.argv`` and ``sys.path`` are as they are with `argv`, where the language allows it.
        """
        if self.language is None or self.language.from_file is None:
            return [*self.words, str(path)]
        return self.argv(self.language.from_file.format(shell=shlex.quote(str(path)), python=repr(str(path))))

    @contextmanager
    def command(self, code: str, folder: Path, *, is_secret: bool = False) -> Iterator[Command]:
        """Yield the command that runs the code; code too long for an argument goes through a file in that folder.

        is_secret: the code must not appear on the command line.
        :raises BlockFailed: if the file can't be written, or the code can't be kept off the command line.
        """
        fits = len(code.encode(errors="surrogateescape")) < ARGUMENT_LIMIT - len(f"{CODE_VARIABLE}=") * is_secret
        if fits and (command := self.direct_command(code, is_secret=is_secret)) is not None:
            yield command
            return
        with _code_file(code, folder) as path:
            yield Command(self.argv_for_file(path))

    def direct_command(self, code: str, *, is_secret: bool) -> Command | None:
        """Return the command that runs the code without a file; None if the code can be kept secret only with a file.

        :raises BlockFailed: if it can't be kept secret at all.
        """
        if not is_secret:
            return Command(self.argv(code))
        language = self.language
        loops = self._has_letter("n") or self._has_letter("p")
        if language is not None and language.from_variable is not None and not (language is _PERL and loops):
            return Command(self.argv(language.from_variable), {CODE_VARIABLE: code})
        if language is None or self._has_letter(language.flag):
            raise BlockFailed(
                f"a secret is in the code, and {self.program} would get that on its command line, which all users see",
                hint='give the secret over the environment: env: {NAME: "{{ secret.NAME }}"}',
            )
        return None

    @cached_property
    def _before_code(self) -> tuple[str, ...]:
        letter = self.language.flag if self.language else None
        return self.words if letter is None or self._has_letter(letter) else (*self.words, f"-{letter}")

    def _has_letter(self, letter: str) -> bool:
        valued = self.language.valued if self.language else ""
        return any(letter in _letters(word, valued) for word in self.options)

    def _with_options(self, options: Sequence[str]) -> Interpreter:
        after = self.program_at + 1
        return Interpreter((*self.words[:after], *options, *self.words[after:]), self.program_at)

    def _with_replacement(self, interpreters: Mapping[str, str]) -> Interpreter:
        other = interpreters.get(self.program) or interpreters.get(PurePath(self.program).name)
        if other is None:
            return self
        before, after = self.words[: self.program_at], self.options
        return Interpreter((*before, *_words(other), *after), self.program_at)

    @classmethod
    def _from_words(cls, words: Sequence[str], text: str) -> Interpreter:
        if words and PurePath(words[0]).name == "env":
            words = _unfold_env(words)
            program_at = next(_programs_of_env(words), len(words))
        else:
            program_at = 0
        if program_at >= len(words):
            raise BlockFailed(f'interpreter "{text}" names no program', hint="such as bash, sh -e or python3 -u")
        return cls(tuple(words), program_at)


def interpreter_argv(
    interpreter: str,
    code: str,
    *,
    plain: bool = False,
    shell_options: str = "",
    login: bool = False,
    interpreters: Mapping[str, str] = _NO_MAPPING,
) -> list[str]:
    """Return the command that runs the code; see `script_interpreter`."""
    return script_interpreter(
        interpreter, plain=plain, shell_options=shell_options, login=login, interpreters=interpreters
    ).argv(code)


def script_interpreter(
    interpreter: str,
    *,
    plain: bool = False,
    shell_options: str = "",
    login: bool = False,
    interpreters: Mapping[str, str] = _NO_MAPPING,
) -> Interpreter:
    """Return the interpreter of a script block: ``bash -eo pipefail`` in a plain runbook that names none.

    :raises BlockFailed: if it names no program.
    """
    if plain and not interpreter.strip():
        interpreter, shell_options = "bash", shell_options or "-eo pipefail"
    return Interpreter.parse(interpreter, shell_options=shell_options, login=login, interpreters=interpreters)


def find_program(program: str, *, cwd: Path, path: str | None) -> str | None:
    """Return where a child process in that folder finds the program; None if it does not find it.

    path: the child's PATH; None: it has none, and gets the system's default.
    """
    if "/" in program:
        return shutil.which(str(cwd / program))
    folders = (os.defpath if path is None else path).split(os.pathsep)
    return shutil.which(program, path=os.pathsep.join(str(cwd / folder) for folder in folders))


@contextmanager
def _code_file(code: str, folder: Path) -> Iterator[Path]:
    try:
        file, name = tempfile.mkstemp(prefix="code-", dir=folder)
        with os.fdopen(file, "w", encoding="utf-8", errors="surrogateescape", newline="") as opened:
            opened.write(code)
    except OSError as error:
        raise BlockFailed(
            f"the code can't be written to a file in {folder}: {error.strerror}",
            hint="make room there, or set TMPDIR to another folder",
        ) from error
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise BlockFailed(
            f'interpreter "{text}" can\'t be read: {error}', hint="close the quotes; write it as in a shell"
        ) from error


def _letters(word: str, valued: str) -> str:
    """Return the letters of a word of short options, without a value that is attached to the last of them."""
    if not word.startswith("-") or word.startswith("--"):
        return ""
    match = re.match(f"[^{valued}]*[{valued}]?" if valued else ".*", word[1:])
    return match[0] if match else ""


def _unfold_env(words: Sequence[str]) -> list[str]:
    """Return the words of an env command with the text of ``-S`` split, as env splits it."""
    for index, word in enumerate(words[1:], start=1):
        if word in ("-S", "--split-string"):
            return [*words[:index], *_words(" ".join(words[index + 1 : index + 2])), *words[index + 2 :]]
        for prefix in ("-S", "--split-string="):
            if word.startswith(prefix):
                return [*words[:index], *_words(word.removeprefix(prefix)), *words[index + 1 :]]
        if not word.startswith("-"):
            break
    return list(words)


def _programs_of_env(words: Sequence[str]) -> Iterator[int]:
    """Yield the index of env's program, behind options and assignments."""
    rest = iter(range(1, len(words)))
    for index in rest:
        word = words[index]
        if word in _ENV_OPTIONS_WITH_VALUE:
            next(rest, None)
        elif not word.startswith("-") and "=" not in word:
            yield index
