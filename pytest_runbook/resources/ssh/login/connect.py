"""Makes one SSH connection, with everything that `ssh` takes into account passed to asyncssh."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import anyio
import asyncssh
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs

from ....errors import BlockFailed, Location, RunbookError
from ..config.options import HostOptions
from ..target import Credentials
from .auth_client import Client
from .errors import login_failure, network_failure, proxy_failure, timeout_failure
from .host_keys import HostKeys
from .identities import CertificateListener, IdentityLoader
from .known_hosts import KnownHosts
from .proxy import end_proxy, proxy_command

_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
# As strong as asyncssh's default, which runs a Python loop over three ciphers for each packet.
_FAST_CIPHERS = "^aes256-gcm@openssh.com,aes128-gcm@openssh.com"
_ACK_DELAYS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032)  # seconds after the login
_KNOWN_ALGORITHMS: Mapping[str, Callable[[], list[bytes]]] = {
    "kex_algs": get_kex_algs,
    "encryption_algs": get_encryption_algs,
    "mac_algs": get_mac_algs,
    "server_host_key_algs": get_public_key_algs,
    "signature_algs": get_public_key_algs,
}


async def open_connection(
    options: HostOptions,
    credentials: Credentials,
    *,
    hop: asyncssh.SSHClientConnection | None,
    warn: Callable[[str], object],
    on_certificate_problem: CertificateListener,
    on_end: Callable[[Exception | None], object],
) -> asyncssh.SSHClientConnection:
    """Connect and log in.

    hop: the connection to the jump host. warn: called with warnings for the report.
    on_certificate_problem: called with each user certificate that is not valid.
    :raises Unreachable: if that fails.
    """
    host_keys = _host_keys(options, credentials, warn)
    identities = await IdentityLoader(options, credentials, on_certificate_problem).load()
    try:
        with proxy_command(options) as (proxy, read_stderr):
            client = Client(host_keys, identities, credentials.password, on_end)
            try:
                return await _log_in(options, client, host_keys, proxy, hop)
            except BaseException as error:
                await end_proxy(client.proxy)
                if not isinstance(error, OSError | asyncssh.Error):
                    raise
                failure: RunbookError
                if isinstance(error, OSError):
                    failure = network_failure(error, options)
                else:
                    failure = login_failure(error, options, client, host_keys, identities)
                raise proxy_failure(failure, read_stderr()) from error
    finally:
        await identities.aclose()


async def _log_in(
    options: HostOptions,
    client: Client,
    host_keys: HostKeys,
    proxy: list[str] | None,
    hop: asyncssh.SSHClientConnection | None,
) -> asyncssh.SSHClientConnection:
    with anyio.move_on_after(options.connect_timeout):
        connection, _ = await asyncssh.create_connection(
            lambda: client,
            options.hostname,
            options.port,
            tunnel=hop or (),
            proxy_command=proxy or (),
            options=_library_options(options, host_keys),
        )
        _disable_delayed_ack(connection)
        return connection
    raise timeout_failure(options)


def _disable_delayed_ack(connection: asyncssh.SSHClientConnection) -> None:
    """Acknowledge what the host sends after the login at once, for 32 ms.

    The host sends two messages then. By Nagle's algorithm the second one waits until the first is acknowledged, and the
    kernel delays an acknowledgement by 40 ms. TCP_QUICKACK does not last, so it is set several times.
    """
    option, sock = getattr(socket, "TCP_QUICKACK", None), connection.get_extra_info("socket")
    if option is None or sock is None:
        return

    def acknowledge() -> None:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, 1)

    for delay in _ACK_DELAYS:
        asyncio.get_running_loop().call_later(delay, acknowledge)


def _library_options(options: HostOptions, host_keys: HostKeys) -> asyncssh.SSHClientConnectionOptions:
    algorithms: dict[str, object] = {
        name: _supported_algorithms(name, text) for name, text in options.algorithms.items()
    }
    algorithms.setdefault("server_host_key_algs", host_keys.algorithms())
    algorithms.setdefault("encryption_algs", _FAST_CIPHERS)
    try:
        return asyncssh.SSHClientConnectionOptions(
            config=None,
            username=options.user,
            known_hosts=host_keys.trusted,
            host_key_alias=options.name or None,
            client_keys=None,
            agent_path=None,
            agent_forwarding=os.environ.get("SSH_AUTH_SOCK", False) if options.forward_agent else False,
            gss_auth=False,
            gss_kex=False,
            preferred_auth=options.methods,
            family=_FAMILIES[options.family],
            local_addr=(options.bind_address, 0) if options.bind_address else None,
            keepalive_interval=options.alive_interval,
            keepalive_count_max=options.alive_count,
            compression_algs="zlib@openssh.com,none" if options.compression else "none,zlib@openssh.com",
            login_timeout=options.connect_timeout,
            **algorithms,
        )
    except ValueError as error:
        raise BlockFailed(f"the settings for {options.alias} can't be used: {error}", hint="see ssh_config") from error


def _supported_algorithms(option: str, text: str) -> str:
    """Return a list of algorithms without those that asyncssh does not know, which is at least as strict.

    :raises BlockFailed: if none is left.
    """
    known = {name.decode() for name in _KNOWN_ALGORITHMS[option]()}
    prefix = text[0] if text[0] in "+-^" else ""
    names = [name for name in text.removeprefix(prefix).split(",") if name in known or "*" in name or "?" in name]
    if not names and not prefix:
        hint = f"known here: {', '.join(sorted(known))}"
        raise BlockFailed(f"ssh_config: none of these algorithms is known here: {text}", hint=hint)
    return prefix + ",".join(names) if names else ""


def _host_keys(options: HostOptions, credentials: Credentials, warn: Callable[[str], object]) -> HostKeys:
    known_hosts = credentials.known_hosts
    if known_hosts is None:
        files = (*options.user_known_hosts, *options.global_known_hosts)
        return HostKeys(options, KnownHosts.of_files(files), next(iter(options.user_known_hosts), None), warn)
    if any(kind in known_hosts for kind in (" ssh-", " ecdsa-", " sk-")):
        return HostKeys(options, KnownHosts.of_text(known_hosts, "the given known_hosts"), None, warn)
    path = Path(known_hosts.strip()).expanduser()
    if not path.is_file():
        raise BlockFailed(
            f"known_hosts: there is no file {path}", location=Location(str(path)), hint="a path, or its lines"
        )
    return HostKeys(options, KnownHosts.of_files([path]), path, warn)
