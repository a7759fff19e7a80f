"""Typed options for a host, from its ssh_config settings. A setting that matters to security is never ignored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from .config_file import Setting
from .destination import Destination
from .host_config import HostConfig, expand

CONNECT_TIMEOUT = 10.0
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TIME_PART = re.compile(r"([0-9]+)([smhdw]?)")
_TIME = re.compile(r"([0-9]+[smhdwSMHDW]?)+")
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")

# Not supported. To ignore them would accept what the user wants refused, or connect to another host than `ssh` does.
# The values here are those that change nothing.
_UNSUPPORTED: Mapping[str, tuple[str, ...]] = {
    "canonicalizehostname": ("no",),
    "casignaturealgorithms": (),
    "checkhostip": ("no",),
    "hostbasedauthentication": ("no",),
    "knownhostscommand": ("none",),
    "pkcs11provider": ("none",),
    "requiredrsasize": ("1024", "2048"),
    "revokedhostkeys": ("none",),
    "securitykeyprovider": ("internal",),
    "tunnel": ("no",),
    "verifyhostkeydns": ("no",),
}
# Supported, or without effect on connections that no user sits in front of.
_KNOWN = frozenset(
    """
    addressfamily batchmode bindaddress certificatefile ciphers clearallforwardings compression connectionattempts
    connecttimeout controlmaster controlpath controlpersist enableescapecommandline escapechar exitonforwardfailure
    fingerprinthash forkafterauthentication forwardagent forwardx11 forwardx11timeout forwardx11trusted
    globalknownhostsfile gssapiauthentication gssapidelegatecredentials hashknownhosts hostkeyalgorithms hostkeyalias
    hostname identitiesonly identityagent identityfile ignoreunknown ipqos kbdinteractiveauthentication
    challengeresponseauthentication kexalgorithms loglevel logverbose macs nohostauthenticationforlocalhost
    numberofpasswordprompts passwordauthentication permitlocalcommand port preferredauthentications proxycommand
    proxyjump proxyusefdpass pubkeyacceptedalgorithms pubkeyacceptedkeytypes pubkeyauthentication requesttty sendenv
    serveralivecountmax serveraliveinterval sessiontype setenv stdinnull streamlocalbindmask streamlocalbindunlink
    stricthostkeychecking syslogfacility tag tcpkeepalive updatehostkeys user userknownhostsfile visualhostkey
    xauthlocation addkeystoagent obscurekeystroketiming canonicaldomains canonicalizefallbacklocal
    canonicalizemaxdots canonicalizepermittedcnames
    """.split()  # noqa: SIM905 - forty names read better without quotes
)


class HostKeyPolicy(StrEnum):
    """StrictHostKeyChecking: whether a host with an unknown key is accepted."""

    STRICT = "yes"
    ACCEPT_NEW = "accept-new"
    OFF = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """How to reach a host. Times are in seconds.

    alias: the host as the destination names it. name: the name to look up in known_hosts, if it is another one.
    identity_files: those to try, in order. is_default_identity: none is configured, so that the defaults may be
    missing.
    identity_agent: the agent's socket; None: no agent. jump: jump hosts, the first one first.
    algorithms: lists as in ssh_config, by the names of asyncssh's options. ignored: settings without effect here.
    """

    alias: str
    hostname: str
    user: str
    port: int
    name: str
    identity_files: tuple[Path, ...]
    is_default_identity: bool
    certificate_files: tuple[Path, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None
    jump: tuple[Destination, ...] = ()
    proxy_command: str | None = None
    user_known_hosts: tuple[Path, ...] = ()
    global_known_hosts: tuple[Path, ...] = ()
    policy: HostKeyPolicy = HostKeyPolicy.STRICT
    hash_known_hosts: bool = False
    connect_timeout: float = CONNECT_TIMEOUT
    alive_interval: float = 15.0
    alive_count: int = 3
    compression: bool = False
    family: str = "any"
    bind_address: str | None = None
    methods: tuple[str, ...] = ()
    send_env: tuple[str, ...] = ()
    set_env: tuple[str, ...] = ()
    forward_agent: bool = False
    algorithms: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[Setting, ...] = ()

    @property
    def address(self) -> str:
        """Host and port in display form: ``web-1:22``, ``[::1]:2222``."""
        return f"[{self.hostname}]:{self.port}" if ":" in self.hostname else f"{self.hostname}:{self.port}"


def host_options(config: HostConfig) -> HostOptions:
    """Return the options of a host.

    :raises BlockFailed: if a setting is not valid, or is not supported although it matters to security.
    """
    _refuse_unsupported(config)
    read = _OptionReader(config)
    files = read.paths("identityfile", ())
    return HostOptions(
        alias=config.destination.host,
        hostname=config.hostname,
        user=config.user,
        port=config.port,
        name=read.text("hostkeyalias") or "",
        identity_files=files or tuple(Path.home() / ".ssh" / name for name in _DEFAULT_KEYS),
        is_default_identity=not files,
        certificate_files=read.paths("certificatefile", ()),
        identities_only=read.flag("identitiesonly", False),
        identity_agent=read.agent(),
        jump=read.jump(),
        proxy_command=read.proxy_command(),
        user_known_hosts=read.paths("userknownhostsfile", ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")),
        global_known_hosts=read.paths(
            "globalknownhostsfile", ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
        ),
        policy=read.policy(),
        hash_known_hosts=read.flag("hashknownhosts", False),
        connect_timeout=read.time("connecttimeout") or CONNECT_TIMEOUT,
        alive_interval=read.time("serveraliveinterval") or 15.0,
        alive_count=int(read.number("serveralivecountmax") or 3),
        compression=read.flag("compression", False),
        family=read.choice("addressfamily", ("any", "inet", "inet6")),
        bind_address=read.text("bindaddress"),
        methods=read.methods(),
        send_env=tuple(name for setting in config.all("sendenv") for name in setting.args),
        set_env=tuple(pair for setting in config.all("setenv") for pair in setting.args),
        forward_agent=read.flag("forwardagent", False),
        algorithms=read.algorithms(),
        ignored=tuple(found[0] for keyword, found in config.settings.items() if not _is_known(keyword, config)),
    )


def _refuse_unsupported(config: HostConfig) -> None:
    for keyword, harmless in _UNSUPPORTED.items():
        setting = config.get(keyword)
        if setting is not None and setting.text.lower() not in harmless:
            hint = "ignoring it would not be safe: take it out for this host (Match, Host), or use another config file"
            raise setting.error("it matters to security and is not supported here", hint)


def _is_known(keyword: str, config: HostConfig) -> bool:
    if keyword in _KNOWN or keyword in _UNSUPPORTED:
        return True
    unknown = config.get("ignoreunknown")
    return unknown is not None and keyword in unknown.text.lower().split(",")


class _OptionReader:
    """Converts settings to the types of their options."""

    def __init__(self, config: HostConfig) -> None:
        self._config = config

    def text(self, keyword: str) -> str | None:
        setting = self._config.get(keyword)
        return None if setting is None or setting.text.lower() == "none" else setting.text

    def flag(self, keyword: str, default: bool) -> bool:
        setting = self._config.get(keyword)
        if setting is None:
            return default
        if setting.text.lower() in ("yes", "true", "no", "false"):
            return setting.text.lower() in ("yes", "true")
        if keyword == "forwardagent":
            raise setting.error("only yes and no are supported here", None)
        raise setting.error("this is neither yes nor no")

    def number(self, keyword: str) -> float | None:
        text = self.text(keyword)
        setting = self._config.get(keyword)
        if text is None or setting is None:
            return None
        if not text.isdigit():
            raise setting.error("this is no number")
        return float(text)

    def time(self, keyword: str) -> float | None:
        """Return seconds, from a number or numbers with units.

        Source: sshd_config(5), TIME FORMATS.
        """
        text = self.text(keyword)
        setting = self._config.get(keyword)
        if text is None or setting is None:
            return None
        if not _TIME.fullmatch(text):
            raise setting.error("this is no time: 90, 1m30s")
        parts = _TIME_PART.findall(text.lower())
        return float(sum(int(digits) * _UNITS[unit] for digits, unit in parts))

    def choice(self, keyword: str, choices: Sequence[str]) -> str:
        setting = self._config.get(keyword)
        if setting is None:
            return choices[0]
        if setting.text.lower() not in choices:
            raise setting.error(f"this is none of {', '.join(choices)}")
        return setting.text.lower()

    def paths(self, keyword: str, default: Sequence[str]) -> tuple[Path, ...]:
        settings = self._config.all(keyword)
        if not settings:
            return tuple(Path(text).expanduser() for text in default)
        named = [(setting, text) for setting in settings for text in setting.args if text.lower() != "none"]
        return tuple(self._config.path(setting, text) for setting, text in named)

    def agent(self) -> str | None:
        setting = self._config.get("identityagent")
        if setting is None or setting.text == "SSH_AUTH_SOCK":
            return os.environ.get("SSH_AUTH_SOCK") or None
        if setting.text.lower() == "none":
            return None
        if setting.text.startswith("$") and not setting.text.startswith("${"):
            return os.environ.get(setting.text[1:]) or None
        return str(self._config.path(setting, setting.text))

    def jump(self) -> tuple[Destination, ...]:
        """Return the jump hosts of ProxyJump, unless a ProxyCommand stands above it."""
        setting = self._config.get("proxyjump")
        if setting is None or setting.text.lower() == "none" or self._comes_first("proxycommand", "proxyjump"):
            return ()
        tokens = self._config.tokens()
        return tuple(Destination.parse(expand(setting, hop, tokens)) for hop in setting.text.split(","))

    def proxy_command(self) -> str | None:
        setting = self._config.get("proxycommand")
        if setting is None or setting.text.lower() == "none" or not self._comes_first("proxycommand", "proxyjump"):
            return None
        return expand(setting, setting.text, self._config.tokens())

    def _comes_first(self, keyword: str, other: str) -> bool:
        order = list(self._config.settings)
        return keyword in order and (other not in order or order.index(keyword) < order.index(other))

    def policy(self) -> HostKeyPolicy:
        text = self.choice("stricthostkeychecking", ("ask", "yes", "true", "accept-new", "no", "false", "off"))
        named = {"accept-new": HostKeyPolicy.ACCEPT_NEW, **dict.fromkeys(("no", "false", "off"), HostKeyPolicy.OFF)}
        return named.get(text, HostKeyPolicy.STRICT)

    def methods(self) -> tuple[str, ...]:
        """Return the authentication methods to try, in order."""
        preferred = self.text("preferredauthentications") or "publickey,keyboard-interactive,password"
        kbd = "kbdinteractiveauthentication"
        allowed = {
            "publickey": self.flag("pubkeyauthentication", True),
            "keyboard-interactive": self.flag(kbd, self.flag("challengeresponseauthentication", True)),
            "password": self.flag("passwordauthentication", True),
        }
        return tuple(method for method in preferred.split(",") if allowed.get(method))

    def algorithms(self) -> Mapping[str, str]:
        named = {
            "kex_algs": "kexalgorithms",
            "encryption_algs": "ciphers",
            "mac_algs": "macs",
            "server_host_key_algs": "hostkeyalgorithms",
            "signature_algs": "pubkeyacceptedalgorithms",
        }
        found = {option: self.text(keyword) for option, keyword in named.items()}
        return {option: text for option, text in found.items() if text is not None}
