"""Working directories as blocks write them: with ``~``, ``$NAME``, dots, or relative."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})")


def resolve_directory(path: str, current: str, env: Mapping[str, str]) -> str:
    """Return the absolute directory of a path that is written below `current`.

    The path is resolved lexically: nothing is looked up, and symbolic links stay. Only the variables of env blocks are
    expanded in ``$NAME``; other names stay as written.

    Source: the runbook format.
    """
    expanded = _expand_variables(_expand_home(path.strip()), env)
    return os.path.normpath(os.path.join(current, expanded))  # noqa: PTH118 - lexical, and `..` must not resolve links


def resolve_remote_directory(path: str, current: str, env: Mapping[str, str]) -> str:
    """Return the directory of a path on another host, relative to its login directory. The host expands ``~`` itself.

    current: "" for the login directory.
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
