"""How shells are started in a terminal: without the user's own settings, and with marks at their prompts.

The marks are escape sequences that no terminal shows: ``P`` at a prompt with its number and the last exit status,
``2`` where the shell wants more of a command, ``C`` before it runs one, ``E`` where it refuses one. A shell is told of
them through its start-up file, so that nothing is typed for that, and programs find nothing of it in their environment.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .interpreters import Interpreter

_POSIX = ("bash", "sh", "dash", "ash", "ksh", "mksh")
# What a terminal takes in one line before a program has read it; fish reads single keys.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalShell:
    """A shell, ready to be started in a terminal.

    mark: what its marks begin with, None if it makes none. line_limit: the most bytes that a line typed may have.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    mark: str | None = None
    line_limit: int | None = _LINE_LIMIT


class TerminalShells:
    """Makes shells ready; their start-up files are written once.

    folder: a private one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = f"7770;{secrets.token_hex(4)}"

    def prepare(self, interpreter: Interpreter, environment: Mapping[str, str]) -> TerminalShell:
        """The shell that a block names, or whatever program it names.

        environment: what it will get, to be found there again by programs whatever the shell needs for itself.
        """
        is_login = "-l" in interpreter.options or "--login" in interpreter.options
        words = [word for word in interpreter.words if word not in ("-l", "--login")]
        login = {"RUNBOOK_LOGIN": "1"} if is_login else {}
        match interpreter.name:
            case "bash":
                argv = [*words, "--rcfile", str(self._file("shell.sh", _POSIX_START)), "-i"]
                moved = _moved("ENV", environment)
                return TerminalShell(argv=tuple(argv), environment={**moved, **login}, mark=self._mark)
            case "zsh":
                place = {"ZDOTDIR": str(self._file("zsh/.zshrc", _ZSH_START).parent)}
                argv = [*words, *(["-l"] if is_login else ["-d"]), "-i"]
                return TerminalShell(
                    argv=tuple(argv), environment={**_moved("ZDOTDIR", environment), **place, **login}, mark=self._mark
                )
            case "fish":
                start = f"source {self._file('start.fish', _FISH_START)}"
                argv = [*words, *(["-l"] if is_login else ["--no-config"]), "-i", "-C", start]
                return TerminalShell(argv=tuple(argv), mark=self._mark, line_limit=None)
            case name if name in _POSIX:
                place = {"ENV": str(self._file("shell.sh", _POSIX_START))}
                argv = [*words, *(["-l"] if is_login else []), "-i"]
                return TerminalShell(
                    argv=tuple(argv), environment={**_moved("ENV", environment), **place}, mark=self._mark
                )
        return TerminalShell(argv=interpreter.words)

    def _file(self, name: str, text: str) -> Path:
        path = self._folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(_filled(text, self._mark), encoding="utf-8")
        return path


def _filled(text: str, mark: str) -> str:
    return text.replace("@MARK@", mark).replace("@ESC@", "\x1b").replace("@BEL@", "\a")


def _moved(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Where the start-up file finds what a variable was, that is needed to find the start-up file."""
    return {f"RUNBOOK_{name}": environment[name]} if name in environment else {}
