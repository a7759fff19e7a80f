"""Command lines and start-up files for shells in a terminal.

Shells start without the user's own settings, and with marks at their prompts. The marks are escape sequences that no
terminal shows: ``P`` at a prompt, with its number and the last exit status, ``2`` where the shell wants the rest of a
command, ``C`` before it runs a command, ``E`` where it can't parse one. They are set up in start-up files, so that
nothing has to be typed for them. Programs find nothing of them in their environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...errors import BlockFailed
from ..process.interpreters import Interpreter

_LOGIN_OPTIONS = frozenset(("-l", "--login"))
_POSIX = ("bash", "sh", "dash", "ash", "ksh", "mksh")
# The longest line that a terminal holds until a program reads it. fish reads single keys.
_LINE_LIMIT = 4095 if os.uname().sysname == "Linux" else 1023

_POSIX_START = r"""
if [ -n "${RUNBOOK_LOGIN-}" ]; then
    unset RUNBOOK_LOGIN
    [ ! -r /etc/profile ] || . /etc/profile
    for _runbook_file in ~/.bash_profile ~/.bash_login ~/.profile; do
        [ ! -r "$_runbook_file" ] || { . "$_runbook_file"; break; }
    done
    unset _runbook_file
fi
if [ -n "${RUNBOOK_ENV+x}" ]; then ENV=$RUNBOOK_ENV; unset RUNBOOK_ENV; else unset ENV; fi
unset HISTFILE
_runbook_prompts=0
if [ -n "${BASH_VERSION-}" ]; then
    set +H +o emacs +o vi
    _runbook_prompt='\[\e]@MARK@;P;$((_runbook_prompts+=1));$?\a\]'
    PS1="$_runbook_prompt\$ "
    PS2='\[\e]@MARK@;2\a\]> '
    PS0='\e]@MARK@;C\a'
    PROMPT_COMMAND='{ case $PS1 in *"@MARK@"*) ;; *) PS1=$_runbook_prompt$PS1 ;; esac } 2>/dev/null'
else
    PS1='@ESC@]@MARK@;P;$((_runbook_prompts+=1));$?@BEL@$ '
    PS2='@ESC@]@MARK@;2@BEL@> '
fi
"""

_ZSH_START = r"""
if [[ -n ${RUNBOOK_ZDOTDIR+x} ]]; then ZDOTDIR=$RUNBOOK_ZDOTDIR; unset RUNBOOK_ZDOTDIR; else unset ZDOTDIR; fi
if [[ -n ${RUNBOOK_LOGIN-} ]]; then
    unset RUNBOOK_LOGIN
    for _runbook_file in .zshenv .zprofile .zshrc .zlogin; do
        [[ ! -r ${ZDOTDIR:-$HOME}/$_runbook_file ]] || source ${ZDOTDIR:-$HOME}/$_runbook_file
    done
    unset _runbook_file
fi
unset HISTFILE
unsetopt zle prompt_sp bang_hist hup check_jobs
setopt interactive_comments
typeset -gi _runbook_prompts=0
_runbook_prompt=$'%{\e]@MARK@;P;%9v;%?\a%}'
PS1="$_runbook_prompt\$ "
PS2=$'%{\e]@MARK@;2\a%}> '
_runbook_before_prompt() { {
    psvar[9]=$((++_runbook_prompts))
    [[ $PS1 == *"@MARK@"* ]] || PS1=$_runbook_prompt$PS1
} 2>/dev/null }
_runbook_before_command() { { print -n '\e]@MARK@;C\a' >/dev/tty } 2>/dev/null }
precmd_functions+=(_runbook_before_prompt)
preexec_functions+=(_runbook_before_command)
"""

_FISH_START = r"""
set -g fish_greeting
set -g fish_history ''
set -g fish_autosuggestion_enabled 0
set -g _runbook_prompts 0
function _runbook_before_prompt --on-event fish_prompt
    set -g _runbook_prompts (math $_runbook_prompts + 1)
end
function _runbook_before_command --on-event fish_preexec
    printf '\e]@MARK@;C\a'
end
function fish_prompt
    printf '\e]@MARK@;P;%s;%s\a$ ' $_runbook_prompts $status
end
function fish_title
end
function _runbook_refused --on-event fish_posterror
    printf '\e]@MARK@;E\a'
end
function _runbook_enter
    commandline --is-valid
    if test $status -eq 2
        commandline -i \n
        printf '\e]@MARK@;2\a'
    else
        commandline -f execute
    end
end
bind \r _runbook_enter
bind \t 'commandline -i \t'
"""


def prompt_mark_of(interpreter: Interpreter, nonce: str) -> str | None:
    """Return the beginning of a shell's marks in one run; None for a program that makes none."""
    return f"7770;{nonce}" if interpreter.name in (*_POSIX, "zsh", "fish") else None


def line_limit(interpreter: Interpreter) -> int | None:
    """Return the most bytes that a typed line may have; None: there is no limit."""
    return None if interpreter.name == "fish" else _LINE_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalShell:
    """How a shell is started in a terminal.

    files: text of its start-up files by path. environment: variables that it needs in addition to those of programs.
    """

    argv: tuple[str, ...]
    files: Mapping[PurePosixPath, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, interpreter: Interpreter, prompt_mark: str | None, environment: Mapping[str, str], folder: PurePosixPath
    ) -> TerminalShell:
        """Return the shell, or other program, that a block names.

        environment: what programs will get. A shell that needs one of its variables for itself restores it for them.
        folder: a private one, for the start-up files.
        """
        if prompt_mark is None:
            return cls(argv=interpreter.words)
        is_login = not _LOGIN_OPTIONS.isdisjoint(interpreter.options)
        words = tuple(word for word in interpreter.words if word not in _LOGIN_OPTIONS)
        login = {"RUNBOOK_LOGIN": "1"} if is_login else {}
        sh, zsh, fish = folder / "start.sh", folder / ".zshrc", folder / "start.fish"
        options: tuple[str, ...]
        match interpreter.name:
            case "bash":
                options = ("--rcfile", str(sh), "-i")
                file, more = {sh: _POSIX_START}, {**_preserved_variable("ENV", environment), **login}
            case "zsh":
                options = ("-l" if is_login else "-d", "-i")
                file, more = (
                    {zsh: _ZSH_START},
                    {**_preserved_variable("ZDOTDIR", environment), "ZDOTDIR": str(folder), **login},
                )
            case "fish":
                options = ("-l" if is_login else "--no-config", "-i", "-C", f"source {fish}")
                file, more = {fish: _FISH_START}, {}
            case _:
                options = ("-l", "-i") if is_login else ("-i",)
                file, more = {sh: _POSIX_START}, {**_preserved_variable("ENV", environment), "ENV": str(sh)}
        files = {path: _fill_in(text, prompt_mark) for path, text in file.items()}
        return cls(argv=(*words, *options), files=files, environment=more)


def prepare_shell(
    interpreter: Interpreter, prompt_mark: str | None, environment: Mapping[str, str], folder: Path
) -> TerminalShell:
    """Return a shell for this machine, and write its start-up files unless the run has written them.

    :raises BlockFailed: if they can't be written.
    """
    shell = TerminalShell.of(interpreter, prompt_mark, environment, PurePosixPath(folder / "shell"))
    try:
        for path, text in shell.files.items():
            if not Path(path).exists():
                Path(path).parent.mkdir(exist_ok=True)
                Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        hint = "make room there, or set TMPDIR to another folder"
        raise BlockFailed(f"the shell can't be prepared in {folder}: {error.strerror}", hint=hint) from error
    return shell


def _fill_in(text: str, prompt_mark: str) -> str:
    return text.replace("@MARK@", prompt_mark).replace("@ESC@", "\x1b").replace("@BEL@", "\a")


def _preserved_variable(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of a variable, from which the start-up file restores it.

    The variable itself leads the shell to the start-up file.
    """
    return {f"RUNBOOK_{name}": environment[name]} if name in environment else {}
