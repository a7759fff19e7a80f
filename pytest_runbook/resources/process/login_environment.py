"""The environment of a login shell, for runs that ask for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import anyio

from ...errors import BlockFailed
from .runner import run_process
from .supervisor import ProcessSupervisor

TIMEOUT = 10.0


class LoginShell(StrEnum):
    """Which environment programs get.

    never: that of this process. once: that of one login shell, taken when it is first needed. each: every shell script
    runs in a login shell of its own.
    """

    NEVER = "never"
    ONCE = "once"
    EACH = "each"


async def login_environment(supervisor: ProcessSupervisor) -> Mapping[str, str]:
    """Return the environment that a login shell makes of ours, with our PATH in front of its own.

    :raises BlockFailed: if the shell does not end in time.
    """
    shell = os.environ.get("SHELL", "/bin/sh")
    with anyio.move_on_after(TIMEOUT):
        outcome = await run_process(
            [shell, "-l", "-c", "env -0"], cwd=Path.home(), env=os.environ, supervisor=supervisor
        )
        return _parse_environment(outcome.output.stdout)
    raise BlockFailed(
        f"{shell} as a login shell gave no environment within {TIMEOUT:.0f} s", hint="look at its profile"
    )


def _parse_environment(text: str) -> dict[str, str]:
    environment = dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)
    own_path = os.environ.get("PATH", "").split(os.pathsep)
    other = environment.get("PATH", "").split(os.pathsep)
    environment["PATH"] = os.pathsep.join(dict.fromkeys(entry for entry in (*own_path, *other) if entry))
    return environment
