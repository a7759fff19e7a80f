"""Evaluates ssh_config files for one host: Host, Match and Include; the first value of a setting wins.

Source: ssh_config(5) of OpenSSH 9.
"""

from __future__ import annotations

import getpass
import hashlib
import ipaddress
import os
import re
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ....errors import BlockFailed
from .config_file import Setting, read_settings
from .destination import Destination
from .host_patterns import matches_list

SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
EXEC_TIMEOUT = 10.0
_MAX_INCLUDE_DEPTH = 16
_COLLECTED = frozenset({"identityfile", "certificatefile", "sendenv", "setenv"})
_TOKEN = re.compile(r"%(.)")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def user_config() -> Path:
    """Return the path of the user's file."""
    return Path.home() / ".ssh" / "config"


def default_files() -> tuple[Path, ...]:
    """Return the files that are read unless the runbook names others."""
    return user_config(), SYSTEM_CONFIG


@dataclass(slots=True)
class HostConfig:
    """The settings for a host. settings: by keyword, in the order of the files."""

    destination: Destination
    local_user: str = field(default_factory=getpass.getuser)
    settings: dict[str, list[Setting]] = field(default_factory=dict)

    def get(self, keyword: str) -> Setting | None:
        found = self.settings.get(keyword)
        return found[0] if found else None

    def all(self, keyword: str) -> Sequence[Setting]:
        return self.settings.get(keyword, ())

    @property
    def hostname(self) -> str:
        """The name or address to connect to."""
        setting = self.get("hostname")
        return self.destination.host if setting is None else expand(setting, setting.text, {"h": self.destination.host})

    @property
    def user(self) -> str:
        setting = self.get("user")
        return self.destination.user or (self.local_user if setting is None else setting.text)

    @property
    def port(self) -> int:
        setting = self.get("port")
        if self.destination.port or setting is None:
            return self.destination.port or 22
        if not (setting.text.isdigit() and 0 < int(setting.text[:6]) < 1 << 16):
            raise setting.error("this is no port: 1 to 65535", None)
        return int(setting.text)

    def tokens(self) -> Mapping[str, str]:
        """Return the values of ``%`` tokens by letter."""
        local, hostname, port = socket.gethostname(), self.hostname, str(self.port)
        alias = self.get("hostkeyalias")
        jump = self.get("proxyjump")
        seed = "".join((local, hostname, port, self.user, "" if jump is None else jump.text))
        return {
            "C": hashlib.sha1(seed.encode(errors="surrogateescape"), usedforsecurity=False).hexdigest(),
            "d": str(Path.home()),
            "h": hostname,
            "i": str(os.getuid()),
            "k": self.destination.host if alias is None else alias.text,
            "L": local.partition(".")[0],
            "l": local,
            "n": self.destination.host,
            "p": port,
            "r": self.user,
            "u": self.local_user,
        }

    def path(self, setting: Setting, text: str) -> Path:
        """Return the path in a setting, with ``~``, tokens and ``${NAME}`` expanded."""
        return Path(expand(setting, _VARIABLE.sub(_variable(setting), text), self.tokens())).expanduser()


def expand(setting: Setting, text: str, tokens: Mapping[str, str]) -> str:
    """Expand the ``%`` tokens of a text.

    :raises BlockFailed: if a token is not known here.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] != "%" and match[1] not in tokens:
            raise setting.error(f"%{match[1]} means nothing here")
        return "%" if match[1] == "%" else tokens[match[1]]

    return _TOKEN.sub(value, text)


def _variable(setting: Setting) -> Callable[[re.Match[str]], str]:
    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise setting.error(f"the environment variable {match[1]} is not set", None)
        return os.environ[match[1]]

    return value


def read_config(destination: Destination, files: Sequence[Path]) -> HostConfig:
    """Evaluate the files for a host. Blocks while a ``Match exec`` command runs.

    :raises BlockFailed: if a file can't be read, or a line is not valid.
    """
    config = HostConfig(destination)
    reader = _Reader(config)
    for path in files:
        reader.read(path)
    if reader.needs_final_pass:
        final = _Reader(config, is_final=True)
        for path in files:
            final.read(path)
    return config


class _Reader:
    """One pass over the files."""

    def __init__(self, config: HostConfig, *, is_final: bool = False) -> None:
        self.needs_final_pass = False
        self._config = config
        self._is_final = is_final

    def read(self, path: Path, depth: int = 0) -> None:
        matching = True
        for setting in read_settings(path):
            if setting.keyword == "host":
                matching = matches_list(self._config.destination.host, setting.args)
            elif setting.keyword == "match":
                matching = self._matches(setting)
            elif matching and setting.keyword == "include":
                self._include(setting, path, depth)
            elif matching:
                self._store(setting)

    def _store(self, setting: Setting) -> None:
        stored = self._config.settings.setdefault(setting.keyword, [])
        if not stored or (setting.keyword in _COLLECTED and setting not in stored):
            stored.append(setting)

    def _include(self, setting: Setting, path: Path, depth: int) -> None:
        if depth == _MAX_INCLUDE_DEPTH:
            raise setting.error("too many files include one another")
        base = SYSTEM_CONFIG.parent if path.is_relative_to(SYSTEM_CONFIG.parent) else user_config().parent
        for pattern in setting.args:
            pattern_path = base / self._config.path(setting, pattern)
            for found in sorted(Path(pattern_path.anchor).glob(str(pattern_path.relative_to(pattern_path.anchor)))):
                self.read(found, depth + 1)

    def _matches(self, setting: Setting) -> bool:
        """Return True if every criterion of a Match line holds. Those after one that does not are not evaluated."""
        words = [part for word in setting.args for part in _criterion(word)]
        while words:
            name = words.pop(0)
            criterion = name.removeprefix("!").lower()
            if criterion == "final":
                self.needs_final_pass = True
            if criterion in ("all", "final", "canonical"):
                holds = criterion == "all" or self._is_final
            elif not words:
                raise setting.error(f"{name} has no value")
            else:
                holds = self._holds(setting, criterion, words.pop(0))
            if holds == name.startswith("!"):
                return False
        return True

    def _holds(self, setting: Setting, criterion: str, value: str) -> bool:
        config = self._config
        if criterion == "exec":
            return _succeeds(setting, expand(setting, value, config.tokens()))
        if criterion == "localnetwork":
            return _is_in_network(setting, value)
        tag = config.get("tag")
        texts = {
            "host": lambda: config.hostname,
            "originalhost": lambda: config.destination.host,
            "user": lambda: config.user,
            "localuser": lambda: config.local_user,
            "tagged": lambda: "" if tag is None else tag.text,
        }
        if criterion not in texts:
            raise setting.error(f"the criterion {criterion} is not known")
        return matches_list(texts[criterion](), value.split(","))


def _criterion(word: str) -> list[str]:
    name, equals, value = word.partition("=")
    return [name, value] if equals and name.removeprefix("!").isalpha() else [word]


def _succeeds(setting: Setting, command: str) -> bool:
    shell = os.environ.get("SHELL", "/bin/sh")
    try:
        completed = subprocess.run(
            [shell, "-c", command], capture_output=True, stdin=subprocess.DEVNULL, timeout=EXEC_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise setting.error(f"exec took longer than {EXEC_TIMEOUT:.0f} s", None) from None
    except OSError as error:
        raise BlockFailed(
            f"ssh_config: {shell}: {error.strerror}", location=setting.location, hint="look at $SHELL"
        ) from error
    return completed.returncode == 0


def _is_in_network(setting: Setting, value: str) -> bool:
    try:
        networks = [ipaddress.ip_network(text, strict=False) for text in value.split(",")]
    except ValueError as error:
        raise setting.error(str(error)) from None
    import psutil  # slow to import, and hardly any ssh_config needs it

    own_addresses = [address.address.partition("%")[0] for found in psutil.net_if_addrs().values() for address in found
           if address.family in (socket.AF_INET, socket.AF_INET6)]  # fmt: skip
    return any(ipaddress.ip_address(address) in network for address in own_addresses for network in networks)
