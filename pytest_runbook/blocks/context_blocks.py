"""Context blocks for programs: env, directory, local-directory, host and ssh-connect."""

from __future__ import annotations

from ..context.answers import LocalValues
from ..context.block_context import BlockContext
from ..context.items import DocumentCwd, DocumentEnvVar, DocumentSshConfig, DocumentSshHost
from ..context.resolver import ContextResolver
from ..secrets.provenance import ContextValue, Origin
from .behavior import BlockBehavior

_LOGIN_PROPS = {
    "identity_key": "identityKey",
    "certificate": "certificate",
    "passphrase": "passphrase",
    "password": "password",
}


class Env(BlockBehavior):
    """Sets an environment variable for the programs below, and ``env.NAME`` in templates."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        name = str(self.resolved(resolver, "name").value)
        if not name:
            raise self.prop_error("the environment variable's name is empty", "name", "give it a name")
        value = self.resolved(resolver, "value")
        for text, prop, forbidden in ((name, "name", "=\0"), (str(value.value), "value", "\0")):
            if any(character in forbidden for character in text):
                raise self.prop_error(
                    f"{text!r} can't be the {prop} of an environment variable", prop, "no = or NUL in it"
                )
        return BlockContext(DocumentEnvVar(name, ContextValue(str(value.value), value.origin, value.sensitive)))


class Directory(BlockBehavior):
    """Sets the directory of the programs below; an empty path resets it to the default directory."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        return BlockContext(DocumentCwd(self.resolved(resolver, "path")))


class LocalDirectory(BlockBehavior):
    """Sets a directory that is not in the file but an answer of the user; without one it is the default directory."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        provided = local_values.get("path")
        if provided is None:
            origin = Origin(f"the default directory: no answer to {local_values.key}", self.spec.location)
            return BlockContext(DocumentCwd(ContextValue("", origin)))
        return BlockContext(DocumentCwd(provided))


class HostSelect(BlockBehavior):
    """Sets the host of the programs below, without connection settings of its own; ``local`` is this machine."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        return BlockContext(DocumentSshHost.of(self.resolved(resolver, "host")))


class SshConnect(BlockBehavior):
    """Sets the host of the programs below, with the settings of its SSH connection."""

    def passive_context(self, resolver: ContextResolver, local_values: LocalValues) -> BlockContext:
        user, hostname = (str(self.resolved(resolver, prop).value).strip() for prop in ("user", "hostname"))
        port = self._port()
        if bool(user) != bool(hostname):
            raise self.prop_error(
                "user and hostname go together", "user" if user else "hostname", "give both, or neither"
            )
        user_host = self._user_host(resolver)
        name = f"{user}@{hostname}" + (f":{port}" if port else "") if user else user_host
        config = DocumentSshConfig(
            user_host=user_host,
            user=user or None,
            hostname=hostname or None,
            port=port,
            **{field: self._login_value(resolver, local_values, prop) for field, prop in _LOGIN_PROPS.items()},
        )
        return BlockContext(DocumentSshHost(ContextValue(name, self.origin)), config)

    def _login_value(self, resolver: ContextResolver, local_values: LocalValues, prop: str) -> ContextValue | None:
        """Return a credential: the answer, else the value in the file."""
        provided = local_values.get(prop)
        declared = self.resolved(resolver, prop) if self.spec.props.get(prop) else None
        return provided or declared

    def _user_host(self, resolver: ContextResolver) -> str:
        user_host = str(self.resolved(resolver, "userHost").value).strip()
        if not user_host and not self.spec.props.get("hostname"):
            raise self.prop_error("no host to connect to", "userHost", "give userHost, or user and hostname")
        if " " in user_host:
            raise self.prop_error(f'"{user_host}" is no [user@]host[:port]', "userHost")
        return user_host

    def _port(self) -> int | None:
        port = self.spec.props.get("port")
        if port is None or port == 0:
            return None
        if not isinstance(port, int) or not 0 < port < 65536:
            raise self.prop_error(f"{port} is no port", "port", "1 to 65535, or 0 for the default")
        return port
