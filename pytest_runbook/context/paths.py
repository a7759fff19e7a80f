"""Working directories as blocks write them: ``~``, ``$NAME``, relative, with dots."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})")


def resolve_directory(path: str, current: str, env: Mapping[str, str]) -> str:
    """The absolute directory that a path means when it is written below `current`.

    Lexical: nothing is looked up, symbolic links stay. ``$NAME`` knows the variables of env blocks alone; a name that
    they do not set stays as written.

    Source: the runbook format.
    """
    expanded = _expand_variables(_expand_home(path.strip()), env)
    return os.path.normpath(os.path.join(current, expanded))  # noqa: PTH118 - lexical, and `..` must not resolve links


def resolve_remote_directory(path: str, current: str, env: Mapping[str, str]) -> str:
    """The same on another host: relative to where a login begins there, ``~`` left to it.

    current: "" where a login begins.
    """
    expanded = _expand_variables(path.strip(), env)
    base = "" if expanded == "~" or expanded.startswith("~/") else current
    return os.path.normpath(os.path.join(base, expanded))  # noqa: PTH118 - as above


def _expand_home(path: str) -> str:
    if path == "~" or path.startswith("~/"):
        return str(Path.home()) + path[1:]
    return path


def _expand_variables(path: str, env: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["bare"] or match["braced"]
        return env.get(name, match["default"] if match["default"] is not None else match[0])

    return _NAME.sub(value, path)
