"""Connects blocks to other hosts: target, credentials, bastion, tunnel, proxy, and hosts that can't be reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from ..context.items import DocumentSshConfig
from ..errors import TemplateError, Unreachable
from ..execution.context import ExecutionContext
from ..model.runbook import Declaration
from ..resources.process.sudo import Become
from ..resources.ssh.config.destination import Destination
from ..resources.ssh.target import Credentials, Target
from ..secrets.provenance import ContextValue

ResultT = TypeVar("ResultT")


def target_of(context: ExecutionContext) -> Target | None:
    """Return the host that a block above chose, with the credentials for it; None for this machine.

    :raises RunbookError: if the host or the credentials are invalid.
    """
    host, config = context.resolver.ssh_host, context.resolver.ssh_config
    if host is None:
        return None
    return Target(_destination(str(host.value), config), _credentials(context, config or DocumentSshConfig()))


def via_of(context: ExecutionContext) -> str | None:
    """Return the bastion through which the block reaches its server: its `via`, else that of its `connection`.

    :raises TemplateError: if it can't be rendered.
    """
    own = context.render("via", forbid_empty=True).strip()
    connection = context.connections.get(str(context.spec.props.get("connection")))
    return own or (None if connection is None else _declared_text(context, connection.via))


def bastion_of(context: ExecutionContext, via: str) -> Target:
    """Return a `via` as a target, with the runbook's credentials.

    :raises RunbookError: if the host or the credentials are invalid.
    """
    return Target(Destination.parse(via), _credentials(context, DocumentSshConfig()))


def become_of(context: ExecutionContext) -> Become | None:
    """Return the user that the block's program runs as; None for the user who is logged in.

    :raises TemplateError: if it can't be rendered.
    """
    declared = context.spec.rules.become
    if declared is None:
        return None
    return Become(
        _declared_text(context, declared.user) or "root",
        _secret_text(context, declared.password, "the password for sudo"),
    )


async def run_if_reachable(
    context: ExecutionContext, target: Target, label: str, work: Callable[[], Awaitable[ResultT]]
) -> ResultT:
    """Do work on a host; a host that can't be reached is recorded under the label of this block.

    :raises KnownUnreachable: if another block found that the host can't be reached; the work is not done.
    :raises Unreachable: if this block finds it.
    """
    reachability, key = context.resources.reachability, f"ssh {target}"
    context.check_reachable(key)
    try:
        result = await work()
    except Unreachable as error:
        context.check_reachable(key)  # another block may have waited for the same connection and recorded it first
        reachability.record_failure(key, error.with_location(context.spec.location), label)
        raise
    reachability.forget(key)
    return result


async def proxy_of(context: ExecutionContext, label: str) -> str | None:
    """Return the URL of a proxy that connects from the host of the block's `via`; None without a `via`.

    :raises RunbookError: if that host can't be reached.
    """
    via = via_of(context)
    if via is None:
        return None
    target = bastion_of(context, via)
    return await run_if_reachable(context, target, label, lambda: context.resources.ssh.proxy(target))


async def tunnelled(context: ExecutionContext, label: str, uri: str, default_port: int) -> str:
    """Return a URI with the local end of an SSH tunnel as its server if the block has a `via`, else unchanged.

    :raises RunbookError: if the host of `via` can't be reached.
    """
    via, parts = via_of(context), urlsplit(uri)
    if via is None or not parts.hostname:
        return uri
    target, server = bastion_of(context, via), (parts.hostname, parts.port or default_port)
    host, port = await run_if_reachable(context, target, label, lambda: context.resources.ssh.tunnel(target, *server))
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{host}:{port}"))


def _destination(text: str, config: DocumentSshConfig | None) -> Destination:
    if config is None:
        return Destination.parse(text)
    if config.user and config.hostname:
        return Destination.of(config.hostname, config.user, config.port)
    found = Destination.parse(config.user_host)
    return replace(found, port=config.port or found.port)


def _credentials(context: ExecutionContext, config: DocumentSshConfig) -> Credentials:
    """Return the credentials of the ssh-connect block above; what it lacks, from the runbook's `ssh` key."""
    access = context.ssh
    identity = _text_or_declared(context, config.identity_key, access.identity)
    certificate = _text_or_declared(context, config.certificate, access.certificate)
    known_hosts, files = _declared_text(context, access.known_hosts), _declared_text(context, access.config)
    return Credentials(
        identity=_key(context, identity),
        certificate=certificate and _file_or_text(context, certificate, is_text="-cert-v01@" in certificate),
        passphrase=_text_or_none(config.passphrase) or _secret_text(context, access.passphrase, "the passphrase"),
        password=_text_or_none(config.password) or _secret_text(context, access.password, "the password"),
        known_hosts=known_hosts and _file_or_text(context, known_hosts, is_text=_holds_keys(known_hosts)),
        config=(Path(_file_or_text(context, files, is_text=False)),) if files else None,
    )


def _text_or_declared(
    context: ExecutionContext, value: ContextValue | None, declaration: Declaration | None
) -> str | None:
    return _text_or_none(value) or _declared_text(context, declaration)


def _text_or_none(value: ContextValue | None) -> str | None:
    return None if value is None or not str(value.value).strip() else str(value.value)


def _key(context: ExecutionContext, identity: str | None) -> str | None:
    if identity is None:
        return None
    is_text = identity.lstrip().startswith("-----BEGIN")
    if is_text:
        context.masker.add(identity, "the private key")
    return _file_or_text(context, identity, is_text=is_text)


def _file_or_text(context: ExecutionContext, text: str, *, is_text: bool) -> str:
    """Return a key's own text unchanged; a path as relative to the runbook's folder."""
    return text if is_text else str(context.folder / Path(text.strip()).expanduser())


def _holds_keys(text: str) -> bool:
    return any(kind in text for kind in (" ssh-", " ecdsa-", " sk-"))


def _secret_text(context: ExecutionContext, declaration: Declaration | None, name: str) -> str | None:
    text = _declared_text(context, declaration)
    if text is not None:
        context.masker.add(text, name)
    return text


def _declared_text(context: ExecutionContext, declaration: Declaration | None) -> str | None:
    if declaration is None:
        return None
    try:
        return context.resolver.resolve(str(declaration.value), context.read_log, forbid_empty=True)
    except TemplateError as error:
        raise error.with_location(declaration.location.shifted((error.line or 1) - 1), context.spec.label) from None
