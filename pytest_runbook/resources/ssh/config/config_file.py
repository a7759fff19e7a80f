"""Parses ssh_config files into keywords with their arguments and locations.

Source: ssh_config(5) of OpenSSH 9.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ....errors import BlockFailed, Location

# The rest of their line is one argument, which a shell reads.
_COMMANDS = frozenset({"proxycommand", "remotecommand", "localcommand", "knownhostscommand"})
_HINT = "ssh -G HOST says what OpenSSH makes of the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One line. keyword: in lower case. name: the keyword as written."""

    keyword: str
    name: str
    args: tuple[str, ...]
    location: Location

    @property
    def text(self) -> str:
        """The first argument, or the whole command."""
        return self.args[0]

    def error(self, message: str, hint: str | None = _HINT) -> BlockFailed:
        """Return an error at this line."""
        return BlockFailed(
            f"ssh_config: {self.name} {' '.join(self.args)}: {message}", location=self.location, hint=hint
        )


def read_settings(path: Path) -> Iterator[Setting]:
    """Yield the settings of a file in order; none if there is no such file.

    :raises BlockFailed: if the file can't be read, or a line is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise BlockFailed(
            f"{path} can't be read: {os.strerror(error.errno or 0)}", hint="correct its permissions"
        ) from None
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield _setting(stripped, Location(str(path), number))


def _setting(line: str, location: Location) -> Setting:
    end = next((index for index, character in enumerate(line) if character in " \t="), len(line))
    name, rest = line[:end].strip('"'), line[end:].lstrip(" \t")
    rest = rest.removeprefix("=").strip(" \t")
    keyword = name.lower()
    args = (rest,) if keyword in _COMMANDS and rest else tuple(_words(rest, location))
    if not args:
        raise BlockFailed(f"ssh_config: {name} has no value", location=location, hint=_HINT)
    return Setting(keyword=keyword, name=name, args=args, location=location)


def _words(text: str, location: Location) -> Iterator[str]:
    """Yield the words of a line. Both kinds of quotes are known, and a word that begins with ``#`` opens a comment."""
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
        elif text[at] == "#":
            return
        else:
            word, at = _word(text, at, location)
            yield word


def _word(text: str, at: int, location: Location) -> tuple[str, int]:
    word, quote = "", ""
    while at < len(text) and (quote or text[at] not in " \t"):
        character, following = text[at], text[at + 1 : at + 2]
        if character == "\\" and following and (following in "'\"\\" or (not quote and following == " ")):
            word += following
            at += 1
        elif not quote and character in "'\"":
            quote = character
        elif character == quote:
            quote = ""
        else:
            word += character
        at += 1
    if quote:
        raise BlockFailed(f"ssh_config: a quote is not closed: {text}", location=location, hint=_HINT)
    return word, at
