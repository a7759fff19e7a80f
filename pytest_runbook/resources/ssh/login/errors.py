"""Translates errors of connecting and logging in into errors of this package, each with a hint."""

from __future__ import annotations

import errno
import socket

import asyncssh

from ....errors import RunbookError, Unreachable
from ....text import shorten, show_limit
from ..config.options import HostOptions
from .auth_client import Client
from .host_keys import HostKeys
from .identities import Identities

_REFUSED = "is sshd running there, and on this port? See Port and HostName in ssh_config"
_ROUTE = "is the network up, does it need a VPN, or a jump host (ProxyJump)?"


def timeout_failure(options: HostOptions) -> Unreachable:
    """Return the error for a connection that was not made in time."""
    return Unreachable(
        f"no login to {options.address} within {show_limit(options.connect_timeout)}",
        hint="is it up, and its port open from here? ConnectTimeout in ssh_config gives it longer",
    )


def network_failure(error: OSError, options: HostOptions) -> Unreachable:
    """Return the error for a connection that the network refused."""
    if isinstance(error, socket.gaierror):
        hint = "is it spelt right? An alias needs a Host entry in ssh_config"
        return Unreachable(f'no address is known for "{options.hostname}": {error.strerror}', hint=hint)
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return Unreachable(f"there is no route to {options.address}", hint=_ROUTE)
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return Unreachable(f"{options.address} refuses connections", hint=_REFUSED)
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return _closed_error(options)
    return Unreachable(f"no connection to {options.address}: {error.strerror or error}", hint=_ROUTE)


def login_failure(
    error: asyncssh.Error, options: HostOptions, client: Client | None, keys: HostKeys, identities: Identities
) -> RunbookError:
    """Return the error for a login that the host, or our check of the host, refused."""
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return keys.explain_refusal(shorten(error.reason, 200))
    if isinstance(error, asyncssh.KeyExchangeFailed):
        hint = "ssh -vv shows what both sides offer; see KexAlgorithms, Ciphers, MACs, HostKeyAlgorithms in ssh_config"
        message = f"{options.address} and this client have no algorithm in common: {shorten(error.reason, 300)}"
        return Unreachable(message, hint=hint)
    if isinstance(error, asyncssh.ChannelOpenError):
        return Unreachable(f"the jump host can't reach {options.address}: {error.reason}", hint=_ROUTE)
    if isinstance(error, asyncssh.PermissionDenied):
        return _permission_error(options, client, identities)
    if isinstance(error, asyncssh.ConnectionLost):
        return _closed_error(options)
    message = f"{options.address} does not answer as an SSH server: {shorten(error.reason, 300)}"
    return Unreachable(message, hint="does another service listen on this port?")


def proxy_failure(failure: RunbookError, stderr: str) -> RunbookError:
    """Add the ProxyCommand's stderr to the error, if it wrote any."""
    if stderr.strip():
        failure.message = f"{failure.message} (ProxyCommand: {shorten(stderr, 300)})"
        failure.hint = "run the ProxyCommand by hand: ssh -v HOST shows it"
    return failure


def _closed_error(options: HostOptions) -> Unreachable:
    return Unreachable(
        f"{options.address} closed the connection before the login",
        hint="too many at once (MaxStartups), a block list, or no SSH server: see the log of its sshd",
    )


def _permission_error(options: HostOptions, client: Client | None, identities: Identities) -> Unreachable:
    tried = list(dict.fromkeys(client.tried if client else ()))
    attempts = f"tried {', '.join(tried)}" if tried else "there was nothing to try"
    problems = f"; not tried: {'; '.join(identities.problems)}" if identities.problems else ""
    message = f"{options.user}@{options.address} refuses the login: {attempts}{problems}"
    return Unreachable(message, hint=_login_hint(tried, identities), detail=client.banner if client else "")


def _login_hint(tried: list[str], identities: Identities) -> str:
    if any("encrypted" in problem for problem in identities.problems):
        return 'give the key\'s passphrase from a secret (passphrase: "{{ secret.NAME }}"), or load it into the agent'
    if any(name.startswith("an answer to") for name in tried):
        return "a run can't answer it: use a key, or an account without a second factor"
    if any("password" in name for name in tried):
        return "is it the right password, for this user?"
    if tried:
        return "is one of these keys in the authorized_keys of this user? ssh -v shows what the host says"
    return "an agent (ssh-add -l), IdentityFile in ssh_config, or identity and password on ssh-connect"
